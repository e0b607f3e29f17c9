import { type Command, Option } from 'commander';
import { SPLITS } from '../data/paper.js';
import type { CompareModelsOptions } from '../evaluate/compare-models.js';
import { placementOptions, wholeNumber } from './arguments.js';
import { comparisonText } from './compare-text.js';
import { interruptible } from './interrupt.js';
import { showJudging } from './judging-display.js';

type CompareFlags = Omit<CompareModelsOptions, 'models'> & { json?: boolean };

const EXAMPLES = `
Examples:
  $ arxiv-native compare runs/v5.0 runs/v3.7 runs/light       by the test papers that all three were kept from
  $ arxiv-native compare runs/v5.0 runs/v3.7 --split validation --no-baseline
  $ arxiv-native compare old new --data unseen.jsonl --class cs.LG --json

All models are judged by the same papers, each by its own rule. Models that were trained on different data want --data;
what one of them has seen of it is counted and told. Each model, and the baseline, is tested against the one that is
named first: the paired bootstrap gives the difference with its 95 % interval, McNemar's exact test says whether chance
would do as much. Of several tests one comes out by chance, so the verdict goes by Holm's correction (p below 0.05).`;

export function register(program: Command): void {
  const command = program
    .command('compare')
    .description('judge several models by the same papers, beside the baseline')
    .argument(
      '<models...>',
      'two or more folders that train or import-checkpoint wrote; one may be arxiv-classifier',
    )
    .option('--data <path>', 'a prepared folder, or a file of labelled papers (default: their own data)')
    .addOption(new Option('--split <part>', 'of that data (default: test)').choices(SPLITS))
    .option('--class <label>', 'whose recall is shown (default: cs.AI, where there is one)')
    .option('--no-baseline', 'leave out the baseline, which takes time to train')
    .option('--seed <n>', 'draws the samples of the intervals (default: 42)', wholeNumber)
    .option('--json', 'one JSON document on standard output and nothing else there; errors too');
  placementOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((models: string[], flags: CompareFlags) => interruptible(signal => run(models, flags, signal)));
}

async function run(
  models: string[],
  { json = false, ...flags }: CompareFlags,
  signal: AbortSignal,
): Promise<void> {
  const { compareModels } = await import('../evaluate/compare-models.js');
  const { Stages } = await import('../util/progress.js');
  const stages = new Stages();
  const comparison = await compareModels(
    { models, ...flags },
    { signal, onProgress: event => showJudging(stages, event, 'models') },
  ).finally(() => stages.stop());
  process.stdout.write(json ? `${JSON.stringify(comparison)}\n` : comparisonText(comparison));
}
