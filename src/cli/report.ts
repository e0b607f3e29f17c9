import { type Command, Option } from 'commander';
import { SPLITS } from '../data/paper.js';
import {
  agreementSentences,
  comparisonSentence,
  examSentences,
  ranged,
} from '../evaluate/evaluation-words.js';
import type { Report, ReportModelOptions } from '../evaluate/report/report-model.js';
import { percent, printable } from '../util/format.js';
import { placementOptions, wholeNumber } from './arguments.js';
import { interruptible } from './interrupt.js';
import { showJudging } from './judging-display.js';
import { indent, WIDTH, wrap } from './table.js';

type ReportFlags = Omit<ReportModelOptions, 'model'> & { json?: boolean };

const EXAMPLES = `
Examples:
  $ arxiv-native report my-model                                  my-model.html, by the test papers of its own data
  $ arxiv-native report my-model --output report.html --force
  $ arxiv-native report my-model --data unseen.jsonl              by all papers of a file that have its labels
  $ arxiv-native report my-model --class cs.LG --mistakes 30

The page is one file that opens without a network, on a phone and on paper: figures with their intervals, confusions,
calibration, what a threshold trades, the worst mistakes with their texts, the baseline, how the model learned, and from
what. Where its data is gone, or a model was imported, it has what can be said without. The texts of papers stand in it:
mind that before you hand it on.`;

export function register(program: Command): void {
  const command = program
    .command('report')
    .description('write a page about a model: figures, mistakes, history, origin')
    .argument('<model>', 'the folder that train or import-checkpoint wrote, or arxiv-classifier')
    .option('--data <path>', 'a prepared folder, or a file of labelled papers (default: its own data)')
    .addOption(new Option('--split <part>', 'of that data (default: test)').choices(SPLITS))
    .option(
      '--output <file>',
      "the page (default: the model's name and .html, beside it; of the package's own, here)",
    )
    .option('--force', 'replace that file if it exists')
    .option('--class <label>', 'show what a threshold of this class trades (default: cs.AI)')
    .option('--mistakes <n>', 'show so many of the worst (default: 12)', wholeNumber)
    .option('--no-baseline', 'leave out the baseline, which takes time to train')
    .option('--seed <n>', 'draws the samples of the intervals (default: 42)', wholeNumber)
    .option('--json', 'one JSON document on standard output and nothing else there; errors too');
  placementOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((model: string, flags: ReportFlags) => interruptible(signal => run(model, flags, signal)));
}

async function run(
  model: string,
  { json = false, ...flags }: ReportFlags,
  signal: AbortSignal,
): Promise<void> {
  const { reportModel } = await import('../evaluate/report/report-model.js');
  const { Stages } = await import('../util/progress.js');
  const stages = new Stages();
  const report = await reportModel(
    { model, ...flags },
    { signal, onProgress: event => showJudging(stages, event) },
  ).finally(() => stages.stop());
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : reportText(report));
}

function reportText({ model, output, evaluation, omitted }: Report): string {
  const sentences = evaluation
    ? [
        ...examSentences(evaluation),
        `Accuracy ${ranged(evaluation.intervals.accuracy, percent)}, macro-F1 ${ranged(evaluation.intervals.macro.f1, percent)}.`,
        ...agreementSentences(evaluation),
        ...(evaluation.baseline ? [`Beside the baseline: ${comparisonSentence(evaluation.baseline)}`] : []),
      ]
    : [];
  const missing = omitted.map(({ part, why }) => `No ${part}: ${why}.`);
  return `${[
    printable(model),
    ...[...sentences, ...missing].map(text => indent(wrap(text, WIDTH - 2))),
    `Page: ${printable(output)}`,
  ].join('\n')}\n`;
}
