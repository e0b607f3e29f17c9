import type { Generation } from './generation.js';
import type { Candidate } from './logits.js';

/** A beginning of a translation, or a whole one. */
export interface Hypothesis {
  /** The start token first. */
  ids: number[];
  /** Sum of the log probabilities of its tokens. */
  score: number;
  /** The decoder's row that it is continued from. */
  row: number;
}

/** What becomes of one sentence. */
export interface Search {
  /** What is to be continued, the best first; empty once the search is over. */
  readonly open: readonly Hypothesis[];
  /** Candidates to be had for each of them. */
  readonly width: number;
  /** @param candidates for each open hypothesis its next tokens, the best first */
  advance(candidates: readonly (readonly Candidate[])[]): void;
  /** The translation's ids, the start token first, and the end token last where it came. */
  result(): number[];
}

/**
 * Beam search as transformers' `generate` does it (4.57), for one sentence: of the 2n best continuations of n beams,
 * those that end are finished if they are among the n best, and the n best others go on.
 */
export class BeamSearch implements Search {
  open: Hypothesis[];
  readonly width: number;
  /** The n best so far, the best first; the score divided by the length's power. */
  private readonly finished: { ids: number[]; score: number }[] = [];

  constructor(
    private readonly generation: Generation,
    row: number,
  ) {
    this.width = 2 * generation.beams;
    this.open = [{ ids: [generation.start], score: 0, row }];
  }

  advance(candidates: readonly (readonly Candidate[])[]): void {
    const { beams, end, maxLength, lengthPenalty } = this.generation;
    const continuations = this.open
      .flatMap((parent, i) =>
        candidates[i]!.map(({ token, logProbability }) => ({
          parent,
          token,
          score: parent.score + logProbability,
        })),
      )
      .sort((a, b) => b.score - a.score)
      .slice(0, this.width);
    const generated = this.open[0]!.ids.length;
    const isLast = generated + 1 === maxLength;
    const next: Hypothesis[] = [];
    for (const [rank, { parent, token, score }] of continuations.entries()) {
      const isWhole = token === end || isLast;
      if (isWhole && rank < beams) this.finish([...parent.ids, token], score / generated ** lengthPenalty);
      else if (!isWhole && next.length < beams)
        next.push({ ids: [...parent.ids, token], score, row: parent.row });
    }
    this.open = this.isOver(next, generated) ? [] : next;
  }

  result(): number[] {
    return this.finished[0]?.ids ?? [this.generation.start];
  }

  private finish(ids: number[], score: number): void {
    const { finished } = this;
    let place = finished.length;
    while (place > 0 && finished[place - 1]!.score < score) place--;
    finished.splice(place, 0, { ids, score });
    finished.length = Math.min(finished.length, this.generation.beams);
  }

  /** Whether what goes on is given up for what is finished. @param generated tokens so far, without the start token */
  private isOver(next: readonly Hypothesis[], generated: number): boolean {
    const { beams, maxLength, earlyStopping, lengthPenalty } = this.generation;
    if (next.length === 0) return true;
    if (this.finished.length < beams) return false;
    if (earlyStopping === true) return true;
    const reach = earlyStopping === 'never' && lengthPenalty > 0 ? maxLength - 1 : generated;
    return next[0]!.score / reach ** lengthPenalty <= this.finished.at(-1)!.score;
  }
}

/** One token after the other: the most probable one, or one that is drawn. */
export class Walk implements Search {
  open: Hypothesis[];
  readonly width: number;
  private ids: number[];

  /** @param random numbers in [0, 1), for drawing by `temperature` */
  constructor(
    private readonly generation: Generation,
    row: number,
    private readonly random: () => number,
  ) {
    this.width = generation.temperature === undefined ? 1 : generation.topK;
    this.ids = [generation.start];
    this.open = [{ ids: this.ids, score: 0, row }];
  }

  advance([candidates]: readonly (readonly Candidate[])[]): void {
    const { end, maxLength, temperature } = this.generation;
    const chosen = temperature === undefined ? candidates![0] : draw(candidates!, temperature, this.random());
    const [{ row }] = this.open as [Hypothesis];
    this.open = [];
    if (chosen === undefined) return;
    this.ids = [...this.ids, chosen.token];
    if (chosen.token !== end && this.ids.length < maxLength) this.open = [{ ids: this.ids, score: 0, row }];
  }

  result(): number[] {
    return this.ids;
  }
}

/** @param number in [0, 1) */
function draw(candidates: readonly Candidate[], temperature: number, number: number): Candidate | undefined {
  const highest = candidates[0]?.logProbability ?? 0;
  const weights = candidates.map(({ logProbability }) => Math.exp((logProbability - highest) / temperature));
  let left = number * weights.reduce((sum, weight) => sum + weight, 0);
  const drawn = candidates.find((_, i) => {
    left -= weights[i]!;
    return left < 0;
  });
  // Rounding may leave a rest.
  return drawn ?? candidates.at(-1);
}
