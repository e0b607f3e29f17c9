import type { Command } from 'commander';
import { DEFAULT_RECIPE } from '../train/default-recipe.js';
import type { TrainEvent } from '../train/types.js';
import { wholeNumber } from './arguments.js';
import { interruptible } from './interrupt.js';
import { seedsSummary, summary, TrainDisplay } from './train-display.js';
import { type TrainingFlags, trainingOptions } from './training-options.js';

type TrainFlags = TrainingFlags & { seeds?: number };

const EXAMPLES = `
Examples:
  $ arxiv-native train --data examples/papers.jsonl --out demo-model
  $ arxiv-native train --data papers.jsonl                     (the model goes to runs/arxiv)
  $ arxiv-native train --data papers.csv.gz --out my-model --recipe v5.1 --encoder ./minilm --epochs 4
  $ arxiv-native train --data topics.csv --out topics --class-weights balanced   (labels of your own)
  $ arxiv-native train --data topics.csv --out topics --label-column topic
  $ arxiv-native train --data splits/ --out my-model --recipe my-recipe.json --device cuda:1
  $ arxiv-native train --data splits/ --out my-model --resume  (goes on, or begins)
  $ arxiv-native train --data splits/ --out my-models --seeds 5

Papers are JSON lines or CSV with title, abstract and category (or categories, the first one counts); a "split"
column, or a folder with train.jsonl, validation.jsonl and test.jsonl, decides the splits, otherwise the seed does. A
file is prepared as by \`arxiv-native prepare\` without options; prepare it there for other labels and splits.
Until a training is complete it lives in OUT.training: after a crash, a kill or Ctrl-C the same command with --resume
goes on from its last checkpoint, on a CPU bit for bit. Ctrl-C stops after the running step, writes a checkpoint and
saves the best model so far; a second Ctrl-C ends at once. When memory does not suffice for a step, it and all that
follow go through in halves.
v5.0 and v5.1 train on back-translated copies of cs.AI papers too: those that \`arxiv-native augment\` put beside the
splits, or else 450 that are made first (English to Spanish and back, by the translator and the download that it names).
The other recipes take such copies with --augment only.`;

export function register(program: Command): void {
  const command = program
    .command('train')
    .description('train a classifier')
    .requiredOption(
      '--data <path>',
      'labelled papers: .jsonl or .csv (.gz or .zip of either), or a folder with splits',
    )
    .option('--out <folder>', 'where the model will be written (default: runs/RECIPE)')
    .option('--recipe <recipe>', 'a recipe by name, or the path of a JSON file', DEFAULT_RECIPE)
    .option(
      '--encoder <encoder>',
      'a folder, a Hugging Face Hub id, or arxiv-small (default: what the recipe says)',
    )
    .option(
      '--seeds <n>',
      'train so many models, with --seed and those after it: mean and deviation',
      wholeNumber,
    );
  trainingOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((flags: TrainFlags) => interruptible(signal => run(flags, signal)));
}

async function run({ lr, seeds, json = false, ...flags }: TrainFlags, signal: AbortSignal): Promise<void> {
  const display = new TrainDisplay();
  signal.addEventListener('abort', () => display.noteInterrupt());
  const options = { ...flags, learningRate: lr };
  const hooks = { signal, onProgress: (event: TrainEvent) => display.show(event) };
  const print = <T>(result: T, text: (result: T) => string) => {
    display.stop();
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : text(result));
  };
  try {
    if (seeds === undefined) {
      const { train } = await import('../train/train.js');
      print(await train(options, hooks), summary);
    } else {
      const { trainSeeds } = await import('../train/seeds.js');
      print(await trainSeeds(options, seeds, hooks), seedsSummary);
    }
  } finally {
    display.stop();
  }
}
