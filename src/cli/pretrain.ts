import { type Command, Option } from 'commander';
import { describeFigures } from '../train/pretrain/card.js';
import type {
  PretrainEvent,
  PretrainOptions,
  PretrainPlan,
  PretrainResult,
} from '../train/pretrain/types.js';
import { counted, grouped, percent, printable } from '../util/format.js';
import { formatDuration, Progress, Stages } from '../util/progress.js';
import { number, placementOptions, saveAsOption, TRAINING_PRECISIONS, wholeNumber } from './arguments.js';
import { interruptible } from './interrupt.js';

type PretrainFlags = Omit<PretrainOptions, 'learningRate' | 'headLearningRateFactor'> & {
  lr?: number;
  headLrFactor?: number;
  json?: boolean;
};

const EXAMPLES = `
Examples:
  $ arxiv-native pretrain --corpus papers.jsonl.gz --hours 6 --out my-encoder
  $ arxiv-native pretrain --corpus papers.jsonl.gz --hours 6 --out my-encoder --resume  (goes on, or begins)
  $ arxiv-native pretrain --corpus a.jsonl b.csv --config sizes.json --vocab-size 8000 --steps 20000
  $ arxiv-native pretrain --corpus physics.jsonl --encoder allenai/scibert_scivocab_uncased --steps 2000
  $ arxiv-native pretrain --corpus papers.jsonl.gz --hours 6 --teacher sentence-transformers/all-MiniLM-L6-v2
  $ arxiv-native train --data papers.jsonl --encoder my-encoder

A config is JSON with hiddenSize, layers, attentionHeads, intermediateSize, maxPositions and, where it is not 16000 and
--vocab-size is not given, vocabSize: at most that many word pieces, as far as the corpus has them. The corpus is read
twice (once for the vocabulary, once to be tokenized) and then lies tokenized in OUT.pretraining; a teacher reads it
once more, before the first step, and what it made of the papers lies there too. From the first checkpoint on OUT is an
encoder that can be used, and each checkpoint replaces it. After a crash, a kill or Ctrl-C the same command with
--resume goes on from the last one, on a CPU bit for bit.`;

export function register(program: Command): void {
  const command = program
    .command('pretrain')
    .description('train an encoder by masked words, or go on with one')
    .requiredOption('--corpus <files...>', 'papers: .jsonl or .csv (.gz or .zip of either)')
    .option('--config <sizes>', 'sizes of a new encoder: a name, or the path of a JSON file (default: small)')
    .option('--vocab-size <n>', 'word pieces of a new encoder (default: what the config says)', wholeNumber)
    .addOption(
      new Option(
        '--encoder <encoder>',
        'go on with this one: a folder, a Hugging Face Hub id, or arxiv-small',
      ).conflicts(['config', 'vocabSize']),
    )
    .option('--revision <revision>', 'of --encoder on the Hub: a branch, tag or commit')
    .option('--offline', 'use only what was downloaded before')
    .option('--steps <n>', 'so many steps', wholeNumber)
    .addOption(
      new Option('--hours <h>', 'so many steps as fit, reckoned after the first 50; a teacher reads before')
        .argParser(number)
        .conflicts('steps'),
    )
    .option('--out <folder>', 'where the encoder will be written (default: runs/pretrained)')
    .option('--batch-tokens <n>', 'tokens a step, at least (default: 8192)', wholeNumber)
    .option('--max-length <tokens>', 'longest text, title and abstract together (default: 256)', wholeNumber)
    .option('--lr <rate>', 'highest learning rate (default: 1e-3, with --encoder 5e-5)', number)
    .option(
      '--head-lr-factor <n>',
      'how many times as fast what reads categories and teacher learns (default: 30)',
      number,
    )
    .option('--warmup <steps>', 'until it is reached, at most a tenth of all (default: 500)', wholeNumber)
    .option('--weight-decay <rate>', "AdamW's (default: 0.01)", number)
    .option('--mask-rate <share>', 'of the words to be guessed (default: 0.15)', number)
    .option(
      '--category-weight <weight>',
      "how much guessing a paper's first category counts; 0: words alone (default: 1)",
      number,
    )
    .option('--teacher <encoder>', "match this encoder's mean state of each paper: a folder, or a Hub id")
    .option('--teacher-weight <weight>', 'how much that counts (default: 10)', number)
    .option('--teacher-length <tokens>', 'most of a paper that the teacher reads (default: 128)', wholeNumber)
    .option('--dropout <share>', 'in the encoder, while it is pre-trained (default: 0)', number)
    .addOption(saveAsOption('bf16'))
    .option('--seed <n>', 'decides weights, order, masks and the papers held out (default: 42)', wholeNumber);
  placementOptions(command, TRAINING_PRECISIONS)
    .option('--resume', 'go on where the same run was left, or begin')
    .option('--checkpoint-every <steps>', '(default: one every five minutes)', wholeNumber)
    .option('--evaluate-every <steps>', 'look at the papers held out (default: 500)', wholeNumber)
    .option('--log-every <steps>', 'a line in metrics.jsonl (default: 50)', wholeNumber)
    .option('--force', 'replace the encoder that stands in the folder, and discard a run that did not end')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too')
    .addHelpText('after', EXAMPLES)
    .action((flags: PretrainFlags) => interruptible(signal => run(flags, signal)));
}

