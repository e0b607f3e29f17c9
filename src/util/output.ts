import { createWriteStream } from 'node:fs';
import { realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArxivNativeError } from '../errors.js';
import { fileError, syncPath } from './files.js';

export interface OutputOptions {
  /** Replace a file that is there. */
  force: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * Says, before any work is done, whether `path` may become an output file: it must not exist or, with `force`, be
 * a regular file. Throws BAD_OPTION otherwise.
 */
export async function checkOutput(path: string, { force }: { force: boolean }): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return;
  if (!found.isFile()) {
    throw new ArxivNativeError('BAD_OPTION', `${path} is not a file that can be replaced`, {
      remedy: 'Name a new file, or leave --output out to write to standard output.',
    });
  }
  if (!force) {
    throw new ArxivNativeError('BAD_OPTION', `${path} exists already`, {
      remedy: 'Name another file, or replace this one with --force.',
    });
  }
}

/**
 * Writes `lines` beside `path`, flushes them to the disk and renames the file into place: it is complete or
 * absent, and what stood there stays until then. Errors of the file system become IO; those of `lines` pass.
 */
export async function writeLines(
  path: string,
  lines: AsyncIterable<string>,
  { force, signal }: OutputOptions,
): Promise<void> {
  await checkOutput(path, { force });
  const target = await realpath(path).catch(() => path);
  const part = join(dirname(target), `.${basename(target)}.${process.pid}.part`);
  try {
    await pipeline(lines, createWriteStream(part, { flags: 'wx', flush: true }), signal ? { signal } : {});
    await rename(part, target);
    await syncPath(dirname(target));
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    throw (error as NodeJS.ErrnoException).syscall ? fileError(error, `writing ${path}`) : error;
  }
}
