import { pacer } from '../util/pace.js';
import { seededRandom } from '../util/random.js';
import { quantile } from './distribution.js';
import {
  type Agreement,
  type Averages,
  argMaxRows,
  type CountMetrics,
  checkShapes,
  countMetrics,
  paperBriers,
  paperLosses,
} from './metrics.js';

const RESAMPLES = 10_000;
const CONFIDENCE = 0.95;

export interface Interval {
  /** Of the papers as they are. */
  value: number;
  /** The ends of the 95 % bootstrap interval; the value itself where no resample defines the figure. */
  low: number;
  high: number;
}

type AverageIntervals = Record<keyof Averages, Interval>;

/**
 * Intervals of what `Metrics` has. The calibration error has none: resampling adds error to it, so that its intervals
 * would lie beside it.
 */
export interface MetricIntervals {
  accuracy: Interval;
  logLoss: Interval;
  brier: Interval;
  macro: AverageIntervals;
  weighted: AverageIntervals;
  perClass: ({ label: string } & AverageIntervals)[];
  /** Where `Metrics` has them. */
  categories?: { share: Interval; wrongShare: Interval };
}

/** What a model said of the papers. */
export interface Answers {
  /** papers × classes, row-major. */
  probabilities: ArrayLike<number>;
  /** The class that was chosen for each paper; by default the most probable. */
  predicted?: Int32Array | undefined;
}

