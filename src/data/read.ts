import { ArxivNativeError } from '../errors.js';
import { didYouMean } from '../util/options.js';
import { openText, type TextSource } from './bytes.js';
import { type Columns, rename } from './columns.js';
import type { ByteStream, Format } from './formats.js';
import { fromKaggle, isKaggleRecord } from './kaggle.js';
import { type FieldOptions, type Paper, paperFromFields } from './paper.js';
import { csvRecords, type FileRecord, jsonRecords } from './records.js';

export interface ReadOptions extends FieldOptions {
  /** Is told of each bad record, and reading goes on with the next; without it the first is thrown. */
  onError?: (error: ArxivNativeError) => void;
  /** Otherwise told by the file's name or, failing that, its first bytes. */
  format?: Format | undefined;
  /** Fields of a paper that have other names in this file. */
  columns?: Columns | undefined;
  /** Whether a line of JSON is not wanted, judged by its bytes: such a line is passed over and may be anything. */
  skipLine?: ((line: Buffer) => boolean) | undefined;
  /** What `-` reads; standard input unless given. */
  input?: ByteStream | undefined;
  /** Is told, with each piece, how many bytes of the file were read, before any unpacking. */
  onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Reads papers one by one, in the file's order and in bounded memory, from JSON lines (one object a line) or CSV
 * (with a header), plain, gzip or in a zip archive, in UTF-8.
 * @param source a path (`dump.zip/papers.csv` for one of several files in an archive), or `-` for standard input
 * @throws BAD_INPUT with `file:line`, what was expected and what was found; IO for what cannot be read. What
 *   concerns the whole file (missing, binary, cut in the middle, nothing in it, a column that is not there) is thrown
 *   even with `onError`
 */
export async function* readPapers(source: string, options: ReadOptions): AsyncGenerator<Paper> {
  const text = await openText(source, options);
  const format = options.format ?? formatOf(text);
  let count = 0;
  const skipLine = (line: Buffer) => {
    const skipped = options.skipLine?.(line) ?? false;
    if (skipped) count++;
    return skipped;
  };
  const reading = format === 'csv' ? inLowerCase(options) : options;
  const records =
    format === 'csv'
      ? csvRecords(text.chunks, text.name, neededColumns(options))
      : jsonRecords(text.chunks, text.name, skipLine);
  const unseen = new Set(Object.values(reading.columns ?? {}));
  let names: string[] = [];
  for await (const record of records) {
    count++;
    if (unseen.size > 0 && 'fields' in record) {
      names = Object.keys(record.fields);
      for (const name of names) unseen.delete(name);
    }
    const result = record instanceof ArxivNativeError ? record : toPaper(record, text, reading);
    if (!(result instanceof ArxivNativeError)) yield result;
    else if (options.onError) options.onError(result);
    else throw result;
  }
  if (count === 0) throw new ArxivNativeError('BAD_INPUT', `${text.name}: there are no papers in it`);
  for (const name of unseen) {
    throw new ArxivNativeError('BAD_INPUT', `${text.name}: no record has a field "${name}"`, {
      remedy: didYouMean(name, names),
    });
  }
}

function toPaper(
  { fields, line }: FileRecord,
  { name }: TextSource,
  options: ReadOptions,
): Paper | ArxivNativeError {
  try {
    const isKaggle = isKaggleRecord(fields);
    if (!isKaggle && options.format === 'kaggle') {
      throw new ArxivNativeError(
        'BAD_INPUT',
        `${name}:${line}: no "versions", as each record of Kaggle's snapshot has`,
        {
          remedy: 'For other JSON lines say --format jsonl.',
        },
      );
    }
    const known = isKaggle && options.format !== 'jsonl' ? fromKaggle(fields) : fields;
    const renamed = options.columns ? rename(known, options.columns, `${name}:${line}`) : known;
    return paperFromFields(renamed, { source: name, line }, options);
  } catch (error) {
    if (error instanceof ArxivNativeError) return error;
    throw error;
  }
}

/** A CSV's header is read so. */
function inLowerCase(options: ReadOptions): ReadOptions {
  const lower = (column: string) => column.trim().toLowerCase();
  const columns = Object.entries(options.columns ?? {}).map(([target, column]) => [target, lower(column)]);
  return {
    ...options,
    ...(options.labelColumn !== undefined && { labelColumn: lower(options.labelColumn) }),
    columns: Object.fromEntries(columns) as Columns,
  };
}

function neededColumns({ columns = {}, labelColumn }: ReadOptions): string[] {
  const { title = 'title', abstract = 'abstract', ...others } = columns;
  return [title, abstract, ...Object.values(others), ...(labelColumn === undefined ? [] : [labelColumn])];
}

function formatOf({ name, head }: TextSource): Format {
  const extension = /\.(csv|jsonl|ndjson|json)(\.gz)?$/i.exec(name)?.[1]?.toLowerCase();
  if (extension !== undefined) return extension === 'csv' ? 'csv' : 'jsonl';
  const firstLine = head.toString('utf8').split('\n', 1)[0]!;
  return /^[^{[]*\b(title|abstract)\b/i.test(firstLine) ? 'csv' : 'jsonl';
}
