import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { ArxivNativeError } from '../errors.js';
import { readBytes } from '../util/bounded-reader.js';
import { through } from '../util/streams.js';
import type { ByteStream } from './formats.js';
import { CHUNK, locate, openMember } from './zip.js';

/** Of an archive with files, and of one without. */
const ZIP_MAGIC = ['504b0304', '504b0506'];

/** A text file or stream, unpacked if it was gzip or zip, without byte order mark, known not to be binary. */
export interface TextSource {
  /** For messages: the path as given, with the file's name inside it for a zip archive; or `stdin`. */
  name: string;
  /** The first bytes, at least four if there are as many; `chunks` repeats them. */
  head: Buffer;
  chunks: AsyncGenerator<Buffer>;
}

/** Formats that are often taken for text, by their first bytes. */
const BINARY_FORMATS: { magic: string; name: string }[] = [
  { magic: '504b0304', name: 'a zip archive, which is read only as a file of its own' },
  { magic: '28b52ffd', name: 'zstd-compressed' },
  { magic: '425a68', name: 'bzip2-compressed' },
  { magic: 'fd377a585a', name: 'xz-compressed' },
  { magic: '50415231', name: 'a Parquet file' },
  { magic: '25504446', name: 'a PDF' },
];

interface OpenOptions {
  /** What `-` reads; standard input unless given. */
  input?: ByteStream | undefined;
  /** Is told, with each piece, how many bytes of the file or stream were read, before any unpacking. */
  onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Opens a path, or `input` for `-`. Gzip and zip are told by their first bytes, not by their names. Of an archive with
 * several files a path names one: `dump.zip/papers.csv`.
 * @throws BAD_INPUT for what is missing, a folder, empty, binary or UTF-16; IO for what cannot be read
 */
export async function openText(path: string, options: OpenOptions = {}): Promise<TextSource> {
  const { name, ...bytes } = await openBytes(path, options);
  const packed = bytes.head[0] === 0x1f && bytes.head[1] === 0x8b;
  const { head, chunks, close } = packed ? await withHead(gunzip(bytes.chunks, name)) : bytes;
  try {
    if (head.length === 0)
      throw new ArxivNativeError('BAD_INPUT', `${name}: empty; there are no papers in it`);
    refuseBinary(head, name);
  } catch (error) {
    await close();
    throw error;
  }
  return { name, head, chunks };
}

/** Those of the file or, where that is a zip archive, of the file inside it. */
async function openBytes(path: string, { input = process.stdin, onBytes }: OpenOptions) {
  if (path === '-') return { name: 'stdin', ...(await withHead(readAll(input, 'stdin', onBytes))) };
  const place = await locate(path);
  if (await isZip(place.file)) {
    const { name, chunks } = await openMember(place, onBytes);
    return { name, ...(await withHead(chunks)) };
  }
  if (place.member !== undefined) throw missing(path);
  const stream = createReadStream(path, { highWaterMark: CHUNK });
  return { name: path, ...(await withHead(readAll(stream, path, onBytes))) };
}

/** Of a regular file: the table that an archive is read by stands at its end, which a stream reaches too late. */
async function isZip(path: string): Promise<boolean> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) {
      throw new ArxivNativeError('BAD_INPUT', `${path}: is a folder; expected a file of JSON lines or CSV`);
    }
    if (!info.isFile() || info.size < 4) return false;
    const file = await open(path);
    try {
      return ZIP_MAGIC.includes((await readBytes(file, 0, 4)).toString('hex'));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof ArxivNativeError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw missing(path);
    throw new ArxivNativeError('IO', `${path}: cannot be read (${code})`, { cause: error });
  }
}

function missing(path: string): ArxivNativeError {
  return new ArxivNativeError('BAD_INPUT', `${path}: no such file`, {
    remedy: 'Give a file of JSON lines (.jsonl) or CSV (.csv), plain, .gz or .zip, or - for standard input.',
  });
}

async function* readAll(
  stream: ByteStream,
  name: string,
  onBytes: OpenOptions['onBytes'],
): AsyncGenerator<Buffer> {
  try {
    for await (const piece of stream) {
      const chunk = typeof piece === 'string' ? Buffer.from(piece) : (piece as Buffer);
      onBytes?.(chunk.length);
      yield chunk;
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ArxivNativeError('IO', `${name}: cannot be read (${code ?? message})`, { cause: error });
  }
}

async function* gunzip(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  try {
    yield* through(chunks, createGunzip({ chunkSize: CHUNK }));
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
async function withHead(source: AsyncGenerator<Buffer>) {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < 4) {
    const next = await source.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  if (head.subarray(0, 3).equals(BYTE_ORDER_MARK)) head = head.subarray(3);
  /** For who does not begin with the chunks: an early end of those closes the source too. */
  const close = () => source.return(undefined);
  async function* chunks() {
    try {
      yield head;
      yield* source;
    } finally {
      await close();
    }
  }
  return { head, chunks: chunks(), close };
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
