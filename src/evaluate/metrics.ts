import { ArxivNativeError } from '../errors.js';
import { calibrationBins, calibrationError } from './calibration.js';

/** Figures of one class, as scikit-learn defines them; a ratio without a denominator is 0 (its `zero_division=0`). */
export interface ClassMetrics {
  label: string;
  precision: number;
  recall: number;
  f1: number;
  /** Papers whose label this is. */
  support: number;
}

export type Averages = Pick<ClassMetrics, 'precision' | 'recall' | 'f1'>;

/** What the predicted classes alone decide. */
export interface CountMetrics {
  accuracy: number;
  /** Means over the classes that a paper has or was given, each counted once: scikit-learn's default. */
  macro: Averages;
  /** Means over the classes, weighted by support. */
  weighted: Averages;
  perClass: ClassMetrics[];
  /** confusion[i][j]: papers of class i that were predicted as class j. */
  confusion: number[][];
}

/** How often what was predicted is among the paper's own categories: a wrong answer is often its cross-list. */
export interface CategoryMetrics {
  /** Papers whose categories are known, their label among them. */
  papers: number;
  /** Share of them whose prediction is their label or another of their categories. */
  share: number;
  /** Papers among them whose prediction is not their label. */
  wrong: number;
  /** Share of these whose prediction is another of their categories. */
  wrongShare: number;
}

export interface Metrics extends CountMetrics {
  papers: number;
  /** Mean of −ln p(label), natural logarithm; probabilities are clipped at 2⁻⁵². */
  logLoss: number;
  /** Brier score: mean over papers of the squared distance to certainty of the label, summed over the classes; 0 to 2. */
  brier: number;
  /** Expected calibration error of the most probable class, in 15 bins of equal width. */
  calibrationError: number;
  /** Absent where no paper is known to have a category beside its label: then others are not known, rather than none. */
  categories?: CategoryMetrics;
}

export interface EvaluateOptions {
  /** The class that was chosen for each paper; by default the most probable. */
  predicted?: Int32Array | undefined;
  /** The categories of each paper, empty where they are not known. */
  categories?: readonly (readonly string[])[] | undefined;
}

/**
 * Probabilities from logits: softmax(logits / temperature).
 *
 * @param logits papers × classes, row-major, as the result is
 * @throws ArxivNativeError NON_FINITE if a logit is NaN or infinite: no paper has a category then
 */
export function probabilitiesOf(logits: Float32Array, classes: number, temperature = 1): Float64Array {
  checkFinite(logits);
  const probabilities = new Float64Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    let largest = -Infinity;
    for (let k = start; k < start + classes; k++) largest = Math.max(largest, logits[k]!);
    let sum = 0;
    for (let k = start; k < start + classes; k++) {
      probabilities[k] = Math.exp((logits[k]! - largest) / temperature);
      sum += probabilities[k]!;
    }
    for (let k = start; k < start + classes; k++) probabilities[k]! /= sum;
  }
  return probabilities;
}

/** Throws NON_FINITE if a logit is NaN or infinite. */
export function checkFinite(logits: Float32Array): void {
  if (logits.every(Number.isFinite)) return;
  throw new ArxivNativeError('NON_FINITE', "the model's logits are not finite", {
    remedy: 'Try precision fp32. If that changes nothing, the weights are broken: train the model again.',
  });
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
  { predicted, categories }: EvaluateOptions = {},
): Metrics {
  checkShapes(probabilities, targets, labels.length);
  const papers = targets.length;
  const top = argMaxRows(probabilities, labels.length);
  const chosen = predicted ?? top;
  const agreement = categories && agreements(chosen, targets, labels, categories);
  return {
    papers,
    ...countMetrics(confusionOf(chosen, targets, labels.length), labels),
    logLoss: mean(paperLosses(probabilities, targets, labels.length)),
    brier: mean(paperBriers(probabilities, targets, labels.length)),
    calibrationError: calibrationError(calibrationBins(probabilities, top, targets)),
    ...(agreement && { categories: categoryMetrics(agreement) }),
  };
}

