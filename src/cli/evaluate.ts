import { type Command, Option } from 'commander';
import { SPLITS } from '../data/paper.js';
import type { EvaluateModelOptions } from '../evaluate/evaluate-model.js';
import { placementOptions, wholeNumber } from './arguments.js';
import { evaluationText } from './evaluate-text.js';
import { interruptible } from './interrupt.js';
import { showJudging } from './judging-display.js';

type EvaluateFlags = Omit<EvaluateModelOptions, 'model'> & { json?: boolean };

const EXAMPLES = `
Examples:
  $ arxiv-native evaluate my-model                            by the test papers of its own data
  $ arxiv-native evaluate my-model --split validation --no-baseline
  $ arxiv-native evaluate my-model --data unseen.jsonl        an exam: all papers of a file that have its labels
  $ arxiv-native evaluate my-model --data other/ --output said.jsonl --json

Intervals are those of 95 % of 10,000 bootstrap samples. The baseline is TF-IDF and logistic regression, trained on the
model's own data; where that is gone, there is none. A file that the model was trained on and that was moved is split as
it was then by --data FILE --split test. The output holds a line {"id", "label", "predicted", "probabilities"} a paper.`;

export function register(program: Command): void {
  const command = program
    .command('evaluate')
    .description('examine a model by labelled papers')
    .argument('<model>', 'the folder that train or import-checkpoint wrote, or arxiv-classifier')
    .option('--data <path>', 'a prepared folder, or a file of labelled papers (default: its own data)')
    .addOption(new Option('--split <part>', 'of that data (default: test)').choices(SPLITS))
    .option('--no-baseline', 'leave out the baseline, which takes time to train')
    .option('--seed <n>', 'draws the samples of the intervals (default: 42)', wholeNumber)
    .option('--output <file>', 'write there what the model said of each paper')
    .option('--force', 'replace that file if it exists')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too');
  placementOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((model: string, flags: EvaluateFlags) => interruptible(signal => run(model, flags, signal)));
}

async function run(
  model: string,
  { json = false, ...flags }: EvaluateFlags,
  signal: AbortSignal,
): Promise<void> {
  const { evaluateModel } = await import('../evaluate/evaluate-model.js');
  const { Stages } = await import('../util/progress.js');
  const stages = new Stages();
  const evaluation = await evaluateModel(
    { model, ...flags },
    { signal, onProgress: event => showJudging(stages, event) },
  ).finally(() => stages.stop());
  process.stdout.write(json ? `${JSON.stringify(evaluation)}\n` : evaluationText(evaluation));
  if (flags.output !== undefined) process.stderr.write(`predictions: ${flags.output}\n`);
}
