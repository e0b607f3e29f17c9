import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lock } from 'proper-lockfile';
import { ArxivNativeError } from '../errors.js';

export interface LockOptions {
  /** Called once if another process holds the lock. */
  onWait?: (() => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` while no other process works on `path` (which need not exist). A lock whose holder died is taken over
 * after half a minute.
 *
 * @throws ArxivNativeError IO if the folder of `path` cannot be written, CANCELLED on `signal`.
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const release = await acquire(path, options);
  try {
    return await work();
  } finally {
    await release().catch(() => {});
  }
}

async function acquire(path: string, { onWait, signal }: LockOptions): Promise<() => Promise<void>> {
  for (let waited = false; ; waited = true) {
    try {
      await mkdir(dirname(path), { recursive: true });
      return await lock(path, { realpath: false, stale: 30_000, update: 5_000 });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ELOCKED') {
        throw new ArxivNativeError('IO', `cannot write beside ${path}: ${message}`, {
          remedy: `Make ${dirname(path)} writable, or run as the user it belongs to.`,
          cause: error,
        });
      }
    }
    if (!waited) onWait?.();
    await sleep(250, undefined, signal ? { signal } : {}).catch(() => {});
    if (signal?.aborted)
      throw new ArxivNativeError('CANCELLED', `waiting for the lock of ${path}: cancelled`);
  }
}
