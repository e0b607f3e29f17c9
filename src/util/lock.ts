import { readFile, readlink, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LockOptions as LockfileOptions } from 'proper-lockfile';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from './cancel.js';
import { fileError, makeFolders } from './files.js';

interface LockOptions {
  /** Called once if another process holds the lock; what it throws ends the waiting. */
  onWait?: (() => void) | undefined;
  signal?: AbortSignal | undefined;
  /**
   * Writes beside the lock who holds it (`PATH.holder`), so that one whose holder was killed is taken over at once and
   * not after half a minute.
   */
  named?: boolean | undefined;
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
  options: LockOptions = {},
): Promise<T> {
  const { signal, named = false } = options;
  const lost = new AbortController();
  const release = await acquire(path, options, cause =>
    lost.abort(
      new ArxivNativeError('IO', `the lock of ${path} was lost: ${cause.message}`, {
        remedy: 'Run the same command again, when no other process is doing the same.',
        cause,
      }),
    ),
  );
  try {
    if (named) await leaveName(path).catch(() => {});
    return await work(signal ? AbortSignal.any([signal, lost.signal]) : lost.signal);
  } finally {
    if (named) await rm(holderFile(path), { force: true }).catch(() => {});
    await release().catch(() => {});
  }
}

async function acquire(
  path: string,
  { onWait, signal, named }: LockOptions,
  onCompromised: (cause: Error) => void,
): Promise<() => Promise<void>> {
  const { lock } = await lockfile();
  // Unless told otherwise, proper-lockfile throws from a timer when a lock is lost: the end of the whole process.
  const options: LockfileOptions = { realpath: false, stale: 30_000, update: 5_000, onCompromised };
  for (let told = false; ; ) {
    try {
      await makeFolders(dirname(path));
      return await lock(path, options);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw fileError(error, `locking ${path}`);
    }
    throwIfCancelled(signal, `waiting for the lock of ${path}`);
    const gone = named ? await isHolderGone(path) : false;
    if (gone) {
      // Old enough for the lock to count as left behind. Whoever took it meanwhile notices the strange time.
      await utimes(`${path}.lock`, 0, 0).catch(() => {});
      continue;
    }
    // A holder without a name is about to leave it, or was killed before it could: then its lock grows old.
    if (gone === false && !told) {
      told = true;
      onWait?.();
    }
    await sleep(250, undefined, signal ? { signal } : {}).catch(() => {});
  }
}

/** What a named lock may leave of a process that was killed. */
export function lockFiles(path: string): string[] {
  return [`${path}.lock`, holderFile(path), `${holderFile(path)}.part`];
}

function holderFile(path: string): string {
  return `${path}.holder`;
}

/** A number of a process says little beyond its machine, or its container. */
async function processName(pid: number): Promise<string> {
  const space = await readlink('/proc/self/ns/pid').catch(() => process.platform);
  return `${hostname()} ${space} ${pid}`;
}

/** In one step, so that nobody reads half a name. */
async function leaveName(path: string): Promise<void> {
  const part = `${holderFile(path)}.part`;
  await writeFile(part, await processName(process.pid));
  await rename(part, holderFile(path));
}

/** Undefined where no holder has left its name. */
async function isHolderGone(path: string): Promise<boolean | undefined> {
  const holder = await readFile(holderFile(path), 'utf8').catch(() => undefined);
  if (holder === undefined) return undefined;
  const pid = Number(holder.split(' ').at(-1));
  if (!(pid > 0) || holder !== (await processName(pid))) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
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
