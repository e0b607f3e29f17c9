import { isUtf8 } from 'node:buffer';
import { pipeline, Readable } from 'node:stream';
import { type Options, parse } from 'csv-parse';
import { ArxivNativeError } from '../errors.js';
import { didYouMean } from '../util/options.js';

/** A longer line or CSV record is refused: it is far beyond any paper, and would have to fit in memory. */
export const MAX_RECORD_BYTES = 16 * 2 ** 20;

/** One record by its fields' names, and the number of its first line. */
export interface FileRecord {
  line: number;
  fields: Record<string, unknown>;
}

const TOO_LONG = `longer than ${MAX_RECORD_BYTES / 2 ** 20} MiB; expected one paper a record`;

/**
 * Yields each line's object or, in its place, the error that it is. Blank lines are passed over.
 * @param skip whether a line is not wanted, judged by its bytes: then it is not even parsed
 */
export async function* jsonRecords(
  chunks: AsyncIterable<Buffer>,
  name: string,
  skip: (line: Buffer) => boolean = () => false,
): AsyncGenerator<FileRecord | ArxivNativeError> {
  const splitter = new LineSplitter();
  for await (const chunk of chunks) {
    for (const line of splitter.split(chunk)) {
      if (line.bytes !== undefined && skip(line.bytes)) continue;
      const record = toRecord(line, name);
      if (record !== undefined) yield record;
    }
  }
  for (const line of splitter.rest()) {
    const record = toRecord(line, name);
    if (record !== undefined) yield record;
  }
}

function toRecord({ line, bytes }: Line, name: string): FileRecord | ArxivNativeError | undefined {
  const where = `${name}:${line}`;
  if (bytes === undefined) return badRecord(`${where}: ${TOO_LONG}`);
  if (!isUtf8(bytes)) return notUtf8(where, name);
  const text = bytes.toString('utf8');
  try {
    const fields: unknown = JSON.parse(text);
    if (isObject(fields)) return { line, fields };
  } catch {
    // What is wrong with it is found out below.
  }
  // A raw control character is no JSON; in a paper it is only a blemish.
  const mended = text.replace(/[\0-\x1f]+/g, ' ').trim();
  return mended === '' ? undefined : parseObject(mended, line, where);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function parseObject(text: string, line: number, where: string): FileRecord | ArxivNativeError {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = (error as Error).message;
    return badRecord(
      `${where}: not JSON (${reason.length > 120 ? `${reason.slice(0, 120)}…` : reason})`,
      'Each line must hold one whole object: {"title": …, "abstract": …, "categories": […]}',
    );
  }
  if (isObject(value)) return { line, fields: value };
  return Array.isArray(value)
    ? badRecord(`${where}: an array; expected one object a line`, "Convert it: jq -c '.[]' FILE")
    : badRecord(`${where}: ${text.slice(0, 40)}; expected an object with title and abstract`);
}

interface Line {
  /** From 1. */
  line: number;
  /** Without the line's end; absent for a line that is too long. */
  bytes?: Buffer;
}

/** Cuts chunks, which end anywhere, into lines. What it yields lies in the chunk. */
class LineSplitter {
  private line = 1;
  private parts: Buffer[] = [];
  private length = 0;

  *split(chunk: Buffer): Generator<Line> {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield this.take(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start < chunk.length) this.keep(chunk.subarray(start));
  }

  /** A last line without end. */
  *rest(): Generator<Line> {
    if (this.length > 0) yield this.take(Buffer.alloc(0));
  }

  private keep(part: Buffer): void {
    this.length += part.length;
    if (this.length > MAX_RECORD_BYTES) this.parts = [];
    else this.parts.push(part);
  }

  private take(last: Buffer): Line {
    const line = this.line++;
    if (this.length === 0 && last.length <= MAX_RECORD_BYTES) return { line, bytes: last };
    this.keep(last);
    const taken = this.length > MAX_RECORD_BYTES ? { line } : { line, bytes: Buffer.concat(this.parts) };
    this.parts = [];
    this.length = 0;
    return taken;
  }
}

interface CsvRecord {
  record: Buffer[];
  /** Its first. */
  line: number;
}

/**
 * Yields each record of a CSV with a header (names in any case; lower case here) or, in its place, the error that it is.
 * @param needed columns that must be there
 * @throws BAD_INPUT for what leaves no next line to go on with: a header without such a column, a quote that is never
 *   closed, a record that is too long
 */
