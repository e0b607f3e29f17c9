import { ArxivNativeError } from '../errors.js';
import type { DecisionRule } from '../model/decision.js';
import { didYouMean } from '../util/options.js';
import { argMaxRows, checkShapes, f1Score, ratio } from './metrics.js';

/** What thresholds are to raise on the papers they are fitted on. */
export type ThresholdObjective = 'accuracy' | 'macroF1';

/** What one class's threshold brings while the others' stay. */
export interface ThresholdPoint {
  /** From 0 to 1: halfway between the probabilities of two papers, so that rounding moves none; 0.5 if that lies between. */
  threshold: number;
  accuracy: number;
  macroF1: number;
  /** Of the class. */
  precision: number;
  recall: number;
}

/** Where each class begins: any threshold that all share chooses as arg max does. */
const NEUTRAL = 0.5;

/**
 * The threshold of one class that is best on these papers, the others having none. Of equally good ones it is the
 * highest, which is nearest to arg max; where none is better than arg max, the rule is arg max.
 *
 * @param probabilities papers × labels.length, row-major
 * @param targets one class index a paper; at least one paper
 * @param label the class, one of the labels
 * @returns the rule, and the trade-off: a point wherever papers change sides, from arg max to the class everywhere
 */
export function fitThreshold(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  labels: readonly string[],
  { label, objective }: { label: string; objective: ThresholdObjective },
): { rule: DecisionRule; curve: ThresholdPoint[] } {
  const classIndex = labels.indexOf(label);
  if (classIndex < 0) throw new RangeError(`"${label}" is none of ${labels.join(', ')}`);
  const none = new Float64Array(labels.length).fill(Infinity);
  const curve = new Papers(probabilities, targets, labels.length).sweep(classIndex, none);
  const best = curve.reduce((a, b) => (b[objective] > a[objective] ? b : a));
  if (best === curve[0]) return { rule: { method: 'argmax' }, curve };
  return { rule: { method: 'thresholds', thresholds: Object.fromEntries([[label, best.threshold]]) }, curve };
}

/**
 * A threshold for each class by coordinate ascent: all begin at 0.5, which is arg max; in turn each moves to where it
 * is best while the others stay, until none can raise the objective. Of equally good ones it is that nearest to 0.5,
 * and where nothing is better than arg max, the rule is arg max. Other papers gain less than those it is fitted on, or
 * nothing at all: as many thresholds as classes also fit the accidents of a few thousand papers.
 *
 * @param probabilities papers × labels.length, row-major
 * @param targets one class index a paper; at least one paper
 */
export function fitThresholds(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  labels: readonly string[],
  { objective }: { objective: ThresholdObjective },
): DecisionRule {
  const papers = new Papers(probabilities, targets, labels.length);
  const thresholds = new Float64Array(labels.length).fill(NEUTRAL);
  const distance = (point: ThresholdPoint) => Math.abs(point.threshold - NEUTRAL);
  // 0.5 lies between two papers' probabilities at exactly one point.
  let reached = papers.sweep(0, thresholds).find(point => point.threshold === NEUTRAL)![objective];
  for (let k = 0, settled = 0; settled < labels.length; k = (k + 1) % labels.length, settled++) {
    const best = papers.sweep(k, thresholds).reduce((a, b) => {
      const gain = b[objective] - a[objective];
      return gain > 0 || (gain === 0 && distance(b) < distance(a)) ? b : a;
    });
    if (best[objective] <= reached) continue;
    thresholds[k] = best.threshold;
    reached = best[objective];
    settled = 0;
  }
  if (thresholds.every(threshold => threshold === NEUTRAL)) return { method: 'argmax' };
  return {
    method: 'thresholds',
    thresholds: Object.fromEntries(labels.map((label, k) => [label, thresholds[k]!])),
  };
}

/** @throws BAD_OPTION for a class that the model lacks, naming the nearest */
export function checkClass(label: string | undefined, labels: readonly string[]): void {
  if (label === undefined || labels.includes(label)) return;
  throw new ArxivNativeError('BAD_OPTION', `the model has no class ${JSON.stringify(label)}`, {
    remedy: didYouMean(label, labels),
  });
}

/** The papers that thresholds are fitted on. */
class Papers {
  readonly #top: Int32Array;
  /** For each class, once it was needed, the papers by its probability, the largest first. */
  readonly #orders: Int32Array[] = [];

