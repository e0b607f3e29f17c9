import type { Command } from 'commander';
import { DEFAULT_RECIPE } from '../train/default-recipe.js';
import type { DistillOptions } from '../train/distill/distill.js';
import type { TrainEvent } from '../train/types.js';
import { number, wholeNumber } from './arguments.js';
import { interruptible } from './interrupt.js';
import { summary, TrainDisplay } from './train-display.js';
import { type TrainingFlags, trainingOptions } from './training-options.js';

type DistillFlags = TrainingFlags &
  Pick<DistillOptions, 'teacher' | 'student' | 'unlabelled' | 'vocabSize' | 'temperature' | 'teacherWeight'>;

const EXAMPLES = `
Examples:
  $ arxiv-native distill --teacher my-model --student arxiv-small --data data --out small-model
  $ arxiv-native distill --teacher my-model --student sizes.json --vocab-size 8000 --data data --recipe light
  $ arxiv-native distill --teacher my-model --student my-encoder --data data --unlabelled more.jsonl.gz
  $ arxiv-native distill --teacher my-model --student my-encoder --data data --resume  (goes on, or begins)

The data should be what the teacher was trained from: then the test papers are new to both. Unlabelled papers that the
data has too are left out. The teacher is asked once; of the labelled papers its encoder alone, since the words beside it
know them by heart. What it says is kept in OUT.training until the student is complete. After a crash, a kill or Ctrl-C
the same command with --resume goes on, as in train.
The recipes v5.0 and v5.1 train on back-translated copies of cs.AI papers too: those that lie beside the splits, or else
450 that are made first, by the translator and the download that it names; --no-augment does without.`;

export function register(program: Command): void {
  const command = program
    .command('distill')
    .description('train a small classifier on what a large one says')
    .requiredOption('--teacher <model>', 'the folder of a trained model, or arxiv-classifier')
    .requiredOption(
      '--student <encoder>',
      "the student's encoder: a folder, a Hugging Face Hub id, arxiv-small, or a JSON file with the sizes of a new one",
    )
    .requiredOption('--data <path>', 'labelled papers, or a folder with splits, as for train')
    .option('--unlabelled <files...>', 'papers whose labels are not looked at')
    .option('--vocab-size <n>', 'word pieces of a new encoder (default: what its sizes say)', wholeNumber)
    .option('--temperature <t>', "softens both models' probabilities (default: 2)", number)
    .option('--teacher-weight <share>', 'of the teacher beside the true label, 0 to 1 (default: 0.7)', number)
    .option('--out <folder>', 'where the model will be written (default: runs/distilled)')
    .option('--recipe <recipe>', "the student's: a name, or the path of a JSON file", DEFAULT_RECIPE);
  trainingOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((flags: DistillFlags) => interruptible(signal => run(flags, signal)));
}

async function run({ lr, json = false, ...flags }: DistillFlags, signal: AbortSignal): Promise<void> {
  const { distill } = await import('../train/distill/distill.js');
  const display = new TrainDisplay();
  signal.addEventListener('abort', () => display.noteInterrupt());
  const hooks = { signal, onProgress: (event: TrainEvent) => display.show(event) };
  const result = await distill({ ...flags, learningRate: lr }, hooks).finally(() => display.stop());
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : summary(result));
}
