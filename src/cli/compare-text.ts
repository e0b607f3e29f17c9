import type { Interval, MetricIntervals } from '../evaluate/bootstrap.js';
import type { AgainstFirst, Compared, ComparedModel, Comparison } from '../evaluate/compare-models.js';
import {
  decimal,
  paperSentences,
  points,
  ranged,
  ruleSentence,
  signed,
} from '../evaluate/evaluation-words.js';
import type { McNemar } from '../evaluate/mcnemar.js';
import { grouped, percent, printable } from '../util/format.js';
import { indent, table, WIDTH, wrap } from './table.js';

export const BASELINE = 'baseline';
/** Longer names lose their beginning, so that tables stay within 80 columns. */
const LONGEST_NAME = 12;

interface Row {
  name: string;
  of: Compared & Partial<Pick<ComparedModel, 'gap'>>;
}

/** A comparison for a terminal of 80 columns. */
export function comparisonText(comparison: Comparison): string {
  const { models, baseline, baselineOmitted, class: label, data, device, precision } = comparison;
  const rows: Row[] = [
    ...models.map(model => ({ name: shortName(model.name), of: model })),
    ...(baseline ? [{ name: BASELINE, of: baseline }] : []),
  ];
  const [first, ...others] = rows;
  const sections: [title: string, body: string[]][] = [
    ['Figures in %, with their 95 % intervals', [figures(rows, label)]],
    ['Probabilities, and what training recorded', [probabilities(rows)]],
    [`Points above ${first!.name}, which was named first, on the same papers`, [against(others, label)]],
    ["McNemar's test: papers that only one of the two has right", [tests(first!, others)]],
    ["The predecessor's objectives", objectivesTable(rows)],
  ];
  return [
    ...models.flatMap(modelText),
    '',
    ...paperSentences(data).map(wrapped),
    wrapped(`On ${device}, ${precision}.${baseline ? ` ${baselineText(baseline)}` : ''}`),
    ...sections
      .filter(([, body]) => body.length > 0)
      .flatMap(([title, body]) => ['', title, ...body.map(indent)]),
    ...omittedText(baselineOmitted),
    '',
  ].join('\n');
}

/** The end of a name, as a table has room for it. */
export function shortName(name: string): string {
  const shown = printable(name);
  return shown.length > LONGEST_NAME ? `…${shown.slice(1 - LONGEST_NAME)}` : shown;
}

function modelText({ name, model, decision, seen }: ComparedModel): string[] {
  const rule = decision.method === 'argmax' && !decision.temperature ? [] : [ruleSentence(decision)];
  return [printable(model), ...[...rule, ...seenText(name, seen)].map(text => indent(wrapped(text)))];
}

/** Said only where a model's figures cannot be taken as they stand. */
export function seenText(name: string, seen: ComparedModel['seen']): string[] {
  if (seen === undefined) return ["Whether it has seen these papers is not known: its own data isn't there."];
  const parts = [
    ...(seen.train > 0 ? [`trained on ${grouped(seen.train)}`] : []),
    ...(seen.validation > 0 ? [`selected by ${grouped(seen.validation)}`] : []),
  ];
  if (parts.length === 0) return [];
  return [`${shortName(name)} was ${parts.join(' and ')} of these papers: its figures flatter it.`];
}

export function baselineText({ source }: { source: string }): string {
  return `The baseline is TF-IDF and logistic regression, trained on ${printable(source)}.`;
}

/** Nothing where there is a baseline, or none was wanted. */
export function omittedText(baselineOmitted: string | undefined): string[] {
  if (baselineOmitted === undefined) return [];
  return ['', 'No baseline', indent(wrapped(printable(baselineOmitted)))];
}

function figures(rows: readonly Row[], label: string | undefined): string {
  return table([
    figureNames(label),
    ...rows.map(({ name, of: { intervals } }) => [
      name,
      ...shown(intervals, label).map(interval => ranged(interval, points)),
    ]),
  ]);
}

function figureNames(label: string | undefined): string[] {
  return ['', 'accuracy', 'macro-F1', ...(label === undefined ? [] : [`recall of ${printable(label)}`])];
}

/** The figures that are shown of each, and of each against the first. */
function shown({ accuracy, macro, perClass }: MetricIntervals, label: string | undefined): Interval[] {
  const recall = perClass.find(each => each.label === label)?.recall;
  return [accuracy, macro.f1, ...(recall ? [recall] : [])];
}

function probabilities(rows: readonly Row[]): string {
  return table([
    ['', 'log loss', 'calibration error', 'train − validation'],
    ...rows.map(({ name, of: { intervals, metrics, gap } }) => [
      name,
      ranged(intervals.logLoss, decimal),
      percent(metrics.calibrationError),
      gap === undefined ? '–' : signed(gap),
    ]),
  ]);
}

function against(others: readonly Row[], label: string | undefined): string {
  return table([
    figureNames(label),
    ...others.map(({ name, of }) => [
      name,
      ...shown(of.against!.difference, label).map(each => differenceText(each)),
    ]),
  ]);
}

/** A difference and its interval, of shares in points: −1.2 (−3.4, 1.0). */
export function differenceText({ value, low, high }: Interval, form = points): string {
  const bare = (end: number) => signed(end, form).replace('+', '');
  return `${signed(value, form)} (${bare(low)}, ${bare(high)})`;
}

function tests(first: Row, others: readonly Row[]): string {
  const several = others.length > 1;
  const rows = others.map(({ name, of }) => {
    const { mcnemar, adjustedPValue } = of.against!;
    return [
      name,
      grouped(mcnemar.onlyFirst),
      grouped(mcnemar.onlySecond),
      pText(mcnemar.pValue),
      ...(several ? [pText(adjustedPValue)] : []),
      verdict(of.against!),
    ];
  });
  return table([
    ['', 'only it', `only ${first.name}`, 'p', ...(several ? ["Holm's p"] : []), 'verdict'],
    ...rows,
  ]);
}

function verdict({ adjustedPValue, difference }: AgainstFirst): string {
  if (adjustedPValue >= 0.05) return 'undecided';
  return difference.accuracy.value > 0 ? 'better' : 'worse';
}

export function pText(pValue: McNemar['pValue']): string {
  return pValue < 0.001 ? '< 0.001' : pValue.toFixed(3);
}

function objectivesTable(rows: readonly Row[]): string[] {
  const judged = rows.flatMap(({ name, of: { objectives } }) => (objectives ? [{ name, objectives }] : []));
  if (judged.length === 0) return [];
  const met = (objective: { value: number; met: boolean } | undefined) =>
    objective === undefined
      ? '–'
      : `${points(objective.value).replace('-', '−')} ${objective.met ? 'met' : 'missed'}`;
  return [
    table([
      ['', 'accuracy ≥ 60', 'cs.AI > 30', 'gap < 10', 'gap total'],
      ...judged.map(({ name, objectives: { accuracy, aiRecall, gap, gapTotal } }) => [
        name,
        met(accuracy),
        met(aiRecall),
        met(gap),
        gapTotal.toFixed(1),
      ]),
    ]),
  ];
}

function wrapped(text: string): string {
  return wrap(text, WIDTH - 2);
}
