import { type Command, Option } from 'commander';
import { ruleSentence } from '../evaluate/evaluation-words.js';
import type { Metrics } from '../evaluate/metrics.js';
import type { ThresholdPoint } from '../evaluate/thresholds.js';
import type { TuneModelOptions, Tuning } from '../evaluate/tune-model.js';
import { percent, printable } from '../util/format.js';
import { placementOptions } from './arguments.js';
import { seenText } from './compare-text.js';
import { interruptible } from './interrupt.js';
import { indent, table, WIDTH, wrap } from './table.js';

type TuneFlags = Omit<TuneModelOptions, 'model'> & { json?: boolean };

const NAMES = { accuracy: 'accuracy', macroF1: 'macro-F1' };

/** Points of the trade-off that are printed; --json has all. */
const CURVE_ROWS = 12;

const EXAMPLES = `
Examples:
  $ arxiv-native tune my-model                    the temperature alone: no answer changes, probabilities become honest
  $ arxiv-native tune my-model --class cs.AI      and a threshold: cs.AI wherever its probability reaches it
  $ arxiv-native tune my-model --class cs.AI --objective macroF1 --dry-run
  $ arxiv-native tune my-model --all              a threshold for every class, which seldom holds on other papers

All is fitted on the validation papers; the test papers only show what it is worth. predict and evaluate then decide by
it. A second call fits anew, whatever the first one wrote.`;

export function register(program: Command): void {
  const command = program
    .command('tune')
    .description('fit temperature and thresholds of a model on its validation papers')
    .argument('<model>', 'the folder that train or import-checkpoint wrote')
    .option('--data <path>', 'a prepared folder (default: its own data)')
    .option('--class <label>', 'give this class a threshold')
    .addOption(new Option('--all', 'give every class a threshold').conflicts('class'))
    .addOption(
      new Option('--objective <figure>', 'what thresholds are to raise (default: accuracy)').choices([
        'accuracy',
        'macroF1',
      ]),
    )
    .option('--dry-run', 'show it, and leave the model as it is')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too');
  placementOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((model: string, flags: TuneFlags) => interruptible(signal => run(model, flags, signal)));
}

async function run(model: string, { json = false, ...flags }: TuneFlags, signal: AbortSignal): Promise<void> {
  const { tuneModel } = await import('../evaluate/tune-model.js');
  const { Stages } = await import('../util/progress.js');
  const stages = new Stages();
  const tuning = await tuneModel(
    { model, ...flags },
    {
      signal,
      onProgress: event => {
        if (event.type === 'reading') {
          stages.show(`reading ${event.source}`, 'bytes', event.received, event.total);
        } else stages.show(`predicting, ${event.split}`, 'papers', event.done, event.total);
      },
    },
  ).finally(() => stages.stop());
  if (flags.all) {
    process.stderr.write(
      'warning: as many thresholds as classes fit the accidents of the validation papers: look at the test papers\n',
    );
  }
  process.stdout.write(json ? `${JSON.stringify(tuning)}\n` : tuningText(tuning, flags));
}

function tuningText(
  { model, before, after, figures, seen, curve, written }: Tuning,
  { data, class: label, all, objective = 'accuracy' }: TuneFlags,
): string {
  const asked =
    label === undefined ? all && 'No thresholds raise' : `No threshold of ${printable(label)} raises`;
  const why =
    asked && after.method === 'argmax' ? [`${asked} ${NAMES[objective]} on the validation papers.`] : [];
  const chosen = label !== undefined && after.method === 'thresholds' ? after.thresholds[label] : undefined;
  return `${[
    printable(model),
    ...[`Before: ${ruleSentence(before)}`, `After: ${ruleSentence(after)}`, ...why].map(sentence),
    ...(curve
      ? ['', 'What the threshold trades, on the validation papers', indent(curveTable(curve, chosen))]
      : []),
    ...(['validation', 'test'] as const).flatMap(part => [
      '',
      `On the ${part} papers`,
      indent(comparison(figures[part])),
      ...(data === undefined ? [] : seenText('The model', seen?.[part]).map(sentence)),
    ]),
    '',
    written ? 'Written: the model now decides so.' : 'Nothing was written.',
  ].join('\n')}\n`;
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

function comparison({ before, after }: { before: Metrics; after: Metrics }): string {
  const row = (name: string, form: (value: number) => string, pick: (metrics: Metrics) => number) => [
    name,
    form(pick(before)),
    form(pick(after)),
  ];
  const decimal = (value: number) => value.toFixed(3);
  return table([
    ['', 'before', 'after'],
    row('accuracy', percent, of => of.accuracy),
    row('macro-F1', percent, of => of.macro.f1),
    row('log loss', decimal, of => of.logLoss),
    row('calibration error', percent, of => of.calibrationError),
    ...before.perClass.map(({ label }, k) =>
      row(`recall of ${printable(label)}`, percent, of => of.perClass[k]!.recall),
    ),
  ]);
}
