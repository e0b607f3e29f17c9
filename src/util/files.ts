import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync, renameSync, rmSync } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath, rename, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from './cancel.js';

/** Says what a failed file operation means for the user; `doing` reads like "writing /models/a". */
export function fileError(error: unknown, doing: string): ArxivNativeError {
  if (error instanceof ArxivNativeError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const known: Record<string, [string, string]> = {
    ENOENT: ['there is no such file or folder', 'Check the path.'],
    EACCES: ['permission denied', 'Choose a folder that you may write to, or change its permissions.'],
    EPERM: ['the system does not permit it', 'Choose a folder that you may write to.'],
    EROFS: ['the file system is read-only', 'Choose a folder on another file system.'],
    ENOSPC: ['the disk is full', 'Free some space, or choose a folder on another disk.'],
    EDQUOT: ['the disk quota is used up', 'Free some space, or choose a folder on another disk.'],
    EFBIG: ['the file is larger than the limit set for this process', 'Raise the limit (ulimit -f).'],
    ENOTDIR: ['a part of the path is a file, not a folder', 'Check the path.'],
    EISDIR: ['it is a folder', 'Name a file.'],
    EBUSY: ['it is in use, as a mount point is', 'Name a folder inside it.'],
  };
  const [reason, remedy] = known[code ?? ''] ?? [message, undefined];
  return new ArxivNativeError('IO', `${doing} failed: ${reason}`, {
    cause: error,
    ...(remedy && { remedy }),
  });
}

/**
 * Makes a folder and those above it that are missing. Node's own `recursive` never ends where the system says ENOENT of
 * a folder whose parent is there, as /proc does.
 */
export async function makeFolders(path: string): Promise<void> {
  const make = () =>
    mkdir(path).catch(async error => {
      // Another process may have made it meanwhile.
      if (error.code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
    });
  await make().catch(async error => {
    if (error.code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolders(dirname(path));
    await make();
  });
}

/** Writes a new file and flushes it to the disk. */
export async function writeFileSynced(file: string, content: string | Uint8Array): Promise<void> {
  const handle = await open(file, 'w');
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Flushes a file, or a folder's list of names, to the disk. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces a file by what `write` puts at the path it gets, under the name plus `.part`: the old one stays until the new
 * one is whole, and what could not be completed is removed.
 */
export async function writeWhole(file: string, write: (part: string) => Promise<void>): Promise<void> {
  const part = `${file}.part`;
  try {
    await write(part);
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    throw error;
  }
  await syncPath(dirname(file)).catch(() => {});
}

/** SHA-256 of a file's bytes, in hex. Throws IO, CANCELLED. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const bytes = createReadStream(path, { highWaterMark: 1 << 20 });
  await pipeline(bytes, hash, signal ? { signal } : {}).catch(error => {
    throwIfCancelled(signal, `reading ${path}`);
    throw fileError(error, `reading ${path}`);
  });
  return hash.digest('hex');
}

/** A hidden name beside `path`, of nobody else: for what takes its final name once it is complete. */
export function beside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.part`);
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Throws IO where the disk of `folder` cannot hold so many bytes more. */
export async function requireSpace(folder: string, bytes: number, remedy: string): Promise<void> {
  const disk = await statfs(folder).catch(() => undefined);
  // Some network and user-space file systems do not count: they report no blocks at all.
  if (disk === undefined || disk.blocks === 0) return;
  const free = disk.bavail * disk.bsize;
  if (bytes <= free) return;
  throw new ArxivNativeError(
    'IO',
    `no space left in ${folder}: ${megabytes(bytes)} are needed, ${megabytes(free)} are free`,
    { remedy },
  );
}

export interface StagingOptions {
  /** Whether a folder that holds something may be replaced, if `isOurs` says yes to it. */
  replace: boolean;
  /** Whether a folder is of the kind that is written here, so that no other is ever replaced. */
  isOurs: (folder: string) => Promise<boolean>;
  /** The names of what such a folder holds: one with anything else in it is not replaced. */
  holds: readonly string[];
  /** What is written, as in "it is not …": `a model that was trained here`. */
  what: string;
  /** How such a folder may be named. */
  name: string;
  /** Where the folder is filled, on the same disk, anew; under a hidden name beside the final one if absent. */
  place?: string;
}

/**
 * A folder that is complete or absent: it is filled under a hidden name beside its final one, and takes that
 * name in one step. What stood there is moved aside first and removed after. Left uncommitted, it is removed
 * when the process exits.
 */
export class StagedFolder {
  private settled = false;

  private constructor(
    private place: string,
    /** The final name, absolute. */
    readonly target: string,
    private readonly options: StagingOptions,
    private readonly removeAtExit: () => void,
  ) {}

  /** Where to write; after a refused `commit` where the complete folder is. */
  get path(): string {
    return this.place;
  }

  /**
   * Refuses a folder that exists (BAD_OPTION) unless `replace` is set and it is of the same kind. An empty folder may
   * always be filled.
   *
   * @returns the final name
   */
  static async check(target: string, options: StagingOptions): Promise<string> {
    const final = await behindLink(resolve(target));
    const restored = await restoreAside(final);
    await refuseOccupied(final, options, restored);
    return final;
  }

  /** Checks, and makes the folder to fill, so that an unwritable place is known before any work is done. */
  static async create(target: string, options: StagingOptions): Promise<StagedFolder> {
    const final = await StagedFolder.check(target, options);
    try {
      await makeFolders(dirname(final));
      const path = options.place ?? beside(final);
      if (options.place !== undefined) await rm(path, { recursive: true, force: true });
      await mkdir(path);
      const removeAtExit = () => rmSync(path, { recursive: true, force: true });
      process.on('exit', removeAtExit);
      return new StagedFolder(path, final, options, removeAtExit);
    } catch (error) {
      throw fileError(error, `making a folder for ${final}`);
    }
  }

  /**
   * Flushes every file and gives the folder its final name. If something appeared there meanwhile that may not be
   * replaced, the folder takes the next free name instead (`NAME-2`) and BAD_OPTION is thrown, which says so.
   */
  async commit(): Promise<void> {
    const aside = beside(this.target) + ASIDE;
    try {
      for (const name of await readdir(this.place)) await syncPath(join(this.place, name));
      await syncPath(this.place);
      const mayReplace =
        this.options.replace &&
        (await this.options.isOurs(this.target)) &&
        strangers(await readdir(this.target).catch(() => []), this.options).length === 0;
      this.exchange(mayReplace ? aside : undefined);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== undefined && OCCUPIED.includes(code)) throw this.yieldName();
      throw fileError(error, `writing ${this.target}`);
    }
    // The folder stands there, complete: what may still go wrong does not undo that.
    this.keep();
    await syncPath(dirname(this.target)).catch(() => {});
    await rm(aside, { recursive: true, force: true }).catch(() => {});
  }

  /**
   * Without an await: a signal handler that exits the process comes before or after, never in between. Where nothing
   * may be moved aside, the system itself refuses to rename a folder onto one that holds something.
   */
  private exchange(aside: string | undefined): void {
    const replaces = aside !== undefined && existsSync(this.target);
    if (replaces) renameSync(this.target, aside);
    try {
      renameSync(this.place, this.target);
    } catch (error) {
      if (replaces) renameSync(aside, this.target);
      throw error;
    }
  }

  private yieldName(): ArxivNativeError {
    let n = 2;
    while (existsSync(`${this.target}-${n}`)) n++;
    const free = `${this.target}-${n}`;
    renameSync(this.place, free);
    this.place = free;
    this.keep();
    return new ArxivNativeError(
      'BAD_OPTION',
      `${this.target} was made by another process meanwhile and is not replaced: this one is complete in ${free}`,
    );
  }

  /** Leaves what was written where it is, for its content to be rescued. */
  keep(): void {
    this.settled = true;
    process.off('exit', this.removeAtExit);
  }

  /** Removes what was written so far; does nothing after `commit` or `keep`. */
  async discard(): Promise<void> {
    if (this.settled) return;
    this.keep();
    await rm(this.place, { recursive: true, force: true });
  }
}

/** What renaming a folder onto a path says where that is a folder with content, or a file. */
const OCCUPIED = ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'];
/** Ends the name of what makes room for a staged folder. */
const ASIDE = '.old';

/** The folder that a link names: the link stays, and what it names is replaced. */
export async function behindLink(path: string): Promise<string> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isSymbolicLink() ? await realpath(path).catch(() => path) : path;
}

/** Brings back what a run had moved aside when it was killed before its own folder took the name; true if it did. */
async function restoreAside(target: string): Promise<boolean> {
  if (existsSync(target)) return false;
  const names = await readdir(dirname(target)).catch(() => []);
  const start = `.${basename(target)}.`;
  const aside = names.find(
    name => name.startsWith(start) && /^[0-9a-f]{16}\.part\.old$/.test(name.slice(start.length)),
  );
  if (aside === undefined) return false;
  renameSync(join(dirname(target), aside), target);
  return true;
}

async function refuseOccupied(folder: string, options: StagingOptions, restored: boolean): Promise<void> {
  let names: string[];
  try {
    if (!(await stat(folder)).isDirectory()) {
      throw new ArxivNativeError('BAD_OPTION', `${folder} is a file, not a folder`, {
        remedy: 'Name a folder that does not exist yet.',
      });
    }
    names = await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(error, `looking into ${folder}`);
    if ((await lstat(folder).catch(() => undefined)) === undefined) return;
    throw new ArxivNativeError('BAD_OPTION', `${folder} is a link to a place where nothing is`, {
      remedy: 'Make the folder that it names, or remove the link.',
    });
  }
  if (names.length > 0) {
    if (!options.replace) throw existsAlready(folder, restored);
    if (!(await options.isOurs(folder))) throw notOurs(folder, names, options.what);
    const others = strangers(names, options);
    if (others.length > 0) throw holdsMore(folder, others, options.what);
  }
  refuseFixture(folder, options.name);
}

/**
 * What is to be replaced must let itself be renamed, which a mount point does not: better known before the work.
 * Without an await, as `exchange`.
 */
function refuseFixture(folder: string, name: string): void {
  const aside = beside(folder);
  try {
    renameSync(folder, aside);
    renameSync(aside, folder);
  } catch (error) {
    const { message } = fileError(error, `replacing ${folder}`);
    throw new ArxivNativeError('IO', message, {
      remedy: `Use --out ${join(folder, name)}.`,
      cause: error,
    });
  }
}

function existsAlready(folder: string, restored: boolean): ArxivNativeError {
  const why = restored ? ': it is what a run that was killed had moved aside, and is back now' : '';
  return new ArxivNativeError('BAD_OPTION', `${folder} exists already${why}`, {
    remedy: 'Choose another folder with --out, or replace this one with --force.',
  });
}

function notOurs(folder: string, names: string[], what: string): ArxivNativeError {
  return new ArxivNativeError(
    'BAD_OPTION',
    `${folder} is not ${what}, so it is not replaced: it holds ${someOf(names)}`,
    { remedy: 'Choose another folder with --out.' },
  );
}

function holdsMore(folder: string, names: string[], what: string): ArxivNativeError {
  return new ArxivNativeError(
    'BAD_OPTION',
    `${folder} holds more than ${what}, so it is not replaced: ${someOf(names)}`,
    { remedy: 'Move that elsewhere, or choose another folder with --out.' },
  );
}

/** What a file manager leaves behind is nobody's work. */
function strangers(names: readonly string[], { holds }: StagingOptions): string[] {
  return names.filter(name => !holds.includes(name) && name !== '.DS_Store');
}

function someOf(names: string[]): string {
  const shown = names.sort().slice(0, 5).join(', ');
  return names.length > 5 ? `${shown}, …` : shown;
}
