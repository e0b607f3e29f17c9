import { type Command, InvalidArgumentError, Option } from 'commander';
import { describeLeaks } from '../data/leaks.js';
import { outcomes } from '../data/outcomes.js';
import { LABEL_RULES, SPLIT_RULES } from '../data/prepare-options.js';
import type { PrepareFolderOptions, PrepareResult } from '../data/prepared-folder.js';
import { grouped } from '../util/format.js';
import { Stages } from '../util/progress.js';
import { list, positiveInteger, wholeNumber } from './arguments.js';
import { interruptible } from './interrupt.js';
import { table } from './table.js';

type PrepareFlags = Omit<PrepareFolderOptions, 'data'> & { json?: boolean };

const EXAMPLES = `
Examples:
  $ arxiv-native prepare papers.jsonl --out data
  $ arxiv-native prepare papers.jsonl.gz --out data --categories cs.AI,cs.LG --per-class 3000
  $ arxiv-native prepare papers.jsonl --out by-date --split temporal --ratios 80,10,10
  $ arxiv-native prepare topics.csv --out topics --label-column topic      (labels of your own)
  $ arxiv-native prepare papers.jsonl --out old --labels query --per-class 3000
                                  (a paper stands once for each class it carries, and the report says what that costs)
  $ zcat a.jsonl.gz b.jsonl.gz | arxiv-native prepare - --out data
  $ arxiv-native train --data data

A "split" field of the papers is honoured. The folder gets train.jsonl, validation.jsonl, test.jsonl and dataset.json
(sources, rule, counts, leaks, fingerprints).`;

export function register(program: Command): void {
  program
    .command('prepare')
    .description('make papers into a data set: drop doubles and withdrawn ones, label, draw, split')
    .argument('<files...>', 'papers: .jsonl or .csv (.gz or .zip of either), - for standard input')
    .requiredOption('--out <folder>', 'where the data set will be written')
    .addOption(
      new Option(
        '--labels <rule>',
        'by the first category, or once for each category that a search would have found the paper by',
      )
        .choices(LABEL_RULES)
        .default('primary'),
    )
    .option('--label-column <name>', 'the field that holds the label, if it is not the category')
    .option('--categories <names>', 'the classes, with commas between (default: those fetched, or all)', list)
    .option(
      '--per-class <n>',
      'at most so many papers a class (with --labels query the newest)',
      positiveInteger,
    )
    .addOption(
      new Option(
        '--split <rule>',
        'a paper on one side only, by date, or row by row (default: grouped; with --labels query rows)',
      ).choices(SPLIT_RULES),
    )
    .option('--ratios <shares>', 'of train, validation and test (default: 70,15,15)', numbers)
    .option('--seed <n>', 'decides what is drawn and the split (default: 42)', wholeNumber)
    .option('--force', 'replace the data set that stands in the folder')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too')
    .addHelpText('after', EXAMPLES)
    .action((files: string[], flags: PrepareFlags) => interruptible(signal => run(files, flags, signal)));
}

function numbers(text: string): number[] {
  const values = text.split(',').map(Number);
  if (values.some(value => !Number.isFinite(value))) {
    throw new InvalidArgumentError('It must be three numbers with commas between.');
  }
  return values;
}

async function run(
  data: string[],
  { json = false, ...flags }: PrepareFlags,
  signal: AbortSignal,
): Promise<void> {
  const { prepare } = await import('../data/prepared-folder.js');
  const stages = new Stages();
  const onProgress = ({ source, received, total }: { source: string; received: number; total: number }) =>
    stages.show(`reading ${source}`, 'bytes', received, total);
  const result = await prepare({ data, ...flags }, { signal, onProgress }).finally(() => stages.stop());
  for (const warning of result.warnings) stages.note(`warning: ${warning}`);
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${summary(result)}\n`);
}

/** What stands on standard output when a data set is ready. */
export function summary({ labels, counts, leaks, folder }: PrepareResult): string {
  const parts = [counts.train, counts.validation, counts.test];
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  return [
    table([
      ['', 'train', 'validation', 'test'],
      ...labels.map((label, k) => [label, ...parts.map(part => grouped(part[k]!))]),
      ['papers', ...parts.map(part => grouped(sum(part)))],
    ]),
    '',
    ...outcomes(counts).map(([papers, what]) => `${grouped(papers)} ${what}`),
    describeLeaks(leaks),
    `Saved: ${folder}`,
  ].join('\n');
}
