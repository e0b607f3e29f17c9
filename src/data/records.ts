import { isUtf8 } from 'node:buffer';
import { pipeline, Readable } from 'node:stream';
import { type Options, parse } from 'csv-parse';
import { ArxivNativeError } from '../errors.js';

/** A longer line or CSV record is refused: it is far beyond any paper, and would have to fit in memory. */
export const MAX_RECORD_BYTES = 16 * 2 ** 20;

/** One record by its fields' names, and the number of its first line. */
export interface FileRecord {
  line: number;
  fields: Record<string, unknown>;
}

const TOO_LONG = `longer than ${MAX_RECORD_BYTES / 2 ** 20} MiB; expected one paper a record`;

/** Yields each line's object or, in its place, the error that it is. Blank lines are passed over. */
export async function* jsonRecords(
  chunks: AsyncIterable<Buffer>,
  name: string,
): AsyncGenerator<FileRecord | ArxivNativeError> {
  for await (const { line, bytes } of splitLines(chunks)) {
    const where = `${name}:${line}`;
    if (bytes === undefined) {
      yield badRecord(`${where}: ${TOO_LONG}`);
    } else if (!isUtf8(bytes)) {
      yield notUtf8(where, name);
    } else {
      // A raw control character is no JSON; in a paper it is only a blemish.
      const text = bytes
        .toString('utf8')
        .replace(/[\0-\x1f]+/g, ' ')
        .trim();
      if (text !== '') yield parseObject(text, line, where);
    }
  }
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
  if (Array.isArray(value)) {
    return badRecord(`${where}: an array; expected one object a line`, "Convert it: jq -c '.[]' FILE");
  }
  if (value === null || typeof value !== 'object') {
    return badRecord(`${where}: ${text.slice(0, 40)}; expected an object with title and abstract`);
  }
  return { line, fields: value as Record<string, unknown> };
}

/** Lines without their end, numbered from 1; no bytes for one that is too long. */
async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<{ line: number; bytes?: Buffer }> {
  let line = 1;
  let parts: Buffer[] = [];
  let length = 0;
  const take = () => {
    const taken = length > MAX_RECORD_BYTES ? { line } : { line, bytes: Buffer.concat(parts) };
    line++;
    parts = [];
    length = 0;
    return taken;
  };
  const add = (part: Buffer) => {
    length += part.length;
    if (length > MAX_RECORD_BYTES) parts = [];
    else parts.push(part);
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      add(chunk.subarray(start, end));
      yield take();
      start = end + 1;
    }
    add(chunk.subarray(start));
  }
  if (length > 0) yield take();
}

interface CsvRecord {
  record: Buffer[];
  /** Its first. */
  line: number;
}

/**
 * Yields each record of a CSV with a header (names in any case) or, in its place, the error that it is.
 * @throws BAD_INPUT for what leaves no next line to go on with: a header without title and abstract, a quote that
 *   is never closed, a record that is too long
 */
export async function* csvRecords(
  chunks: AsyncIterable<Buffer>,
  name: string,
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
      header = readHeader(record, `${name}:${line}`);
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

function readHeader(record: Buffer[], where: string): string[] {
  const header = record.map(field => field.toString('utf8').trim().toLowerCase());
  const repeated = header.find((column, i) => header.indexOf(column) !== i);
  if (repeated !== undefined) throw badRecord(`${where}: two columns are named "${repeated}"`);
  for (const needed of ['title', 'abstract']) {
    if (header.includes(needed)) continue;
    const found = header.join(', ');
    throw badRecord(
      `${where}: no column "${needed}" (found: ${found.length > 200 ? `${found.slice(0, 200)}…` : found}); ` +
        'name them title, abstract, category',
      'The first line must name the columns, with commas between them.',
    );
  }
  return header;
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
