import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import { ArxivNativeError } from '../errors.js';
import { openZip } from '../util/bounded-reader.js';
import { throwIfCancelled } from '../util/cancel.js';
import { requireSpace } from '../util/files.js';

/** What building and running needs of a wheel or an archive; torch.libs/ holds libraries that arm64 wheels bring along. */
const WANTED = /^((lib)?torch\/(include|lib)\/|torch\.libs\/|torch\/version\.py$|libtorch\/build-version$)/;
/** Python's half, static libraries and tests: about a tenth of the bytes, none of the use. */
const UNWANTED = /\/libtorch_python\.|\.a$|\/lib[a-z_]*test[a-z_]*\.|\/libshm/;

/**
 * Unpacks the part of a PyTorch wheel or LibTorch archive that matters into the folder `destination`, every file
 * checked against its checksum.
 *
 * @throws ArxivNativeError NETWORK if the archive is damaged, IO if the disk is full or not writable.
 */
export async function unpackLibtorch(
  archive: string,
  destination: string,
  signal?: AbortSignal,
): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(archive);
    const zip = await openZip(handle);
    const entries: Entry[] = [];
    for await (const entry of zip.eachEntry()) {
      const name = entry.fileName;
      if (WANTED.test(name) && !UNWANTED.test(name) && !name.endsWith('/')) entries.push(entry);
    }
    if (entries.length === 0) throw damaged(archive, new Error('it holds no LibTorch'));
    await mkdir(destination, { recursive: true });
    await requireSpace(
      destination,
      entries.reduce((sum, entry) => sum + entry.uncompressedSize, 0),
      'Free some disk space, or set ARXIV_NATIVE_CACHE to a folder on a larger disk.',
    );
    for (const entry of entries) {
      throwIfCancelled(signal, `unpacking ${archive}`);
      await unpackEntry(zip, entry, join(destination, entry.fileName));
    }
  } catch (error) {
    throw damaged(archive, error);
  } finally {
    await handle?.close();
  }
}

async function unpackEntry(zip: ZipFile, entry: Entry, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  let sum = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sum = crc32(chunk, sum);
      done(null, chunk);
    },
  });
  await pipeline(await zip.openReadStreamPromise(entry), check, createWriteStream(path));
  if (sum !== entry.crc32) throw new Error(`the checksum of ${entry.fileName} does not match`);
}

/** An error of the file system is one; any other is the archive's fault. */
function damaged(archive: string, error: unknown): ArxivNativeError {
  if (error instanceof ArxivNativeError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const ofDisk = code !== undefined && /^(ENOSPC|EDQUOT|EACCES|EPERM|EROFS|EIO|EMFILE)$/.test(code);
  return ofDisk
    ? new ArxivNativeError('IO', `unpacking ${archive}: ${message}`, {
        remedy:
          'Check the disk space and the permissions of the cache folder, then run the same command again.',
        cause: error,
      })
    : new ArxivNativeError('NETWORK', `${archive} is damaged: ${message}`, {
        remedy: 'It has been discarded: run the same command again.',
        cause: error,
      });
}
