import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LockOptions as LockfileOptions } from 'proper-lockfile';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from './cancel.js';
import { fileError } from './files.js';

interface LockOptions {
  /** Called once if another process holds the lock. */
  onWait?: (() => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` while no other process works on `path` (which need not exist). A lock whose holder died is taken over
 * after half a minute.
 *
 * @param work gets a signal: that of the options, aborted as well (with an IO error as its reason) if the lock is lost.
 * @throws ArxivNativeError IO if the folder of `path` cannot be written, CANCELLED on `signal`, and what `work` throws
 */
export async function withLock<T>(
  path: string,
  work: (signal: AbortSignal) => Promise<T>,
  { onWait, signal }: LockOptions = {},
): Promise<T> {
  const lost = new AbortController();
  const release = await acquire(path, onWait, signal, cause =>
    lost.abort(
      new ArxivNativeError('IO', `the lock of ${path} was lost: ${cause.message}`, {
        remedy: 'Run the same command again, when no other process is doing the same.',
        cause,
      }),
    ),
  );
  try {
    return await work(signal ? AbortSignal.any([signal, lost.signal]) : lost.signal);
  } finally {
    await release().catch(() => {});
  }
}

async function acquire(
  path: string,
  onWait: LockOptions['onWait'],
  signal: AbortSignal | undefined,
  onCompromised: (cause: Error) => void,
): Promise<() => Promise<void>> {
  const { lock } = await lockfile();
  // Unless told otherwise, proper-lockfile throws from a timer when a lock is lost: the end of the whole process.
  const options: LockfileOptions = { realpath: false, stale: 30_000, update: 5_000, onCompromised };
  for (let waited = false; ; waited = true) {
    try {
      await mkdir(dirname(path), { recursive: true });
      return await lock(path, options);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw fileError(error, `locking ${path}`);
    }
    throwIfCancelled(signal, `waiting for the lock of ${path}`);
    if (!waited) onWait?.();
    await sleep(250, undefined, signal ? { signal } : {}).catch(() => {});
  }
}

/**
 * Loaded only where a lock is needed. It takes over every deadly signal to remove its locks, SIGXFSZ among them, which
 * Node ignores so that a file beyond the limit is an error that can be reported: a listener beside its own keeps that.
 */
async function lockfile(): Promise<typeof import('proper-lockfile')> {
  const loaded = await import('proper-lockfile');
  if (!process.listeners('SIGXFSZ').includes(survive)) process.on('SIGXFSZ', survive);
  return loaded;
}

function survive(): void {}
