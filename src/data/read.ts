import type { Readable } from 'node:stream';
import { ArxivNativeError } from '../errors.js';
import { openText, type TextSource } from './bytes.js';
import { type FieldOptions, type Paper, paperFromFields } from './paper.js';
import { csvRecords, jsonRecords } from './records.js';

export interface ReadOptions extends FieldOptions {
  /** Is told of each bad record, and reading goes on with the next; without it the first is thrown. */
  onError?: (error: ArxivNativeError) => void;
  /** Otherwise told by the file's name or, failing that, its first bytes. */
  format?: 'jsonl' | 'csv';
  /** What `-` reads; standard input unless given. */
  input?: Readable;
}

/**
 * Reads papers one by one, in the file's order and in bounded memory, from JSON lines (one object a line) or CSV
 * (with a header), plain or gzip, in UTF-8.
 * @param source a path, or `-` for standard input
 * @throws BAD_INPUT with `file:line`, what was expected and what was found; IO for what cannot be read. What
 *   concerns the whole file (missing, binary, cut in the middle, nothing in it) is thrown even with `onError`
 */
export async function* readPapers(source: string, options: ReadOptions): AsyncGenerator<Paper> {
  const text = await openText(source, options.input);
  const format = options.format ?? formatOf(source, text.head);
  const records = format === 'csv' ? csvRecords(text.chunks, text.name) : jsonRecords(text.chunks, text.name);
  let count = 0;
  for await (const record of records) {
    count++;
    const result = record instanceof ArxivNativeError ? record : toPaper(record, text, options);
    if (!(result instanceof ArxivNativeError)) yield result;
    else if (options.onError) options.onError(result);
    else throw result;
  }
  if (count === 0) throw new ArxivNativeError('BAD_INPUT', `${text.name}: there are no papers in it`);
}

function toPaper(
  record: { line: number; fields: Record<string, unknown> },
  text: TextSource,
  options: FieldOptions,
): Paper | ArxivNativeError {
  try {
    return paperFromFields(record.fields, { source: text.name, line: record.line }, options);
  } catch (error) {
    if (error instanceof ArxivNativeError) return error;
    throw error;
  }
}

function formatOf(source: string, head: Buffer): 'jsonl' | 'csv' {
  const extension = /\.(csv|jsonl|ndjson|json)(\.gz)?$/i.exec(source)?.[1]?.toLowerCase();
  if (extension !== undefined) return extension === 'csv' ? 'csv' : 'jsonl';
  const firstLine = head.toString('utf8').split('\n', 1)[0]!;
  return /^[^{[]*\b(title|abstract)\b/i.test(firstLine) ? 'csv' : 'jsonl';
}
