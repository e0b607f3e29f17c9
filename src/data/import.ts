import { stat } from 'node:fs/promises';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from '../util/cancel.js';
import { counted, grouped } from '../util/format.js';
import { checkChoice, checkOptions, type OptionTypes } from '../util/options.js';
import { checkOutput, writeLines } from '../util/output.js';
import { type Columns, checkColumns } from './columns.js';
import { PaperFilter } from './filter.js';
import type { FilterOptions, LeftOut } from './filter-options.js';
import { type ByteStream, FORMATS, type Format } from './formats.js';
import { type Paper, paperRecord } from './paper.js';
import { type ReadOptions, readPapers } from './read.js';
import { locate } from './zip.js';

export interface ImportOptions extends FilterOptions {
  /** Where the papers go, as JSON lines. */
  output: string;
  /** Of all the files; without it each is known by its name, its first bytes and its fields. */
  format?: Format | undefined;
  /** Fields of a paper, and the names that they have in the files: `{ title: 'Titel' }`. */
  columns?: Record<string, string> | undefined;
  /** The column that holds each paper's class, where that is not its first category. */
  labelColumn?: string | undefined;
  /** What to do about a bad record; `fail` unless given. */
  onError?: 'fail' | 'skip' | undefined;
  /** Replace the output where it exists. */
  force?: boolean | undefined;
}

const OPTION_TYPES: OptionTypes<ImportOptions> = {
  output: 'string',
  format: 'string',
  columns: 'any',
  labelColumn: 'string',
  categories: 'any',
  primaryOnly: 'boolean',
  from: 'string',
  to: 'string',
  onError: 'string',
  force: 'boolean',
};

export interface ImportHooks {
  signal?: AbortSignal | undefined;
  /** Bytes read, before any unpacking; `total` is 0 where it is not known. */
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
  /** With `onError: 'skip'`, is told of each bad record. */
  onSkip?: ((error: ArxivNativeError) => void) | undefined;
  /** What `-` reads; standard input unless given. */
  input?: ByteStream | undefined;
}

export interface ImportResult {
  output: string;
  /** Records: those kept, those left out and the bad ones. */
  read: number;
  kept: number;
  leftOut: LeftOut;
  /** Bad records that were passed over. */
  errors: number;
  /** Of each category that was asked for, how many papers that carry it were kept. */
  categories: Record<string, number>;
  warnings: string[];
  seconds: number;
}

/** So many characters are written at once. */
const BATCH = 1 << 17;

/**
 * Reads papers from files of any of the known formats and writes those that pass the filters, each as one JSON line,
 * in their order and in bounded memory. The output is complete or absent.
 *
 * With categories asked for, `queries` of a paper tells which of them it carries, unless the file says so.
 * A range of dates goes by the day of the first version; a month (`2025-06`) is in it if any of its days is. Lines of
 * Kaggle's snapshot that name no category asked for are counted but not looked at any further.
 * @param files paths, or `-` for standard input
 * @throws BAD_OPTION; BAD_INPUT with `file:line`, or if no paper is kept; IO; CANCELLED
 */
