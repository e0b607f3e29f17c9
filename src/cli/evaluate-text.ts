import type { Interval } from '../evaluate/bootstrap.js';
import type { BaselineComparison, Evaluation } from '../evaluate/evaluate-model.js';
import type { Objectives } from '../evaluate/objectives.js';
import { scalesText } from '../model/words.js';
import { counted, grouped, percent, printable } from '../util/format.js';
import { indent, table, WIDTH, wrap } from './table.js';

/** Columns that an indented table may take. */
const ROOM = WIDTH - 2;
/** Confusions that are listed where the matrix is too wide. */
const MOST_CONFUSIONS = 12;

/** An evaluation for a terminal of 80 columns. */
export function evaluationText(evaluation: Evaluation): string {
  const { model, baseline, baselineOmitted, objectives } = evaluation;
  const sections: [title: string, body: string[]][] = [
    ['Figures, with their 95 % intervals', [figures(evaluation), ...agreement(evaluation)]],
    ['By class', [byClass(evaluation)]],
    confusion(evaluation),
    ['Against the baseline', baseline ? [comparison(baseline)] : baselineOmitted ? [baselineOmitted] : []],
    ['Accuracy as training recorded it', recorded(evaluation)],
    ["The predecessor's objectives", objectives ? [objectivesTable(objectives)] : []],
  ];
  return [
    printable(model),
    ...papers(evaluation).map(block),
    ...sections
      .filter(([, body]) => body.length > 0)
      .flatMap(([title, body]) => ['', title, ...body.map(block)]),
    '',
  ].join('\n');
}

/** Sentences are wrapped, tables stand as they are. */
function block(text: string): string {
  return indent(text.includes('\n') ? text : wrap(text, ROOM));
}

function papers({ data, decision, device, precision, scales }: Evaluation): string[] {
  const { source, split, seen, leftOut } = data;
  const part = split === undefined ? 'all papers with its labels' : `the ${split} papers`;
  const reasons = [
    [leftOut.otherLabels, 'without a label that the model knows'],
    [leftOut.duplicates, 'duplicates'],
    [leftOut.withdrawn, 'withdrawn'],
    [leftOut.empty, 'without title or abstract'],
    [leftOut.synthetic, 'synthetic'],
  ] as const;
  const out = reasons.filter(([count]) => count > 0).map(([count, why]) => `${grouped(count)} ${why}`);
  return [
    `${counted(data.papers, 'paper')}: ${part} of ${printable(source)}.`,
    ...(out.length > 0 ? [`Left out: ${out.join(', ')}.`] : []),
    seenText(seen),
    ...(scales === undefined ? [] : [`It knows words beside its encoder: ${scalesText(scales)}.`]),
    `${ruleText(decision)} On ${device}, ${precision}.`,
  ];
}

