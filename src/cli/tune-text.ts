import { decimal, ruleSentence } from '../evaluate/evaluation-words.js';
import type { Metrics } from '../evaluate/metrics.js';
import { isAtLimit } from '../evaluate/temperature.js';
import type { ThresholdPoint } from '../evaluate/thresholds.js';
import type { TuneModelOptions, Tuning } from '../evaluate/tune-model.js';
import { percent, printable } from '../util/format.js';
import { BASELINE, baselineText, omittedText, seenText } from './compare-text.js';
import { indent, table, WIDTH, wrap } from './table.js';

/** What decides how a tuning is told. */
type Asked = Pick<TuneModelOptions, 'data' | 'class' | 'all' | 'objective'>;

const NAMES = { accuracy: 'accuracy', macroF1: 'macro-F1' };

/** Points of the trade-off that are printed; --json has all. */
const CURVE_ROWS = 12;

/** What was fitted, for a terminal of 80 columns. */
export function tuningText(
  { model, before, after, figures, baseline, baselineOmitted, seen, curve, written }: Tuning,
  { data, class: label, all, objective = 'accuracy' }: Asked,
): string {
  const asked =
    label === undefined ? all && 'No thresholds raise' : `No threshold of ${printable(label)} raises`;
  const why =
    asked && after.method === 'argmax' ? [`${asked} ${NAMES[objective]} on the validation papers.`] : [];
  const chosen = label !== undefined && after.method === 'thresholds' ? after.thresholds[label] : undefined;
  return `${[
    printable(model),
    ...[`Before: ${ruleSentence(before)}`, `After: ${ruleSentence(after)}`, ...why, ...limitText(after)].map(
      sentence,
    ),
    ...(curve
      ? ['', 'What the threshold trades, on the validation papers', indent(curveTable(curve, chosen))]
      : []),
    ...(['validation', 'test'] as const).flatMap(part => [
      '',
      `On the ${part} papers`,
      indent(comparison({ ...figures[part], baseline: baseline?.figures[part] })),
      ...(data === undefined ? [] : seenText('The model', seen?.[part]).map(sentence)),
    ]),
    ...(baseline ? ['', wrap(baselineText(baseline), WIDTH)] : []),
    ...omittedText(baselineOmitted),
    '',
    written ? 'Written: the model now decides so.' : 'Nothing was written.',
  ].join('\n')}\n`;
}

function limitText({ temperature = 1 }: Tuning['after']): string[] {
  if (!isAtLimit(temperature)) return [];
  const why =
    temperature > 1
      ? 'the probabilities say nothing of these papers'
      : 'the model is right on nearly all of them, and could not be sure enough';
  return [`Warning: the temperature ran to the end of what is tried: ${why}.`];
}

function sentence(text: string): string {
  return indent(wrap(text, WIDTH - 2));
}

/** Points from end to end of the curve, the chosen one among them. */
function curveTable(curve: readonly ThresholdPoint[], chosen: number | undefined): string {
  const rows = Math.min(CURVE_ROWS, curve.length);
  const indices = new Set(
    Array.from({ length: rows }, (_, i) => Math.round((i * (curve.length - 1)) / Math.max(1, rows - 1))),
  );
  const shown = curve.filter(({ threshold }, i) => indices.has(i) || threshold === chosen);
  return table([
    ['threshold', 'accuracy', 'macro-F1', 'precision', 'recall', ''],
    ...shown.map(({ threshold, accuracy, macroF1, precision, recall }) => [
      threshold.toFixed(3),
      ...[accuracy, macroF1, precision, recall].map(percent),
      threshold === chosen ? 'chosen' : '',
    ]),
  ]).replace(/ +$/gm, '');
}

function comparison({
  before,
  after,
  baseline,
}: Record<'before' | 'after', Metrics> & { baseline: Metrics | undefined }): string {
  const row = (name: string, form: (value: number) => string, pick: (metrics: Metrics) => number) => [
    name,
    form(pick(before)),
    form(pick(after)),
    ...(baseline ? [form(pick(baseline))] : []),
  ];
  return table([
    ['', 'before', 'after', ...(baseline ? [BASELINE] : [])],
    row('accuracy', percent, of => of.accuracy),
    row('macro-F1', percent, of => of.macro.f1),
    row('log loss', decimal, of => of.logLoss),
    row('calibration error', percent, of => of.calibrationError),
    ...before.perClass.map(({ label }, k) =>
      row(`recall of ${printable(label)}`, percent, of => of.perClass[k]!.recall),
    ),
  ]);
}