export interface BootstrapOptions {
  /** The same seed draws the same papers. */
  seed: number;
  /** By default 10,000. */
  resamples?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The figures of a resample, always as many.
 *
 * @param counts counts[i] says how often it holds paper i
 * @param undefinedAs what stands for a figure that these papers do not define
 */
type ResampleFigures = (counts: Uint16Array, undefinedAs: number) => number[];

/**
 * 95 % percentile bootstrap intervals (Efron 1979): how the figures vary over sets of papers drawn from these with
 * replacement. A class's interval is over the sets that define its figure: that have a paper of it for the recall, one
 * that was given it for the precision, either for F1. The averages are those that `countMetrics` has of every set.
 *
 * @param targets one class index a paper; at least one paper
 * @throws ArxivNativeError CANCELLED soon after the signal comes
 */
export async function bootstrapMetrics(
  answers: Answers,
  targets: ArrayLike<number>,
  labels: readonly string[],
  options: BootstrapOptions,
): Promise<MetricIntervals> {
  const figures = resampleFigures(answers, targets, labels);
  return nested(await bootstrap(targets.length, figures, options), labels);
}

/**
 * The paired bootstrap of two models: intervals of each figure of the first minus that of the second, both on the same
 * papers in every resample, and over the resamples that define both. An interval without 0 in it says that they differ.
 *
 * @param targets one class index a paper; at least one paper
 * @throws ArxivNativeError CANCELLED soon after the signal comes
 */
export async function bootstrapDifference(
  first: Answers,
  second: Answers,
  targets: ArrayLike<number>,
  labels: readonly string[],
  options: BootstrapOptions,
): Promise<MetricIntervals> {
  const [a, b] = [resampleFigures(first, targets, labels), resampleFigures(second, targets, labels)];
  const difference: ResampleFigures = (counts, undefinedAs) => {
    const subtrahends = b(counts, undefinedAs);
    return a(counts, undefinedAs).map((figure, i) => figure - subtrahends[i]!);
  };
  return nested(await bootstrap(targets.length, difference, options), labels);
}

/**
 * The intervals of `Metrics.categories`, over sets of papers whose categories are known.
 *
 * @throws ArxivNativeError CANCELLED soon after the signal comes
 */
export async function bootstrapCategories(
  found: readonly (Agreement | undefined)[],
  options: BootstrapOptions,
): Promise<NonNullable<MetricIntervals['categories']>> {
  const known = found.filter(each => each !== undefined);
  const isLabel = Uint8Array.from(known, each => Number(each === 'label'));
  const isAnother = Uint8Array.from(known, each => Number(each === 'another category'));
  const [share, wrongShare] = await bootstrap(
    known.length,
    (counts, undefinedAs) => {
      let right = 0;
      let crossListed = 0;
      for (let paper = 0; paper < known.length; paper++) {
        right += counts[paper]! * isLabel[paper]!;
        crossListed += counts[paper]! * isAnother[paper]!;
      }
      const wrong = known.length - right;
      return [(right + crossListed) / known.length, wrong > 0 ? crossListed / wrong : undefinedAs];
    },
    options,
  );
  return { share: share!, wrongShare: wrongShare! };
}

/**
 * The percentile bootstrap of any figures. What a resample leaves undefined counts for nothing; in a value it counts
 * as 0.
 *
 * @throws ArxivNativeError CANCELLED soon after the signal comes
 */
export async function bootstrap(
  papers: number,
  figures: ResampleFigures,
  { seed, resamples = RESAMPLES, signal }: BootstrapOptions,
): Promise<Interval[]> {
  const rest = pacer(signal, 'drawing the samples of the intervals');
  // 16 bits hold how often any paper is drawn, and 11,000 papers stay in the processor's nearest cache.
  const counts = new Uint16Array(papers);
  const values = figures(counts.fill(1), 0);
  const samples = values.map(() => new Float64Array(resamples));
  const random = seededRandom(`bootstrap ${seed}`);
  // The compiler does better by a function that awaits nothing: in the loop itself this took a third longer.
  const take = (resample: number) => {
    counts.fill(0);
    for (let draw = 0; draw < papers; draw++) counts[Math.floor(random() * papers)]! += 1;
    for (const [i, value] of figures(counts, NaN).entries()) samples[i]![resample] = value;
  };
  for (let resample = 0; resample < resamples; resample++) {
    take(resample);
    await rest();
  }
  return values.map((value, i) => {
    const sorted = samples[i]!.filter(sample => !Number.isNaN(sample)).sort();
    if (sorted.length === 0) return { value, low: value, high: value };
    const tail = (1 - CONFIDENCE) / 2;
    return { value, low: quantile(sorted, tail), high: quantile(sorted, 1 - tail) };
  });
}

/** In the order that `nested` reads. */
function resampleFigures(
  { probabilities, predicted }: Answers,
  targets: ArrayLike<number>,
  labels: readonly string[],
): ResampleFigures {
  const papers = targets.length;
  const classes = labels.length;
  checkShapes(probabilities, targets, classes);
  const chosen = predicted ?? argMaxRows(probabilities, classes);
  const cells = Int32Array.from(targets, (target, paper) => target * classes + chosen[paper]!);
  const losses = paperLosses(probabilities, targets, classes);
  const briers = paperBriers(probabilities, targets, classes);
  const tally = new Float64Array(classes * classes);
  return (counts, undefinedAs) => {
    tally.fill(0);
    let loss = 0;
    let brier = 0;
    for (let paper = 0; paper < papers; paper++) {
      const count = counts[paper]!;
      tally[cells[paper]!]! += count;
      loss += count * losses[paper]!;
      brier += count * briers[paper]!;
    }
    const confusion = labels.map((_, k) => [...tally.subarray(k * classes, (k + 1) * classes)]);
    return flat(countMetrics(confusion, labels), loss / papers, brier / papers, undefinedAs);
  };
}

function flat(
  { accuracy, macro, weighted, perClass, confusion }: CountMetrics,
  logLoss: number,
  brier: number,
  undefinedAs: number,
): number[] {
  return [
    accuracy,
    logLoss,
    brier,
    ...[macro, weighted].flatMap(({ precision, recall, f1 }) => [precision, recall, f1]),
    ...perClass.flatMap(({ precision, recall, f1, support }, k) => {
      const isGiven = confusion.some(row => row[k]! > 0);
      return [
        isGiven ? precision : undefinedAs,
        support > 0 ? recall : undefinedAs,
        isGiven || support > 0 ? f1 : undefinedAs,
      ];
    }),
  ];
}

function nested(intervals: Interval[], labels: readonly string[]): MetricIntervals {
  const remaining = intervals.values();
  const next = () => remaining.next().value!;
  const averages = () => ({ precision: next(), recall: next(), f1: next() });
  return {
    accuracy: next(),
    logLoss: next(),
    brier: next(),
    macro: averages(),
    weighted: averages(),
    perClass: labels.map(label => ({ label, ...averages() })),
  };
}
