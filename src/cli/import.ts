import { type Command, Option } from 'commander';
import type { ImportOptions, ImportResult } from '../data/import.js';
import { list } from './arguments.js';
import { interruptible } from './interrupt.js';
import { skipWarning } from './skip-warning.js';

interface ImportFlags extends Omit<ImportOptions, 'format' | 'columns'> {
  format: 'auto' | NonNullable<ImportOptions['format']>;
  columns?: string;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  $ arxiv-native import arxiv-metadata-oai-snapshot.json.zip --categories cs.AI,cs.CL,cs.CV,cs.LG --output papers.jsonl
  $ arxiv-native import arxiv.zip --categories cs.AI,cs.LG --primary-only --from 2024-01-01 --output papers.jsonl
  $ arxiv-native import data.zip/train.csv --columns title=Titel,abstract=Summary --label-column Topic --output a.jsonl
  $ zstdcat dump.jsonl.zst | arxiv-native import - --output papers.jsonl --on-error skip

Files may be plain, .gz or .zip; of an archive with several files a path names one. Kaggle's snapshot of arXiv, CSV and
JSON lines are told apart by themselves. A paper is kept if it carries one of the categories anywhere, so that prepare
can label by any rule; "queries" of each tells which of them it carries (with --primary-only the first alone), and
prepare takes these as the classes. Dates are those of the first version. An output named .gz is packed.`;

export function register(program: Command): void {
  program
    .command('import')
    .description("read papers from Kaggle's snapshot of arXiv, CSV or JSON lines, of any size")
    .argument('<file...>', 'what to read, - for standard input')
    .requiredOption('--output <file>', 'where the papers will be written, as JSON lines')
    .addOption(
      new Option('--format <format>', 'of the files, if they do not say it themselves')
        .choices(['auto', 'kaggle', 'csv', 'jsonl'])
        .default('auto'),
    )
    .option('--columns <list>', 'fields of a paper by their names in the files: title=Titel,abstract=Summary')
    .option('--label-column <name>', "the column with each paper's class (default: its first category)")
    .option('--categories <list>', 'only papers that carry one of these: cs.AI,cs.CL', list)
    .option('--primary-only', 'only papers whose first category is one of them')
    .option('--from <day>', 'only papers published on that day or later: 2025-06-30')
    .option('--to <day>', 'only papers published on that day or earlier')
    .addOption(
      new Option('--on-error <what>', 'what to do about a bad line (default: fail)').choices([
        'skip',
        'fail',
      ]),
    )
    .option('--force', 'replace the output file if it exists')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too')
    .addHelpText('after', EXAMPLES)
    .action((files: string[], flags: ImportFlags) => interruptible(signal => run(files, flags, signal)));
}

async function run(files: string[], flags: ImportFlags, signal: AbortSignal): Promise<void> {
  const { importPapers } = await import('../data/import.js');
  const { parseColumns } = await import('../data/columns.js');
  const { Stages } = await import('../util/progress.js');
  const { json, format, columns, ...options } = flags;
  const stages = new Stages();
  const result = await importPapers(
    files,
    {
      ...options,
      ...(format !== 'auto' && { format }),
      ...(columns !== undefined && { columns: parseColumns(columns) }),
    },
    {
      signal,
      onProgress: ({ done, total }) => stages.show('importing', 'bytes', done, total),
      onSkip: skipWarning(text => stages.note(text)),
    },
  ).finally(() => stages.stop());
  for (const warning of result.warnings) stages.note(`warning: ${warning}`);
  stages.note(await summary(result));
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
}

async function summary({ output, read, kept, leftOut, errors }: ImportResult): Promise<string> {
  const { grouped } = await import('../util/format.js');
  const others = [
    [leftOut.otherCategories, 'of other categories'],
    [leftOut.otherDates, 'of other dates'],
    [leftOut.undated, 'without a date'],
    [errors, errors === 1 ? 'bad line skipped' : 'bad lines skipped'],
  ] as const;
  const list = others.filter(([count]) => count > 0).map(([count, what]) => `, ${grouped(count)} ${what}`);
  return `${grouped(kept)} of ${grouped(read)} papers kept${list.join('')}: ${output}`;
}
