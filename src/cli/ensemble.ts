import type { Command } from 'commander';
import type { EnsembleModelsOptions } from '../evaluate/ensemble-models.js';
import { placementOptions, wholeNumber } from './arguments.js';
import { ensembleText } from './ensemble-text.js';
import { interruptible } from './interrupt.js';
import { showJudging } from './judging-display.js';

type EnsembleFlags = Omit<EnsembleModelsOptions, 'models'> & { json?: boolean };

const EXAMPLES = `
Examples:
  $ arxiv-native ensemble my-models/seed-42 my-models/seed-43 my-models/seed-44
  $ arxiv-native ensemble runs/v5.0 runs/light --output said.jsonl
  $ arxiv-native ensemble old new --data data --json

The ensemble is the weighted mean of the models' probabilities, of which the most probable class is chosen. Its weights
have the least log loss on the validation papers; the test papers only show what that is worth, beside each model alone
and the baseline, and tested against the best model and the baseline (McNemar's exact test, paired bootstrap of 10,000
samples). The baseline is TF-IDF and logistic regression, trained on the models' own data; where that is gone, there is
none. The output holds a line {"id", "label", "predicted", "probabilities"} a test paper. Models that were trained on
different data want --data.`;

export function register(program: Command): void {
  const command = program
    .command('ensemble')
    .description('judge the weighted mean of several models beside each alone and the baseline')
    .argument(
      '<models...>',
      'two or more folders that train or import-checkpoint wrote; one may be arxiv-classifier',
    )
    .option('--data <path>', 'a prepared folder (default: their own data)')
    .option('--no-baseline', 'leave out the baseline, which takes time to train')
    .option('--seed <n>', 'draws the samples of the intervals (default: 42)', wholeNumber)
    .option('--output <file>', 'write there what the ensemble said of each test paper')
    .option('--force', 'replace that file if it exists')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too');
  placementOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((models: string[], flags: EnsembleFlags) => interruptible(signal => run(models, flags, signal)));
}

async function run(
  models: string[],
  { json = false, ...flags }: EnsembleFlags,
  signal: AbortSignal,
): Promise<void> {
  const { ensembleModels } = await import('../evaluate/ensemble-models.js');
  const { Stages } = await import('../util/progress.js');
  const stages = new Stages();
  const ensemble = await ensembleModels(
    { models, ...flags },
    {
      signal,
      onProgress: event => showJudging(stages, event),
    },
  ).finally(() => stages.stop());
  process.stdout.write(json ? `${JSON.stringify(ensemble)}\n` : ensembleText(ensemble));
  if (flags.output !== undefined) process.stderr.write(`predictions: ${flags.output}\n`);
}
