import { ArxivNativeError } from '../errors.js';

/** Figures of one class, as scikit-learn defines them; a ratio without a denominator is 0. */
export interface ClassMetrics {
  label: string;
  precision: number;
  recall: number;
  f1: number;
  /** Papers whose label this is. */
  support: number;
}

export type Averages = Pick<ClassMetrics, 'precision' | 'recall' | 'f1'>;

export interface Metrics {
  papers: number;
  accuracy: number;
  /** Mean of −ln p(label), natural logarithm; probabilities are clipped at 2⁻⁵². */
  logLoss: number;
  /** Means over the classes, each counted once. */
  macro: Averages;
  /** Means over the classes, weighted by support. */
  weighted: Averages;
  perClass: ClassMetrics[];
  /** confusion[i][j]: papers of class i that were predicted as class j. */
  confusion: number[][];
}

/**
 * Probabilities from logits (softmax).
 *
 * @param logits papers × classes, row-major, as the result is
 * @throws ArxivNativeError NON_FINITE if a logit is NaN or infinite: no paper has a category then
 */
export function probabilitiesOf(logits: Float32Array, classes: number): Float64Array {
  if (!logits.every(Number.isFinite)) {
    throw new ArxivNativeError('NON_FINITE', "the model's logits are not finite", {
      remedy: 'Try precision fp32. If that changes nothing, the weights are broken: train the model again.',
    });
  }
  const probabilities = new Float64Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    let largest = -Infinity;
    for (let k = start; k < start + classes; k++) largest = Math.max(largest, logits[k]!);
    let sum = 0;
    for (let k = start; k < start + classes; k++) {
      probabilities[k] = Math.exp(logits[k]! - largest);
      sum += probabilities[k]!;
    }
    for (let k = start; k < start + classes; k++) probabilities[k]! /= sum;
  }
  return probabilities;
}

/** The index of each row's largest number; the first of equals. */
export function argMaxRows(rows: ArrayLike<number>, classes: number): Int32Array {
  const best = new Int32Array(rows.length / classes);
  for (let row = 0; row < best.length; row++) {
    for (let k = 1; k < classes; k++) {
      if (rows[row * classes + k]! > rows[row * classes + best[row]!]!) best[row] = k;
    }
  }
  return best;
}

/**
 * Compares predictions with the truth.
 *
 * @param probabilities papers × labels.length, row-major
 * @param targets one class index a paper; at least one paper
 * @param labels the classes' names, by index
 */
export function evaluate(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  labels: readonly string[],
): Metrics {
  const papers = targets.length;
  const classes = labels.length;
  if (papers === 0 || probabilities.length !== papers * classes) {
    throw new RangeError(`${probabilities.length} probabilities for ${papers} papers of ${classes} classes`);
  }
  const predicted = argMaxRows(probabilities, classes);
  const confusion = labels.map(() => new Array<number>(classes).fill(0));
  let logLoss = 0;
  let correct = 0;
  for (let paper = 0; paper < papers; paper++) {
    const target = targets[paper]!;
    confusion[target]![predicted[paper]!]! += 1;
    if (predicted[paper] === target) correct += 1;
    const p = probabilities[paper * classes + target]!;
    logLoss -= Math.log(Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, p))) / papers;
  }
  const perClass = labels.map((label, k) => classMetrics(label, k, confusion));
  return {
    papers,
    accuracy: correct / papers,
    logLoss,
    macro: average(perClass, () => 1 / classes),
    weighted: average(perClass, each => each.support / papers),
    perClass,
    confusion,
  };
}

function classMetrics(label: string, k: number, confusion: number[][]): ClassMetrics {
  const hits = confusion[k]![k]!;
  const support = sum(confusion[k]!);
  const predicted = sum(confusion.map(row => row[k]!));
  return {
    label,
    precision: ratio(hits, predicted),
    recall: ratio(hits, support),
    f1: ratio(2 * hits, support + predicted),
    support,
  };
}

function average(perClass: ClassMetrics[], weight: (each: ClassMetrics) => number): Averages {
  const mean = (key: keyof Averages) => sum(perClass.map(each => each[key] * weight(each)));
  return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