  constructor(
    readonly probabilities: ArrayLike<number>,
    readonly targets: ArrayLike<number>,
    readonly classes: number,
  ) {
    checkShapes(probabilities, targets, classes);
    this.#top = argMaxRows(probabilities, classes);
  }

  /** What every threshold of class k brings, the highest first, while the others have those of `thresholds`. */
  sweep(k: number, thresholds: Float64Array): ThresholdPoint[] {
    const { targets } = this;
    const tally = new Tally(targets, this.classes);
    const movers: { paper: number; from: number }[] = [];
    for (const paper of this.#order(k)) {
      const rival = this.#rival(paper, k, thresholds);
      const chosen = rival < 0 ? this.#top[paper]! : rival;
      tally.add(targets[paper]!, chosen, 1);
      if (chosen !== k && (rival < 0 || this.#beats(paper, k, rival))) movers.push({ paper, from: chosen });
    }
    const points: ThresholdPoint[] = [];
    let upper = 1;
    for (let i = 0; i < movers.length; ) {
      const lower = this.#probability(movers[i]!.paper, k);
      if (lower < upper) points.push({ threshold: between(lower, upper), ...tally.figures(k) });
      for (; i < movers.length && this.#probability(movers[i]!.paper, k) === lower; i++) {
        const { paper, from } = movers[i]!;
        tally.add(targets[paper]!, from, -1);
        tally.add(targets[paper]!, k, 1);
      }
      upper = Math.min(1, lower);
    }
    points.push({ threshold: between(0, upper), ...tally.figures(k) });
    return points;
  }

  #probability(paper: number, k: number): number {
    return this.probabilities[paper * this.classes + k]!;
  }

  #order(k: number): Int32Array {
    this.#orders[k] ??= Int32Array.from({ length: this.targets.length }, (_, paper) => paper).sort(
      (a, b) => this.#probability(b, k) - this.#probability(a, k),
    );
    return this.#orders[k];
  }

  /** The class other than k that the others' thresholds choose; -1 where none is reached. */
  #rival(paper: number, k: number, thresholds: Float64Array): number {
    let rival = -1;
    for (let other = 0; other < this.classes; other++) {
      if (other === k || this.#probability(paper, other) < thresholds[other]!) continue;
      if (rival < 0 || this.#beats(paper, other, rival)) rival = other;
    }
    return rival;
  }

  /** Whether class a goes before b where both reach their thresholds. */
  #beats(paper: number, a: number, b: number): boolean {
    const gain = this.#probability(paper, a) - this.#probability(paper, b);
    return gain > 0 || (gain === 0 && a < b);
  }
}

/** Keeps count of what was predicted while single papers change sides. */
class Tally {
  readonly #support: Float64Array;
  readonly #predicted: Float64Array;
  readonly #hits: Float64Array;
  #correct = 0;

  constructor(
    private readonly targets: ArrayLike<number>,
    classes: number,
  ) {
    this.#support = new Float64Array(classes);
    this.#predicted = new Float64Array(classes);
    this.#hits = new Float64Array(classes);
    for (let paper = 0; paper < targets.length; paper++) this.#support[targets[paper]!]! += 1;
  }

  add(target: number, predicted: number, papers: 1 | -1): void {
    this.#predicted[predicted]! += papers;
    if (predicted !== target) return;
    this.#hits[target]! += papers;
    this.#correct += papers;
  }

  figures(k: number): Omit<ThresholdPoint, 'threshold'> {
    let f1 = 0;
    let occurring = 0;
    for (let each = 0; each < this.#hits.length; each++) {
      if (this.#support[each]! + this.#predicted[each]! > 0) occurring += 1;
      f1 += f1Score(this.#hits[each]!, this.#support[each]!, this.#predicted[each]!);
    }
    return {
      accuracy: this.#correct / this.targets.length,
      macroF1: f1 / occurring,
      precision: ratio(this.#hits[k]!, this.#predicted[k]!),
      recall: ratio(this.#hits[k]!, this.#support[k]!),
    };
  }
}

/** A number above `lower` and at most `upper`. */
function between(lower: number, upper: number): number {
  if (lower < NEUTRAL && NEUTRAL <= upper) return NEUTRAL;
  const middle = (lower + upper) / 2;
  return middle > lower ? middle : upper;
}
