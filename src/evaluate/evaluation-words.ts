import { scalesText } from '../model/words.js';
import { counted, grouped, percent, printable } from '../util/format.js';
import type { Interval } from './bootstrap.js';
import type { BaselineComparison, Evaluation } from './evaluate-model.js';
import type { LeftOut } from './exam.js';
import type { Figures } from './figures.js';
import type { Objectives } from './objectives.js';

/**
 * An evaluation in sentences and in rows of tables (headings first), the same for a terminal and a page. Names from
 * files are {@link printable}.
 */

/** Which papers were examined, and how the model chose. */
export function examSentences({ data, decision, device, precision, scales }: Evaluation): string[] {
  return [
    ...paperSentences(data),
    seenSentence(data.seen),
    ...(scales === undefined ? [] : [`It knows words beside its encoder: ${scalesText(scales)}.`]),
    `${ruleSentence(decision)} On ${device}, ${precision}.`,
  ];
}

/** Which papers were examined, and which not. */
export function paperSentences({
  papers,
  source,
  split,
  leftOut,
}: Omit<Evaluation['data'], 'seen'>): string[] {
  const part = split === undefined ? 'all papers with known labels' : `the ${split} papers`;
  return [`${counted(papers, 'paper')}: ${part} of ${printable(source)}.`, ...leftOutSentences(leftOut)];
}

/** Which papers were not examined; nothing where all were. */
export function leftOutSentences(leftOut: LeftOut): string[] {
  const reasons = [
    [leftOut.otherLabels, 'without a label that the model knows'],
    [leftOut.duplicates, 'duplicates'],
    [leftOut.withdrawn, 'withdrawn'],
    [leftOut.empty, 'without title or abstract'],
    [leftOut.synthetic, 'synthetic'],
  ] as const;
  const out = reasons.filter(([count]) => count > 0).map(([count, why]) => `${grouped(count)} ${why}`);
  return out.length > 0 ? [`Left out: ${out.join(', ')}.`] : [];
}

function seenSentence(seen: Evaluation['data']['seen']): string {
  if (seen === undefined) return "Whether the model has seen them is not known: its own data isn't there.";
  const { train, validation } = seen;
  if (train + validation === 0) return 'It was neither trained nor selected by any of them.';
  const parts = [
    ...(train > 0 ? [`it was trained on ${grouped(train)} of them`] : []),
    ...(validation > 0 ? [`selected by ${grouped(validation)}`] : []),
  ];
  return `Not all are new to it: ${parts.join(', ')}. The figures flatter it.`;
}

/** How a model chooses, in a sentence. */
export function ruleSentence(decision: Evaluation['decision']): string {
  const temperature = decision.temperature ? `, temperature ${decision.temperature.toPrecision(3)}` : '';
  if (decision.method === 'argmax') return `The most probable class is chosen${temperature}.`;
  const thresholds = Object.entries(decision.thresholds).map(
    ([label, value]) => `${printable(label)} ${value.toPrecision(3)}`,
  );
  return `Classes are chosen by thresholds: ${thresholds.join(', ')}${temperature}.`;
}

export function figureRows({ metrics, intervals, argmax, baseline }: Evaluation): string[][] {
  const columns = [
    { name: '', of: { metrics, intervals } },
    ...(argmax ? [{ name: 'most probable', of: argmax }] : []),
    ...(baseline ? [{ name: 'baseline', of: baseline }] : []),
  ];
  const share = (name: string, pick: (of: Evaluation['intervals']) => Interval) => [
    name,
    ranged(pick(intervals), percent),
    ...columns.slice(1).map(({ of }) => percent(pick(of.intervals).value)),
  ];
  const plain = (name: string, pick: (of: Evaluation['intervals']) => Interval) => [
    name,
    ranged(pick(intervals), decimal),
    ...columns.slice(1).map(({ of }) => decimal(pick(of.intervals).value)),
  ];
  return [
    columns.flatMap(({ name }, i) => (i === 0 ? ['', 'model'] : [name])),
    share('accuracy', of => of.accuracy),
    share('macro-F1', of => of.macro.f1),
    share('macro precision', of => of.macro.precision),
    share('macro recall', of => of.macro.recall),
    share('weighted F1', of => of.weighted.f1),
    plain('log loss', of => of.logLoss),
    plain('Brier score', of => of.brier),
    ['calibration error', ...columns.map(({ of }) => percent(of.metrics.calibrationError))],
  ];
}

