import { type Command, Option } from 'commander';
import type { TuneModelOptions } from '../evaluate/tune-model.js';
import { placementOptions } from './arguments.js';
import { interruptible } from './interrupt.js';
import { showJudging } from './judging-display.js';
import { tuningText } from './tune-text.js';

type TuneFlags = Omit<TuneModelOptions, 'model'> & { json?: boolean };

const EXAMPLES = `
Examples:
  $ arxiv-native tune my-model                    the temperature alone: no answer changes, probabilities become honest
  $ arxiv-native tune my-model --class cs.AI      and a threshold: cs.AI wherever its probability reaches it
  $ arxiv-native tune my-model --class cs.AI --objective macroF1 --dry-run
  $ arxiv-native tune my-model --all              a threshold for every class, which seldom holds on other papers

All is fitted on the validation papers; the test papers only show what it is worth. predict and evaluate then decide by
it. A second call fits anew, whatever the first one wrote. Beside the figures stand those of the baseline: TF-IDF and
logistic regression, trained on the model's own data; where that is gone, there is none.`;

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
    .option('--no-baseline', 'leave out the baseline, which takes time to train')
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
      onProgress: event => showJudging(stages, event),
    },
  ).finally(() => stages.stop());
  if (flags.all) {
    process.stderr.write(
      'warning: as many thresholds as classes fit the accidents of the validation papers: look at the test papers\n',
    );
  }
  process.stdout.write(json ? `${JSON.stringify(tuning)}\n` : tuningText(tuning, flags));
}
