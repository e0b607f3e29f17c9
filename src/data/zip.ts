import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32, createInflateRaw } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import { ArxivNativeError } from '../errors.js';
import { openZip, readBytes } from '../util/bounded-reader.js';
import { printable } from '../util/format.js';
import { didYouMean } from '../util/options.js';
import { through } from '../util/streams.js';

/** Bytes that are read, and unpacked, at once. */
export const CHUNK = 1 << 18;

/** Two of the format's numbers for ways to compress. */
const STORED = 0;
const DEFLATED = 8;

const DATA_FILE = /\.(csv|jsonl|ndjson|json)(\.gz)?$/i;
/** What some programs put beside the files that were meant. */
const LITTER = /(^|\/)(__MACOSX\/|\.)|\/$/;
const SHOWN = 8;

/** A file on the disk and, where a path goes on behind an archive (`dump.zip/papers.csv`), the one inside it. */
export interface Place {
  file: string;
  member?: string;
}

export async function locate(path: string): Promise<Place> {
  for (let file = path; ; file = dirname(file)) {
    const found = await stat(file).catch((error: NodeJS.ErrnoException) => error.code);
    // So says the system of a path that goes on behind a file, and of no other.
    if (found === 'ENOTDIR') continue;
    const isArchive = file !== path && typeof found === 'object' && found.isFile();
    return isArchive ? { file, member: path.slice(file.length).replace(/^\/+/, '') } : { file: path };
  }
}

/**
 * One file of a zip archive (zip64 too), unpacked in pieces and held against its size and checksum. Without a
 * `member` it is the one data file there, or the one file.
 * @param onBytes is told how many bytes of the archive were read, each time
 * @throws BAD_INPUT for an archive that is damaged or encrypted, has no such file, or several to choose from
 */
export async function openMember(
  { file, member }: Place,
  onBytes: (bytes: number) => void = () => {},
): Promise<{ name: string; chunks: AsyncGenerator<Buffer> }> {
  const handle = await open(file);
  try {
    const zip = await openZip(handle);
    const entry = await choose(zip, file, member);
    const name = `${file}/${printable(entry.fileName)}`;
    refuseUnreadable(entry, name);
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    const packed = readRange(handle, fileDataStart, entry.compressedSize, onBytes);
    const unpacked =
      entry.compressionMethod === STORED ? packed : through(packed, createInflateRaw({ chunkSize: CHUNK }));
    return { name, chunks: checked(unpacked, entry, name, handle) };
  } catch (error) {
    await handle.close();
    throw damaged(file, error);
  }
}

async function choose(zip: ZipFile, file: string, member: string | undefined): Promise<Entry> {
  const entries: Entry[] = [];
  for await (const entry of zip.eachEntry()) {
    if (member === entry.fileName) return entry;
    if (!LITTER.test(entry.fileName)) entries.push(entry);
  }
  const names = entries.map(({ fileName }) => printable(fileName));
  if (names.length === 0) throw badArchive(`${file}: a zip archive without files`);
  if (member !== undefined) {
    throw badArchive(
      `${file}: there is no ${member} in this archive`,
      didYouMean(member, names.slice(0, SHOWN)),
    );
  }
  const data = entries.filter(({ fileName }) => DATA_FILE.test(fileName));
  const candidates = data.length > 0 ? data : entries;
  if (candidates.length === 1) return candidates[0]!;
  const found = candidates.map(({ fileName }) => printable(fileName));
  throw badArchive(
    `${file}: ${found.length} files are in this archive: ${found.slice(0, SHOWN).join(', ')}${found.length > SHOWN ? ', …' : ''}`,
    `Name the one to read: ${file}/${found[0]}`,
  );
}

function refuseUnreadable(entry: Entry, name: string): void {
  if (entry.isEncrypted())
    throw badArchive(`${name}: encrypted`, 'Unpack the archive with its password first.');
  if (entry.compressionMethod === STORED || entry.compressionMethod === DEFLATED) return;
  throw badArchive(
    `${name}: compressed in a way that is not read here (method ${entry.compressionMethod})`,
    'Unpack the archive first.',
  );
}

async function* readRange(
  handle: FileHandle,
  start: number,
  length: number,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for (let done = 0; done < length; ) {
    const chunk = await readBytes(handle, start + done, Math.min(CHUNK, length - done));
    done += chunk.length;
    onBytes(chunk.length);
    yield chunk;
  }
}

async function* checked(
  chunks: AsyncIterable<Buffer>,
  entry: Entry,
  name: string,
  handle: FileHandle,
): AsyncGenerator<Buffer> {
  let size = 0;
  let sum = 0;
  try {
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > entry.uncompressedSize) throw new Error('more data than it states');
      sum = crc32(chunk, sum);
      yield chunk;
    }
    if (size < entry.uncompressedSize) throw new Error('less data than it states');
    if (sum !== entry.crc32) throw new Error('its checksum does not match');
  } catch (error) {
    throw damaged(name, error);
  } finally {
    await handle.close();
  }
}

/** An error of the file system is one; any other is the archive's fault. */
function damaged(name: string, error: unknown): ArxivNativeError {
  if (error instanceof ArxivNativeError) return error;
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  if (syscall) return new ArxivNativeError('IO', `${name}: cannot be read (${code})`, { cause: error });
  return new ArxivNativeError('BAD_INPUT', `${name}: damaged zip archive (${printable(message)})`, {
    remedy: 'The file was cut or damaged on its way: fetch or pack it again.',
    cause: error,
  });
}

function badArchive(message: string, remedy?: string): ArxivNativeError {
  return new ArxivNativeError('BAD_INPUT', message, remedy ? { remedy } : {});
}