async function run(
  { lr, headLrFactor, json = false, ...flags }: PretrainFlags,
  signal: AbortSignal,
): Promise<void> {
  const { pretrain } = await import('../train/pretrain/pretrain.js');
  const display = new Display();
  signal.addEventListener('abort', () => display.note('stopping after this step; once more ends at once'));
  const hooks = { signal, onProgress: (event: PretrainEvent) => display.show(event) };
  const rates = { learningRate: lr, headLearningRateFactor: headLrFactor };
  const result = await pretrain({ ...flags, ...rates }, hooks).finally(() => display.stop());
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : summary(result));
}

/** Shows pre-training on standard error as it goes. */
class Display {
  private readonly stages = new Stages();
  private progress: Progress | undefined;
  private before = 0;

  show(event: PretrainEvent): void {
    switch (event.type) {
      case 'reading': {
        const title = event.purpose === 'vocabulary' ? 'learning words from' : 'tokenizing';
        this.stages.show(`${title} ${printable(event.source)}`, 'bytes', event.received, event.total);
        break;
      }
      case 'download':
        this.stages.show(event.file, 'bytes', event.received, event.total);
        break;
      case 'teaching':
        this.stages.show('the teacher reads', 'papers', event.done, event.total);
        break;
      case 'plan':
        this.stages.stop();
        this.note(describePlan(event.plan));
        break;
      case 'resume':
        this.note(`going on after step ${event.step}`);
        this.before = event.step;
        break;
      case 'steps':
        if (event.secondsPerStep !== undefined) {
          this.note(
            `${event.secondsPerStep.toPrecision(3)} s a step: ${counted(event.steps, 'step')} in all`,
          );
        }
        this.begin(event.steps);
        break;
      case 'step': {
        if (this.progress === undefined) this.begin();
        this.before = event.step;
        const { wordLoss, wordAccuracy, categoryAccuracy, teacherLoss } = event.figures;
        const categories =
          categoryAccuracy === undefined ? '' : `, ${percent(categoryAccuracy)} of the categories`;
        const teacher = teacherLoss === undefined ? '' : `, cosine ${(1 - teacherLoss).toFixed(3)}`;
        const rate = `${Math.round(event.tokensPerSecond)} tokens/s`;
        this.progress!.update(
          event.step,
          `loss ${wordLoss.toFixed(3)}, ${percent(wordAccuracy)} of the words${categories}${teacher}, ${rate}`,
        );
        break;
      }
      case 'evaluation':
        this.note(`step ${event.step}, papers held out: ${describeFigures(event.figures)}`);
        break;
    }
  }

  /** A line of its own. */
  note(text: string): void {
    if (this.progress === undefined) this.stages.note(text);
    else this.progress.note(text);
  }

  stop(): void {
    this.stages.stop();
    this.progress?.stop();
    this.progress = undefined;
  }

  private begin(total?: number): void {
    this.progress?.stop();
    this.progress = new Progress('pre-training', {
      unit: 'steps',
      done: this.before,
      ...(total !== undefined && { total }),
    });
  }
}

function describePlan({
  start,
  shape,
  parameters,
  corpus,
  settings,
  device,
  precision,
  threads,
}: PretrainPlan) {
  return [
    `${grouped(corpus.papers)} papers, ${grouped(corpus.tokens)} tokens, ${grouped(corpus.heldOut)} papers held out, ${corpus.categories.length} categories to guess`,
    `${start.id}${start.revision === undefined ? '' : `@${start.revision}`}: ${(parameters / 1e6).toFixed(1)} M parameters, ${grouped(shape.vocabSize)} tokens; ${settings.steps === undefined ? `${settings.hours} h` : counted(settings.steps, 'step')}`,
    `${device}, ${precision}, ${counted(threads, 'thread')}, seed ${settings.seed}`,
  ].join('\n');
}

function summary({ folder, record, unfinished }: PretrainResult): string {
  return `${[
    ...(record.evaluation === undefined
      ? []
      : [`On papers held out, after step ${record.evaluation.step}: ${describeFigures(record.evaluation)}.`]),
    `${counted(record.steps, 'step')}, ${grouped(record.tokensSeen)} tokens, ${record.epochs.toFixed(2)} times the corpus, ${formatDuration(record.seconds)}.`,
    `Saved: ${folder}`,
    ...(unfinished === undefined ? [] : [`The same command with --resume goes on, from ${unfinished}.`]),
  ].join('\n')}\n`;
}