export async function importPapers(
  files: readonly string[],
  options: ImportOptions,
  hooks: ImportHooks = {},
): Promise<ImportResult> {
  const columns = check(files, options);
  const filter = new PaperFilter(options);
  const { output, force = false, format, labelColumn, onError } = options;
  const { signal, onProgress, onSkip, input = process.stdin } = hooks;
  const startedAt = performance.now();
  const paths = await Promise.all(files.map(async file => (file === '-' ? file : (await locate(file)).file)));
  await checkOutput(output, { force, inputs: paths.filter(path => path !== '-') });
  const sizes = await Promise.all(paths.map(sizeOf));
  const total = sizes.includes(undefined) ? 0 : sizes.reduce<number>((sum, size) => sum + size!, 0);
  const counts = { read: 0, kept: 0, errors: 0 };
  const goOn = () => throwIfCancelled(signal, `importing ${files.join(', ')}`);
  let classless = 0;
  let done = 0;
  const report = (bytes: number) => {
    done = bytes;
    onProgress?.({ done, total });
  };
  const reading: ReadOptions = {
    input,
    labelled: labelColumn !== undefined,
    labelColumn,
    // Those without any text are for prepare to count.
    mayBeEmpty: true,
    format,
    columns,
    onBytes: bytes => report(done + bytes),
    // Columns may hold the categories elsewhere.
    ...(columns === undefined && {
      skipLine: line => {
        goOn();
        const skipped = filter.skips(line);
        if (skipped) counts.read++;
        return skipped;
      },
    }),
    ...(onError === 'skip' && {
      onError: error => {
        goOn();
        counts.read++;
        counts.errors++;
        onSkip?.(error);
      },
    }),
  };

  async function* lines(): AsyncGenerator<string> {
    let batch = '';
    let end = 0;
    for (const [i, file] of files.entries()) {
      for await (const paper of readPapers(file, reading)) {
        goOn();
        counts.read++;
        if (!filter.keeps(paper)) continue;
        counts.kept++;
        if (isClassless(paper)) classless++;
        if (options.categories !== undefined) paper.queries ??= filter.asked(paper);
        batch += `${JSON.stringify(paperRecord(paper))}\n`;
        if (batch.length < BATCH) continue;
        yield batch;
        batch = '';
      }
      end += sizes[i] ?? 0;
      // An archive is not read to its last byte.
      if (total > 0 && done !== end) report(end);
    }
    if (counts.kept === 0) throw nothingKept(files, counts, filter);
    yield batch;
  }

  // A read from standard input can wait for ever; nothing but closing it ends that.
  const close = () => input.destroy();
  if (files.includes('-')) signal?.addEventListener('abort', close);
  try {
    await writeLines(output, lines(), { force, signal });
  } catch (error) {
    goOn();
    throw error;
  } finally {
    if (files.includes('-')) close();
    signal?.removeEventListener('abort', close);
  }
  const { leftOut } = filter;
  const warnings = [...filter.unseen()].map(([name, hint]) => `no paper carries "${name}". ${hint}`.trim());
  if (classless > 0) warnings.push(warningOf(classless));
  const categories = Object.fromEntries(filter.kept);
  const seconds = (performance.now() - startedAt) / 1000;
  return { output, ...counts, leftOut, categories, warnings, seconds };
}

/** The columns, once the options are known to be ones. */
function check(files: readonly string[], options: ImportOptions): Columns | undefined {
  if (
    !Array.isArray(files) ||
    files.length === 0 ||
    files.some(file => typeof file !== 'string' || file === '')
  ) {
    throw new ArxivNativeError('BAD_OPTION', 'importPapers: "files" must be paths, at least one');
  }
  checkOptions(options, OPTION_TYPES, 'importPapers');
  const { output, format, columns, onError } = options;
  if (output === undefined) throw new ArxivNativeError('BAD_OPTION', 'importPapers: no "output"');
  checkChoice('format', format, FORMATS, 'importPapers');
  checkChoice('onError', onError, ['fail', 'skip'], 'importPapers');
  if (columns === undefined) return undefined;
  checkColumns(columns);
  return columns;
}

/** Whether nothing is known that could label it. A copy has its parent's label, and prepare drops what has no text. */
function isClassless({ categories, label, queries, parent, title, abstract }: Paper): boolean {
  return (
    categories.length === 0 &&
    label === '' &&
    queries === undefined &&
    parent === undefined &&
    title !== '' &&
    abstract !== ''
  );
}

function warningOf(classless: number): string {
  const have = classless === 1 ? 'has' : 'have';
  return `${counted(classless, 'paper')} ${have} neither category nor label: name its field with --label-column`;
}

/** Bytes of a regular file; undefined for what has none that are known beforehand. */
async function sizeOf(path: string): Promise<number | undefined> {
  if (path === '-') return undefined;
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}

function nothingKept(
  files: readonly string[],
  { read, errors }: { read: number; errors: number },
  filter: PaperFilter,
): ArxivNativeError {
  const { otherCategories, otherDates, undated } = filter.leftOut;
  const reasons = [
    [otherCategories, 'of other categories'],
    [otherDates, 'of other dates'],
    [undated, 'without a date'],
    [errors, 'bad'],
  ] as const;
  const found = reasons.filter(([count]) => count > 0).map(([count, what]) => `${grouped(count)} ${what}`);
  const [remedy] = filter.unseen().values();
  return new ArxivNativeError(
    'BAD_INPUT',
    `${files.join(', ')}: none of ${grouped(read)} papers is kept: ${found.join(', ')}`,
    remedy ? { remedy } : {},
  );
}