export async function* csvRecords(
  chunks: AsyncIterable<Buffer>,
  name: string,
  needed: readonly string[],
): AsyncGenerator<FileRecord | ArxivNativeError> {
  let nextLine = 1;
  let badLine = 0;
  let countedTwice = 0;
  const options: Options<CsvRecord, Buffer[]> = {
    encoding: null,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_BYTES,
    skip_records_with_error: true,
    on_record: (record, { lines }) => {
      // The parser counts a CR LF inside quotes as two lines.
      countedTwice += count(record, '\r\n');
      const lastLine = lines - countedTwice;
      nextLine = lastLine + 1;
      return { record, line: lastLine - count(record, '\n') };
    },
    on_skip: error => {
      if (error?.code === 'CSV_MAX_RECORD_SIZE') throw badRecord(`${name}:${nextLine}: ${TOO_LONG}`);
      if (error?.code === 'CSV_QUOTE_NOT_CLOSED') {
        throw badRecord(`${name}:${nextLine}: a quoted field opens here and is never closed`);
      }
      const line = Number(error?.lines) - countedTwice;
      if (line !== badLine) {
        parser.push(
          badRecord(`${name}:${line}: a stray double quote`, 'Write "" for a quote inside a quoted field.'),
        );
      }
      badLine = line;
      nextLine = line + 1;
      // Otherwise the parser would take all up to the next quote for a part of this field.
      (parser as unknown as { state: { quoting: boolean } }).state.quoting = false;
      return undefined;
    },
  };
  // The types of `parse` know no records of bytes.
  const parser = parse(options as unknown as Options);
  pipeline(Readable.from(chunks), parser, () => {});

  let header: string[] | undefined;
  for await (const item of parser as AsyncIterable<CsvRecord | ArxivNativeError>) {
    if (item instanceof ArxivNativeError) {
      yield item;
      continue;
    }
    const { record, line } = item;
    const bad = record.some(field => !isUtf8(field));
    if (header === undefined) {
      if (bad) throw notUtf8(`${name}:${line}`, name);
      header = readHeader(record, `${name}:${line}`, needed);
    } else if (bad) {
      yield notUtf8(`${name}:${line}`, name);
    } else if (record.length !== header.length) {
      yield badRecord(
        `${name}:${line}: ${record.length} fields, but the header has ${header.length} columns`,
        'Put fields that hold commas, quotes or line ends between double quotes.',
      );
    } else {
      yield {
        line,
        fields: Object.fromEntries(header.map((column, i) => [column, record[i]!.toString('utf8')])),
      };
    }
  }
}

function readHeader(record: Buffer[], where: string, needed: readonly string[]): string[] {
  const names = record.map(field => field.toString('utf8').trim());
  const header = names.map(name => name.toLowerCase());
  const repeated = header.find((column, i) => header.indexOf(column) !== i);
  if (repeated !== undefined) throw badRecord(`${where}: two columns are named "${repeated}"`);
  const absent = needed.find(column => !header.includes(column.trim().toLowerCase()));
  if (absent === undefined) return header;
  const found = names.join(', ');
  const message = `${where}: no column "${absent}" (found: ${found.length > 200 ? `${found.slice(0, 200)}…` : found})`;
  if (!['title', 'abstract'].includes(absent)) throw badRecord(message, didYouMean(absent, names));
  throw badRecord(
    `${message}; name them title, abstract, category`,
    'The first line must name the columns; `arxiv-native import --columns title=…,abstract=…` gives columns other names.',
  );
}

function count(record: Buffer[], lineEnd: string): number {
  let total = 0;
  for (const field of record) {
    for (let at = field.indexOf(lineEnd); at >= 0; at = field.indexOf(lineEnd, at + 1)) total++;
  }
  return total;
}

function badRecord(message: string, remedy?: string): ArxivNativeError {
  return new ArxivNativeError('BAD_INPUT', message, remedy ? { remedy } : {});
}

function notUtf8(where: string, name: string): ArxivNativeError {
  return badRecord(
    `${where}: not UTF-8`,
    `If it is Latin-1, convert it: iconv -f LATIN1 -t UTF-8 ${name} > papers-utf8`,
  );
}
