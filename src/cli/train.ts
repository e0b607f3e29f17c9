import { type Command, Option } from 'commander';
import type { TrainOptions } from '../train/types.js';
import { number, placementOptions, wholeNumber } from './arguments.js';
import { interruptible } from './interrupt.js';
import { summary, TrainDisplay } from './train-display.js';

type TrainFlags = Omit<TrainOptions, 'learningRate'> & { lr?: number; json?: boolean };

const EXAMPLES = `
Examples:
  $ arxiv-native train --data examples/papers.jsonl --recipe demo --out demo-model
  $ arxiv-native train --data papers.jsonl                     (the model goes to runs/v5.0)
  $ arxiv-native train --data papers.csv.gz --out my-model --recipe v5.1 --encoder ./minilm --epochs 4
  $ arxiv-native train --data topics.csv --out topics --class-weights balanced   (labels of your own)
  $ arxiv-native train --data splits/ --out my-model --recipe my-recipe.json --device cuda:1

Papers are JSON lines or CSV with title, abstract and category (or categories, the first one counts); a "split"
column, or a folder with train.jsonl, validation.jsonl and test.jsonl, decides the splits, otherwise the seed does.
Ctrl-C stops after the running step and saves the best model so far; a second Ctrl-C ends at once.`;

export function register(program: Command): void {
  const command = program
    .command('train')
    .description('train a classifier')
    .requiredOption(
      '--data <path>',
      'labelled papers: .jsonl or .csv (.gz of either), or a folder with splits',
    )
    .option('--out <folder>', 'where the model will be written (default: runs/RECIPE)')
    .option('--recipe <recipe>', 'a recipe by name, or the path of a JSON file', 'v5.0')
    .option('--encoder <encoder>', 'a Hugging Face Hub id, or a folder (default: what the recipe says)')
    .option('--revision <revision>', 'of an encoder on the Hub: a branch, tag or commit')
    .option('--epochs <n>', 'at most so many', wholeNumber)
    .option('--patience <epochs>', 'stop after so many without a better validation accuracy', wholeNumber)
    .option('--batch-size <papers>', 'papers a step', wholeNumber)
    .option('--micro-batch <papers>', 'papers at once in a step: fewer take less memory', wholeNumber)
    .option('--lr <rate>', 'highest learning rate of the encoder', number)
    .option('--max-title <tokens>', 'longest title', wholeNumber)
    .option('--max-abstract <tokens>', 'longest abstract', wholeNumber)
    .option('--max-joined <tokens>', 'longest title and abstract together (cls head)', wholeNumber)
    .option('--seed <n>', 'decides splits, initial weights, order and dropout (default: 42)', wholeNumber)
    .addOption(
      new Option('--class-weights <how>', 'how much each class counts, whatever the recipe says').choices([
        'none',
        'balanced',
      ]),
    );
  placementOptions(command)
    .option('--deterministic', 'the same weights from the same seed on CUDA too, more slowly')
    .option('--offline', 'use only what was downloaded before')
    .option('--save-predictions <file>', "write the test papers' predictions, one JSON line each")
    .option('--force', 'replace the model that stands in the folder')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too')
    .addHelpText('after', EXAMPLES)
    .action((flags: TrainFlags) => interruptible(signal => run(flags, signal)));
}

async function run({ lr, json = false, ...flags }: TrainFlags, signal: AbortSignal): Promise<void> {
  const { train } = await import('../train/train.js');
  const display = new TrainDisplay();
  signal.addEventListener('abort', () => display.note('stopping after this step; once more ends at once'));
  const result = await train(
    { ...flags, learningRate: lr },
    { signal, onProgress: event => display.show(event) },
  ).finally(() => display.stop());
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : summary(result));
}