/** How often an answer is among the paper's own categories; nothing where they are not known. */
export function agreementSentences({ metrics, intervals }: Evaluation): string[] {
  if (metrics.categories === undefined) return [];
  const { papers: count, wrong } = metrics.categories;
  const { share, wrongShare } = intervals.categories!;
  return [
    `Of ${counted(count, 'paper')} whose categories are known, ${ranged(share, percent)} are given one of their own; of the ${grouped(wrong)} wrong answers ${wrong === 0 ? 'none are' : `${ranged(wrongShare, percent)} are`} another category of the paper.`,
  ];
}

export function classRows({ metrics, intervals }: Figures): string[][] {
  return [
    ['', 'precision', 'recall', 'F1', 'papers'],
    ...metrics.perClass.map(({ label, support }, k) => {
      const { precision, recall, f1 } = intervals.perClass[k]!;
      const predicted = metrics.confusion.reduce((sum, row) => sum + row[k]!, 0);
      // Where nothing is to be shared out, a 0 would look like a failure.
      const shown = (interval: Interval, whole: number) => (whole === 0 ? '–' : ranged(interval, points));
      return [
        printable(label),
        shown(precision, predicted),
        shown(recall, support),
        shown(f1, support + predicted),
        grouped(support),
      ];
    }),
  ];
}

/** A row is what papers are, a column what was said. */
export function confusionRows(matrix: readonly (readonly number[])[], labels: readonly string[]): string[][] {
  const names = labels.map(printable);
  return [['', ...names], ...matrix.map((row, k) => [names[k]!, ...row.map(grouped)])];
}

/** The most frequent confusions; the headings alone where there is none. */
export function topConfusionRows(
  matrix: readonly (readonly number[])[],
  labels: readonly string[],
  most: number,
): string[][] {
  const names = labels.map(printable);
  const pairs = matrix
    .flatMap((row, i) => row.map((count, j) => ({ count, i, j })))
    .filter(({ count, i, j }) => i !== j && count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, most);
  return [
    ['', 'papers'],
    ...pairs.map(({ count, i, j }) => [`${names[i]} taken for ${names[j]}`, grouped(count)]),
  ];
}

export function comparisonSentence({ difference, mcnemar }: BaselineComparison): string {
  const { accuracy } = difference;
  const { onlyFirst, onlySecond, pValue } = mcnemar;
  const verdict =
    pValue >= 0.05
      ? 'That is no more than chance may do'
      : `The ${accuracy.value > 0 ? 'model' : 'baseline'} is better`;
  return `Accuracy ${signed(accuracy.value)} points (${signed(accuracy.low)} to ${signed(accuracy.high)}). Only the model is right on ${grouped(onlyFirst)}, only the baseline on ${grouped(onlySecond)}: McNemar's p = ${pValue.toPrecision(2)}. ${verdict}.`;
}

/** The accuracies that training recorded; nothing where there are none. */
export function recordedSentences({ accuracies }: Evaluation): string[] {
  const { train, trainPapers, validation, test } = accuracies;
  const how =
    trainPapers === undefined ? 'with dropout' : `of ${counted(trainPapers, 'paper')}, without dropout`;
  const parts = [
    ...(train === undefined ? [] : [`training ${percent(train)} (${how})`]),
    ...(validation === undefined ? [] : [`validation ${percent(validation)}`]),
    ...(test === undefined ? [] : [`test ${percent(test)}`]),
  ];
  return parts.length > 0 ? [`${parts.join(', ')}.`] : [];
}

/** Without headings. */
export function objectiveRows({ accuracy, aiRecall, gap, gapTotal }: Objectives): string[][] {
  const verdict = (met: boolean) => (met ? 'met' : 'missed');
  return [
    ['accuracy at least 60 %', percent(accuracy.value), verdict(accuracy.met)],
    ['cs.AI recall above 30 %', percent(aiRecall.value), verdict(aiRecall.met)],
    ...(gap ? [['training − validation below 10 %', percent(gap.value), verdict(gap.met)]] : []),
    ['its "gap total", in points', gapTotal.toFixed(1), ''],
  ];
}

/** A value with the ends of its interval. */
export function ranged({ value, low, high }: Interval, form: (value: number) => string): string {
  const bare = (end: number) => form(end).replace(' %', '');
  return `${form(value)} (${bare(low)}–${bare(high)})`;
}

/** 0.873 → 87.3. */
export function points(share: number): string {
  return (100 * share).toFixed(1);
}

/** A difference, of shares in points: 0.012 → +1.2. */
export function signed(difference: number, form = points): string {
  const size = form(Math.abs(difference));
  if (Number(size) === 0) return size;
  return `${difference < 0 ? '−' : '+'}${size}`;
}

export function decimal(value: number): string {
  return value.toFixed(3);
}
