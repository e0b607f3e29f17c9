import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ArxivNativeError } from '../errors.js';

/** A text file or stream, unpacked if it was gzip, without byte order mark, known not to be binary. */
export interface TextSource {
  /** For messages: the path as given, or `stdin`. */
  name: string;
  /** The first bytes, at least four if there are as many; `chunks` repeats them. */
  head: Buffer;
  chunks: AsyncGenerator<Buffer>;
}

/** Formats that are often taken for text, by their first bytes. */
const BINARY_FORMATS: { magic: string; name: string }[] = [
  { magic: '504b0304', name: 'a zip archive' },
  { magic: '28b52ffd', name: 'zstd-compressed' },
  { magic: '425a68', name: 'bzip2-compressed' },
  { magic: 'fd377a585a', name: 'xz-compressed' },
  { magic: '50415231', name: 'a Parquet file' },
  { magic: '25504446', name: 'a PDF' },
];

/**
 * Opens a path, or `input` (standard input unless given) for `-`. Gzip is told by its first bytes, not its name.
 * @throws BAD_INPUT for what is missing, a folder, empty, binary or UTF-16; IO for what cannot be read
 */
export async function openText(path: string, input: Readable = process.stdin): Promise<TextSource> {
  const name = path === '-' ? 'stdin' : path;
  const raw = path === '-' ? input : await openFile(path);
  const bytes = await withHead(readAll(raw, name));
  const packed = bytes.head[0] === 0x1f && bytes.head[1] === 0x8b;
  const text = packed ? await withHead(gunzip(bytes.chunks, name)) : bytes;
  try {
    if (text.head.length === 0)
      throw new ArxivNativeError('BAD_INPUT', `${name}: empty; there are no papers in it`);
    refuseBinary(text.head, name);
  } catch (error) {
    raw.destroy();
    throw error;
  }
  return { name, ...text };
}

async function openFile(path: string): Promise<Readable> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
      throw new ArxivNativeError('BAD_INPUT', `${path}: no such file`, {
        remedy:
          'Give a file of JSON lines (.jsonl, .jsonl.gz) or CSV (.csv, .csv.gz), or - for standard input.',
      });
    }
    throw new ArxivNativeError('IO', `${path}: cannot be read (${error.code})`, { cause: error });
  });
  if (info.isDirectory()) {
    throw new ArxivNativeError('BAD_INPUT', `${path}: is a folder; expected a file of JSON lines or CSV`);
  }
  return createReadStream(path, { highWaterMark: 1 << 18 });
}

async function* readAll(stream: Readable, name: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream)
      yield typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ArxivNativeError('IO', `${name}: cannot be read (${code ?? message})`, { cause: error });
  }
}

async function* gunzip(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const unpacker = createGunzip();
  // Errors of either side, and an early return, reach the other; the loop below is what reports them.
  pipeline(Readable.from(chunks), unpacker, () => {});
  try {
    for await (const chunk of unpacker) yield chunk as Buffer;
  } catch (error) {
    if (error instanceof ArxivNativeError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const found =
      code === 'Z_BUF_ERROR' ? 'the gzip data ends in the middle' : `damaged gzip data (${message})`;
    throw new ArxivNativeError('BAD_INPUT', `${name}: ${found}`, {
      remedy: 'The file was cut or damaged on its way: fetch or pack it again.',
      cause: error,
    });
  }
}

const BYTE_ORDER_MARK = Buffer.from('\uFEFF');

/** Reads until four bytes are there: enough to tell gzip, UTF-16 and binary formats. */
async function withHead(
  source: AsyncGenerator<Buffer>,
): Promise<{ head: Buffer; chunks: AsyncGenerator<Buffer> }> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < 4) {
    const next = await source.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  if (head.subarray(0, 3).equals(BYTE_ORDER_MARK)) head = head.subarray(3);
  async function* chunks() {
    yield head;
    yield* source;
  }
  return { head, chunks: chunks() };
}

function refuseBinary(head: Buffer, name: string): void {
  const found = BINARY_FORMATS.find(
    ({ magic }) => head.subarray(0, magic.length / 2).toString('hex') === magic,
  );
  if (found) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${name}: ${found.name}; expected JSON lines or CSV, plain or gzip`,
      {
        remedy: 'Unpack or convert it first.',
      },
    );
  }
  const sample = head.subarray(0, 4096);
  if (isUtf16(sample)) {
    throw new ArxivNativeError('BAD_INPUT', `${name}: UTF-16 text; expected UTF-8`, {
      remedy: `Convert it: iconv -f UTF-16 -t UTF-8 ${name} > papers-utf8`,
    });
  }
  const controls = sample.filter(byte => byte < 9 || (byte > 13 && byte < 32) || byte === 127).length;
  if (controls > sample.length / 20) {
    throw new ArxivNativeError('BAD_INPUT', `${name}: binary data; expected JSON lines or CSV in UTF-8`);
  }
}

/** By its byte order mark or, for ASCII in UTF-16, by zeros in every other byte and in none of those between. */
function isUtf16(sample: Buffer): boolean {
  if (sample.length < 2) return false;
  const mark = sample.readUInt16BE(0);
  if (mark === 0xfffe || mark === 0xfeff) return true;
  const zeros = [0, 0];
  sample.forEach((byte, i) => {
    if (byte === 0) zeros[i % 2]!++;
  });
  return Math.max(...zeros) > sample.length / 3 && Math.min(...zeros) === 0;
}