/** Throws RangeError unless there are as many probabilities as papers × classes, and every target is a class. */
export function checkShapes(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
): void {
  const papers = targets.length;
  if (papers === 0 || probabilities.length !== papers * classes) {
    throw new RangeError(`${probabilities.length} probabilities for ${papers} papers of ${classes} classes`);
  }
  for (let paper = 0; paper < papers; paper++) {
    const target = targets[paper]!;
    if (Number.isInteger(target) && target >= 0 && target < classes) continue;
    throw new RangeError(`paper ${paper} has class ${target} of ${classes}`);
  }
}

/** The figures of a confusion matrix of at least one paper. */
export function countMetrics(confusion: number[][], labels: readonly string[]): CountMetrics {
  let occurring = 0;
  const perClass = labels.map((label, k) => {
    const hits = confusion[k]![k]!;
    const support = sum(confusion[k]!);
    const predicted = sum(confusion.map(row => row[k]!));
    if (support + predicted > 0) occurring += 1;
    return {
      label,
      precision: ratio(hits, predicted),
      recall: ratio(hits, support),
      f1: f1Score(hits, support, predicted),
      support,
    };
  });
  const papers = sum(perClass.map(each => each.support));
  return {
    accuracy: sum(confusion.map((row, k) => row[k]!)) / papers,
    macro: average(perClass, () => 1 / occurring),
    weighted: average(perClass, each => each.support / papers),
    perClass,
    confusion,
  };
}

/** F1 of a class that `support` papers have and `predicted` were given, `hits` rightly; 0 where there are none. */
export function f1Score(hits: number, support: number, predicted: number): number {
  return ratio(2 * hits, support + predicted);
}

/** −ln p(label) of each paper; see {@link Metrics.logLoss}. */
export function paperLosses(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
): Float64Array {
  return Float64Array.from(targets, (target, paper) => {
    const p = probabilities[paper * classes + target]!;
    return -Math.log(Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, p)));
  });
}

/** The Brier score of each paper; see {@link Metrics.brier}. */
export function paperBriers(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
): Float64Array {
  return Float64Array.from(targets, (target, paper) => {
    let squares = 0;
    for (let k = 0; k < classes; k++) {
      squares += (probabilities[paper * classes + k]! - (k === target ? 1 : 0)) ** 2;
    }
    return squares;
  });
}

function confusionOf(predicted: Int32Array, targets: ArrayLike<number>, classes: number): number[][] {
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  predicted.forEach((chosen, paper) => {
    confusion[targets[paper]!]![chosen]! += 1;
  });
  return confusion;
}

/** What an answer is to a paper whose categories are known. */
export type Agreement = 'label' | 'another category' | 'no category';

/** Of each paper; undefined where its categories are not known, and altogether where none has one beside its label. */
export function agreements(
  predicted: Int32Array,
  targets: ArrayLike<number>,
  labels: readonly string[],
  categories: readonly (readonly string[])[],
): (Agreement | undefined)[] | undefined {
  let others = false;
  const found = categories.map((own, paper): Agreement | undefined => {
    // Labels of another kind say nothing of categories.
    if (!own.includes(labels[targets[paper]!]!)) return undefined;
    others ||= own.length > 1;
    if (predicted[paper] === targets[paper]) return 'label';
    return own.includes(labels[predicted[paper]!]!) ? 'another category' : 'no category';
  });
  return others ? found : undefined;
}

function categoryMetrics(found: readonly (Agreement | undefined)[]): CategoryMetrics {
  const count = (wanted: Agreement) => found.filter(each => each === wanted).length;
  const [right, crossListed, none] = [count('label'), count('another category'), count('no category')];
  const wrong = crossListed + none;
  return {
    papers: right + wrong,
    share: (right + crossListed) / (right + wrong),
    wrong,
    wrongShare: ratio(crossListed, wrong),
  };
}

function average(perClass: ClassMetrics[], weight: (each: ClassMetrics) => number): Averages {
  const weighted = (key: keyof Averages) => sum(perClass.map(each => each[key] * weight(each)));
  return { precision: weighted('precision'), recall: weighted('recall'), f1: weighted('f1') };
}

/** A share; 0 where there is nothing to share. */
export function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function mean(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