function seenText(seen: Evaluation['data']['seen']): string {
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
export function ruleText(decision: Evaluation['decision']): string {
  const temperature = decision.temperature ? `, temperature ${decision.temperature.toPrecision(3)}` : '';
  if (decision.method === 'argmax') return `The most probable class is chosen${temperature}.`;
  const thresholds = Object.entries(decision.thresholds).map(
    ([label, value]) => `${printable(label)} ${value.toPrecision(3)}`,
  );
  return `Classes are chosen by thresholds: ${thresholds.join(', ')}${temperature}.`;
}

function figures({ metrics, intervals, argmax, baseline }: Evaluation): string {
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
  return table([
    columns.flatMap(({ name }, i) => (i === 0 ? ['', 'model'] : [name])),
    share('accuracy', of => of.accuracy),
    share('macro-F1', of => of.macro.f1),
    share('macro precision', of => of.macro.precision),
    share('macro recall', of => of.macro.recall),
    share('weighted F1', of => of.weighted.f1),
    plain('log loss', of => of.logLoss),
    plain('Brier score', of => of.brier),
    ['calibration error', ...columns.map(({ of }) => percent(of.metrics.calibrationError))],
  ]);
}

function agreement({ metrics: { categories } }: Evaluation): string[] {
  if (categories === undefined) return [];
  const { papers: count, share, wrong, wrongShare } = categories;
  return [
    `Of ${counted(count, 'paper')} whose categories are known, ${percent(share)} are given one of their own; of the ${grouped(wrong)} wrong answers ${percent(wrongShare)} are another category of the paper.`,
  ];
}

function byClass({ metrics, intervals }: Evaluation): string {
  return table([
    ['', 'precision', 'recall', 'F1', 'papers'],
    ...metrics.perClass.map(({ label, support }, k) => {
      const of = intervals.perClass[k]!;
      return [
        printable(label),
        ...[of.precision, of.recall, of.f1].map(interval => ranged(interval, points)),
        grouped(support),
      ];
    }),
  ]);
}

function confusion({ metrics: { confusion: matrix }, labels }: Evaluation): [string, string[]] {
  const names = labels.map(printable);
  const whole = table([['', ...names], ...matrix.map((row, k) => [names[k]!, ...row.map(grouped)])]);
  if (whole.split('\n').every(line => line.length <= ROOM)) {
    return ['Confusion: a row is what papers are, a column what was said', [whole]];
  }
  const pairs = matrix
    .flatMap((row, i) => row.map((count, j) => ({ count, i, j })))
    .filter(({ count, i, j }) => i !== j && count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, MOST_CONFUSIONS);
  const rows = pairs.map(({ count, i, j }) => [`${names[i]} taken for ${names[j]}`, grouped(count)]);
  return ['Most frequent confusions', rows.length > 0 ? [table([['', 'papers'], ...rows])] : []];
}

function comparison({ difference, mcnemar }: BaselineComparison): string {
  const { accuracy } = difference;
  const { onlyFirst, onlySecond, pValue } = mcnemar;
  const signed = (value: number) => `${value < 0 ? '−' : '+'}${points(Math.abs(value))}`;
  const verdict =
    pValue >= 0.05
      ? 'That is no more than chance may do'
      : `The ${accuracy.value > 0 ? 'model' : 'baseline'} is better`;
  return `Accuracy ${signed(accuracy.value)} points (${signed(accuracy.low)} to ${signed(accuracy.high)}). Only the model is right on ${grouped(onlyFirst)}, only the baseline on ${grouped(onlySecond)}: McNemar's p = ${pValue.toPrecision(2)}. ${verdict}.`;
}

function recorded({ accuracies: { train, validation, test }, scales }: Evaluation): string[] {
  const how = scales === undefined ? 'with dropout' : 'the encoder alone, with dropout';
  const parts = [
    ...(train === undefined ? [] : [`training ${percent(train)} (${how})`]),
    ...(validation === undefined ? [] : [`validation ${percent(validation)}`]),
    ...(test === undefined ? [] : [`test ${percent(test)}`]),
  ];
  return parts.length > 0 ? [`${parts.join(', ')}.`] : [];
}

function objectivesTable({ accuracy, aiRecall, gap, gapTotal }: Objectives): string {
  const verdict = (met: boolean) => (met ? 'met' : 'missed');
  return table([
    ['accuracy at least 60 %', percent(accuracy.value), verdict(accuracy.met)],
    ['cs.AI recall above 30 %', percent(aiRecall.value), verdict(aiRecall.met)],
    ...(gap ? [['training − validation below 10 %', percent(gap.value), verdict(gap.met)]] : []),
    ['its "gap total", in points', gapTotal.toFixed(1), ''],
  ]).replace(/ +$/gm, '');
}

function ranged({ value, low, high }: Interval, form: (value: number) => string): string {
  const bare = (end: number) => form(end).replace(' %', '');
  return `${form(value)} (${bare(low)}–${bare(high)})`;
}

function points(share: number): string {
  return (100 * share).toFixed(1);
}

function decimal(value: number): string {
  return value.toFixed(3);
}
