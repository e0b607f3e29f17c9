import { type Command, Option } from 'commander';
import type { DistillOptions } from '../train/distill/distill.js';
import type { TrainEvent } from '../train/types.js';
import { number, placementOptions, TRAINING_PRECISIONS, wholeNumber } from './arguments.js';
import { interruptible } from './interrupt.js';
import { summary, TrainDisplay } from './train-display.js';

type DistillFlags = Omit<DistillOptions, 'learningRate'> & { lr?: number; json?: boolean };

const EXAMPLES = `
Examples:
  $ arxiv-native distill --teacher my-model --student my-encoder --data data --out small-model
  $ arxiv-native distill --teacher my-model --student sizes.json --vocab-size 8000 --data data --recipe light
  $ arxiv-native distill --teacher my-model --student my-encoder --data data --unlabelled more.jsonl.gz
  $ arxiv-native distill --teacher my-model --student my-encoder --data data --resume  (goes on, or begins)

The data should be what the teacher was trained from: then the test papers are new to both. Unlabelled papers that the
data has too are left out. The teacher is asked once, and what it says is kept in OUT.training until the student is
complete; after a crash, a kill or Ctrl-C the same command with --resume goes on, as in train.`;

export function register(program: Command): void {
  const command = program
    .command('distill')
    .description('train a small classifier on what a large one says')
    .requiredOption('--teacher <model>', 'the folder of a trained model')
    .requiredOption(
      '--student <encoder>',
      "the student's encoder: a folder, a Hugging Face Hub id, or a JSON file with the sizes of a new one",
    )
    .requiredOption('--data <path>', 'labelled papers, or a folder with splits, as for train')
    .option('--label-column <name>', 'the field that holds the label, if it is not the category')
    .option('--unlabelled <files...>', 'papers whose labels are not looked at')
    .option('--vocab-size <n>', 'word pieces of a new encoder (default: what its sizes say)', wholeNumber)
    .option('--temperature <t>', "softens both models' probabilities (default: 2)", number)
    .option('--teacher-weight <share>', 'of the teacher beside the true label, 0 to 1 (default: 0.7)', number)
    .option('--out <folder>', 'where the model will be written (default: runs/distilled)')
    .option('--recipe <recipe>', "the student's: a name, or the path of a JSON file", 'v5.0')
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
    .option('--split-seed <n>', 'decides the splits of data that has none (default: as --seed)', wholeNumber)
    .addOption(
      new Option('--class-weights <how>', 'how much each class counts, whatever the recipe says').choices([
        'none',
        'balanced',
      ]),
    );
  placementOptions(command, TRAINING_PRECISIONS)
    .option('--offline', 'use only what was downloaded before')
    .option('--save-predictions <file>', "write the test papers' predictions, one JSON line each")
    .option('--resume', 'go on where the same training was left, or begin')
    .option(
      '--checkpoint-every <steps>',
      'beside one an epoch (default: one every five minutes)',
      wholeNumber,
    )
    .option('--log-every <steps>', 'a line in metrics.jsonl, beside one an epoch (default: 50)', wholeNumber)
    .option('--force', 'replace the model that stands in the folder, and discard a training that did not end')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too')
    .addHelpText('after', EXAMPLES)
    .action((flags: DistillFlags) => interruptible(signal => run(flags, signal)));
}

async function run({ lr, json = false, ...flags }: DistillFlags, signal: AbortSignal): Promise<void> {
  const { distill } = await import('../train/distill/distill.js');
  const display = new TrainDisplay();
  signal.addEventListener('abort', () => display.note('stopping after this step; once more ends at once'));
  const hooks = { signal, onProgress: (event: TrainEvent) => display.show(event) };
  const result = await distill({ ...flags, learningRate: lr }, hooks).finally(() => display.stop());
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : summary(result));
}
