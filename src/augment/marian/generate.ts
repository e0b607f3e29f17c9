import { seededRandom } from '../../util/random.js';
import type { Generation } from './generation.js';
import { bestTokens, type Candidate } from './logits.js';
import type { MarianModel } from './model.js';
import { BeamSearch, type Hypothesis, type Search, Walk } from './search.js';

export interface Generated {
  /** With the end token, without the start token. */
  ids: number[];
  /** Whether it came to its end by itself, before the greatest length. */
  isWhole: boolean;
}

/**
 * Translates a batch of sentences, with what transformers' `generate` gives for the same settings (a drawn translation
 * comes from the same distribution). What a sentence becomes does not depend on the others, but for rounding.
 *
 * @param inputs token ids, each with the end token
 * @param seed of drawing: the same for one sentence gives the same translation
 */
export async function generate(
  model: MarianModel,
  inputs: readonly (readonly number[])[],
  generation: Generation,
  seed: number,
): Promise<Generated[]> {
  const isSearch = generation.beams > 1 && generation.temperature === undefined;
  const decoder = await model.read(inputs, isSearch ? generation.beams : 1);
  const searches = inputs.map(
    (ids, row): Search =>
      isSearch
        ? new BeamSearch(generation, row)
        : new Walk(generation, row, seededRandom(`${seed}\n${ids.join(' ')}`)),
  );
  const { vocabSize } = model.shape;
  let running: readonly Search[] = searches;
  for (let length = 1; running.length > 0 && length < generation.maxLength; length++) {
    const hypotheses = running.flatMap(search => search.open);
    if (generation.forcedEnd !== undefined && length === generation.maxLength - 1) {
      const forced = [{ token: generation.forcedEnd, logProbability: 0 }];
      for (const search of running) search.advance(search.open.map(() => forced));
      break;
    }
    const byRow = [...hypotheses].sort((a, b) => a.row - b.row);
    const logits = await decoder.step(byRow.map(({ ids }) => ids.at(-1)!));
    const candidates = ({ row, ids }: Hypothesis, width: number): Candidate[] =>
      bestTokens(
        logits.subarray(row * vocabSize, (row + 1) * vocabSize),
        bannedAfter(ids, generation),
        width,
        generation.renormalize,
      );
    for (const search of running) {
      search.advance(search.open.map(hypothesis => candidates(hypothesis, search.width)));
    }
    running = running.filter(search => search.open.length > 0);
    const open = running.flatMap(search => search.open);
    for (const [i, row] of decoder.arrange(open.map(({ row }) => row)).entries()) open[i]!.row = row;
  }
  return searches.map(search => {
    const ids = search.result();
    return { ids: ids.slice(1), isWhole: ids.length < generation.maxLength && ids.at(-1) === generation.end };
  });
}

/** Tokens that may not follow. */
function bannedAfter(ids: readonly number[], generation: Generation): number[] {
  const { banned, noRepeat, minLength, end } = generation;
  const follows = (sequence: readonly number[]) => {
    const before = sequence.length - 1;
    return before < ids.length && sequence.slice(0, -1).every((id, i) => id === ids[ids.length - before + i]);
  };
  const tokens = banned.filter(follows).map(sequence => sequence.at(-1)!);
  if (ids.length < minLength) tokens.push(end);
  if (noRepeat > 0) {
    for (let i = 0; i + noRepeat <= ids.length; i++) {
      const earlier = ids.slice(i, i + noRepeat);
      if (follows(earlier)) tokens.push(earlier.at(-1)!);
    }
  }
  return tokens;
}
