import { type Command, Option } from 'commander';
import { ArxivNativeError } from '../errors.js';
import type { LoadOptions, Prediction, Predictor } from '../serve/predictor.js';
import { placementOptions, positiveInteger, threshold } from './arguments.js';
import { interruptible } from './interrupt.js';
import { skipWarning } from './skip-warning.js';

const BAR_WIDTH = 30;

interface PredictFlags {
  model?: string;
  title?: string;
  abstract?: string;
  input?: string;
  format?: 'jsonl' | 'csv';
  output?: string;
  force?: boolean;
  json?: boolean;
  topK?: number;
  onError?: 'skip' | 'fail';
  batchSize?: number;
  threshold?: Record<string, number>;
  device: string;
  precision: NonNullable<LoadOptions['precision']>;
  threads?: number;
}

/** What has no meaning for one paper. */
const FILE_FLAGS = ['output', 'force', 'format', 'onError'] as const;

const EXAMPLES = `
Examples:
  $ arxiv-native predict --title "Attention is all you need" --abstract "The dominant …"
  $ arxiv-native predict --model my-model --input papers.jsonl --output categories.jsonl
  $ arxiv-native predict --model my-model --input papers.jsonl --threshold cs.AI=0.4 --threshold cs.LG=0.5
  $ zcat papers.jsonl.gz | arxiv-native predict --model my-model --input - --on-error skip | head

A file's papers come out one JSON line each: {"id", "category", "probabilities"}. With one threshold a paper is of that
class where the class's probability reaches it, and else of its most probable class. With several it is of the most
probable of the classes that reach theirs, and where none does of the most probable of all. Thresholds of the model
itself (\`arxiv-native tune\` fits them) then count no more; the temperature does. Without --threshold the model's own
rule holds.`;

export function register(program: Command): void {
  const command = program
    .command('predict')
    .description('classify one paper, or a file of them')
    .option(
      '--model <folder>',
      'the folder that train wrote (default: the classifier that comes with the package)',
    )
    .option('--title <text>', 'the title of one paper')
    .option('--abstract <text>', 'its abstract')
    .addOption(
      new Option(
        '--input <file>',
        'papers as .jsonl or .csv (.gz or .zip of either), - for standard input',
      ).conflicts(['title', 'abstract']),
    )
    .addOption(
      new Option('--format <format>', 'of the input, if its name does not say').choices(['jsonl', 'csv']),
    )
    .option('--output <file>', 'write there instead of to standard output')
    .option('--force', 'replace the output file if it exists')
    .option('--json', 'JSON on standard output and nothing else there; errors too')
    .option('--top-k <n>', 'only the n most probable categories, the first one first', positiveInteger)
    .addOption(
      new Option('--on-error <what>', 'what to do about a bad line of the input (default: fail)').choices([
        'skip',
        'fail',
      ]),
    )
    .option(
      '--threshold <class=p>',
      "choose this class where its probability reaches p (repeatable, in place of the model's own)",
      threshold,
    )
    .option(
      '--batch-size <papers>',
      'most papers in the engine at once (default: 64 or less)',
      positiveInteger,
    );
  placementOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((flags: PredictFlags) => interruptible(signal => predict(flags, signal)));
}

async function predict(flags: PredictFlags, signal: AbortSignal): Promise<void> {
  checkFlags(flags);
  const { Predictor } = await import('../serve/predictor.js');
  const { checkOutput } = await import('../util/output.js');
  const { model, input, output, force = false } = flags;
  if (output !== undefined) await checkOutput(output, { force, inputs: input === undefined ? [] : [input] });
  const { device, precision, threads, batchSize, threshold: thresholds } = flags;
  const options = { device, precision, threads, batchSize, thresholds };
  const predictor = await Predictor.load(model, options);
  try {
    if (flags.input === undefined) await predictPaper(predictor, flags, signal);
    else await predictFile(predictor, flags.input, flags, signal);
  } finally {
    await predictor.dispose();
  }
}

async function predictPaper(predictor: Predictor, flags: PredictFlags, signal: AbortSignal): Promise<void> {
  const { line } = await import('../serve/classify.js');
  const { title = '', abstract = '' } = flags;
  const prediction = await predictor.predict({ title, abstract }, { signal });
  const readable = process.stdout.isTTY && !flags.json;
  process.stdout.write(
    `${readable ? bars(prediction, flags.topK) : JSON.stringify(line(prediction, flags.topK))}\n`,
  );
}

async function predictFile(
  predictor: Predictor,
  input: string,
  flags: PredictFlags,
  signal: AbortSignal,
): Promise<void> {
  const { classifyFile } = await import('../serve/classify.js');
  const { counted } = await import('../util/format.js');
  const { Progress } = await import('../util/progress.js');
  const { output, format, topK } = flags;
  // A bar among the lines of the answer would make both unreadable.
  const quiet = output === undefined && process.stdout.isTTY;
  const progress = quiet ? undefined : new Progress('predicting', { unit: 'papers' });
  const warn = skipWarning(text => (progress ? progress.note(text) : process.stderr.write(`${text}\n`)));
  const counts = await classifyFile(predictor, {
    input,
    format,
    output,
    topK,
    signal,
    force: flags.force === true,
    onSkip: flags.onError === 'skip' ? warn : undefined,
    onProgress: papers => progress?.update(papers),
    stdin: process.stdin,
    stdout: process.stdout,
  }).finally(() => progress?.stop());
  const skipped = counts.skipped > 0 ? `, ${counted(counts.skipped, 'bad line')} skipped` : '';
  process.stderr.write(
    `${counted(counts.papers, 'paper')} classified${skipped}${output ? `: ${output}` : ''}\n`,
  );
  if (flags.json && output !== undefined) process.stdout.write(`${JSON.stringify({ ...counts, output })}\n`);
}

/** Throws BAD_OPTION for flags that do not go together. */
function checkFlags(flags: PredictFlags): void {
  const { model, title, abstract, input } = flags;
  for (const [name, value] of Object.entries({ model, input, output: flags.output })) {
    if (value === '') throw new ArxivNativeError('BAD_OPTION', `--${name} is empty`);
  }
  if (input === undefined && title === undefined && abstract === undefined) {
    throw new ArxivNativeError('BAD_OPTION', 'there is nothing to classify', {
      remedy: 'Give --title and --abstract of one paper, or --input with a file of them.',
    });
  }
  const ofFiles = FILE_FLAGS.find(name => flags[name] !== undefined);
  if (ofFiles !== undefined && input === undefined) {
    const flag = ofFiles === 'onError' ? 'on-error' : ofFiles;
    throw new ArxivNativeError('BAD_OPTION', `--${flag} goes with --input`, {
      remedy: 'It is for files; one paper is answered on standard output.',
    });
  }
}

/** The answer for a person: a bar for each category, the most probable first. */
function bars({ category, probabilities }: Prediction, topK?: number): string {
  const rows = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.slice(0, topK).map(([label, p]) => {
    const bar = '█'.repeat(Math.round(p * BAR_WIDTH)).padEnd(BAR_WIDTH, '░');
    return `${label.padEnd(width)}  ${bar}  ${(p * 100).toFixed(1).padStart(5)} %`;
  });
  // What no bar shows.
  if (rows[0]![0] !== category) lines.push(`by its threshold: ${category}`);
  return lines.join('\n');
}
