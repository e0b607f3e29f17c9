import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from './cancel.js';
import { beside, fileError, syncPath } from './files.js';

interface OutputOptions {
  /** Replace a file that is there. */
  force: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * Says, before any work is done, whether `path` may become an output file: it must not exist or, with `force`, be
 * a regular file that is none of `inputs` (BAD_OPTION otherwise), in a folder that can be written (IO otherwise).
 */
export async function checkOutput(
  path: string,
  { force, inputs = [] }: { force: boolean; inputs?: readonly string[] },
): Promise<void> {
  if (path === '-') {
    throw new ArxivNativeError('BAD_OPTION', 'the output must be a file, not "-"', {
      remedy: 'Name a file; one that is called so is ./-',
    });
  }
  const found = await stat(path).catch(() => undefined);
  for (const input of inputs) {
    const read = await stat(input).catch(() => undefined);
    if (found && found.ino === read?.ino && found.dev === read.dev) {
      throw new ArxivNativeError('BAD_OPTION', `${path} is the input: it is not replaced`, {
        remedy: 'Name another file for the output.',
      });
    }
  }
  if (found && !found.isFile()) {
    throw new ArxivNativeError('BAD_OPTION', `${path} is not a file that can be replaced`, {
      remedy: 'Name a new file.',
    });
  }
  if (found && !force) {
    throw new ArxivNativeError('BAD_OPTION', `${path} exists already`, {
      remedy: 'Name another file, or replace this one with --force.',
    });
  }
  await tryWriting(path);
}

/** Throws IO where no file can be made beside `path`: only one that was made tells, permissions are not the whole story. */
export async function tryWriting(path: string): Promise<void> {
  const trial = beside(await targetOf(path));
  try {
    await (await open(trial, 'wx')).close();
    await rm(trial);
  } catch (error) {
    throw fileError(error, `writing ${path}`);
  }
}

/** The file behind a link: it is replaced where it lies. */
function targetOf(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}

/**
 * Writes `lines` beside `path`, flushes them to the disk and renames the file into place: it is complete or
 * absent, and what stood there stays until then. Under a name that ends in .gz it is packed. Errors of the file system become IO, an abort CANCELLED; what `lines`
 * throws passes.
 */
export async function writeLines(
  path: string,
  lines: AsyncIterable<string> | Iterable<string>,
  { force, signal }: OutputOptions,
): Promise<void> {
  await checkOutput(path, { force });
  const target = await targetOf(path);
  const part = beside(target);
  // A second Ctrl-C ends the process at once.
  const removeAtExit = () => rmSync(part, { force: true });
  process.on('exit', removeAtExit);
  try {
    const packing = isPacked(path) ? createGzip() : new PassThrough();
    const file = createWriteStream(part, { flags: 'wx', flush: true });
    await pipeline(lines, packing, file, signal ? { signal } : {});
    await rename(part, target);
    await syncPath(dirname(target));
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    if ((error as Error).name === 'AbortError') throwIfCancelled(signal, `writing ${path}`);
    throw (error as NodeJS.ErrnoException).syscall ? fileError(error, `writing ${path}`) : error;
  } finally {
    process.off('exit', removeAtExit);
  }
}

/** SHA-256 of what `writeLines` was given for `path`; undefined for a file that is not packed as its name says. */
export async function hashOfLines(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), isPacked(path) ? createGunzip() : new PassThrough(), hash);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall) throw fileError(error, `reading ${path}`);
    return undefined;
  }
  return hash.digest('hex');
}

function isPacked(path: string): boolean {
  return /\.gz$/i.test(path);
}
