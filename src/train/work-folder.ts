import { readdirSync, rmSync, statSync } from 'node:fs';
import { readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { METRICS } from '../model/saved-model.js';
import type { EngineModel } from '../native.js';
import { behindLink, fileError, makeFolders, syncPath } from '../util/files.js';
import { withLock } from '../util/lock.js';
import { type Checkpoint, openCheckpoint, writeCheckpoint } from './checkpoint.js';
import { type Identity, requireSame } from './identity.js';

const CHECKPOINT = 'checkpoint.safetensors';
const LOCK = 'run';

/** Every name that such a folder can hold, whatever the kind of work. */
const COMMON = /^(run\.(lock|holder(\.part)?)|metrics\.jsonl|checkpoint\.safetensors(\.part)?)$/;

export interface WorkOptions {
  /** Go on where a run of the same identity was left, or begin. */
  resume: boolean;
  /** Replace what stands at the target, and without `resume` discard a run that was left. */
  force: boolean;
  signal?: AbortSignal | undefined;
}

/** What tells one kind of work from another. */
interface Kind {
  /** Ends the folder's name: `training`. */
  name: string;
  /** Names beside the common ones that the folder can hold. */
  holds: RegExp;
  /** A file that took so long to make that the folder stays for its sake, unless it is empty. */
  keeps?: string;
}

/** A folder of which this process is the only user. */
export interface Workplace {
  /** What the work is to give, absolute. */
  target: string;
  path: string;
}

/**
 * Work in progress: `OUT.KIND`, beside the folder that it is to give. It holds the last checkpoint and metrics.jsonl,
 * and survives a kill at any moment. One process at a time works on it.
 */
export class WorkFolder<State extends { steps: number }> {
  private identity: Identity = {};
  protected metricsBytes = 0;
  /** How many steps the last checkpoint holds that this process wrote or goes on from. */
  private savedSteps: number | undefined;

  protected constructor(
    /** The final folder, absolute. */
    readonly target: string,
    readonly path: string,
    protected readonly options: WorkOptions,
    protected readonly found: Checkpoint<State> | undefined,
  ) {}

  /**
   * Runs `work` as the only process on the run of `out`. A folder without a checkpoint is removed after, unless it holds
   * what its kind keeps.
   *
   * @param work gets a signal: that of the options, aborted as well (with an IO error as its reason) if another
   * process took the run over
   * @throws ArxivNativeError BAD_OPTION if another process works on it or the folder is another's; IO; what `work`
   * throws
   */
  protected static async occupy<T>(
    out: string,
    kind: Kind,
    { signal }: WorkOptions,
    work: (place: Workplace, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const target = await behindLink(resolve(out));
    const path = `${target}.${kind.name}`;
    await makeFolder({ target, path }, kind);
    const onWait = () => {
      throw new ArxivNativeError('BAD_OPTION', `another process is training ${target}`, {
        remedy: 'Wait until it is done, or choose another folder with --out.',
      });
    };
    return withLock(
      join(path, LOCK),
      async signal => {
        // What another process took over is its own.
        const tidy = () => void (isLost(signal) || removeIfEmpty(path, kind));
        process.on('exit', tidy);
        try {
          return await work({ target, path }, signal);
        } finally {
          process.off('exit', tidy);
          tidy();
        }
      },
      { named: true, signal, onWait },
    );
  }

  /**
   * The checkpoint that was left, unless it is to be discarded.
   *
   * @param where the state's place in words, for messages
   * @throws BAD_OPTION if it is neither to be resumed nor discarded, BAD_MODEL if it is broken
   */
  protected static async left<State extends { steps: number }>(
    { path }: Workplace,
    { resume, force }: WorkOptions,
    where: (state: State) => string,
  ): Promise<Checkpoint<State> | undefined> {
    const discards = force && !resume;
    const found = discards ? undefined : await openCheckpoint<State>(join(path, CHECKPOINT));
    if (found === undefined || resume) return found;
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${path} holds a training that did not end (${where(found.state)})`,
      { remedy: 'Go on with it by --resume, or discard it and begin anew by --force.' },
    );
  }

  /** How many steps can be gone on from; undefined if none. */
  get resumable(): number | undefined {
    return this.savedSteps;
  }

  /** Whether a file serves a run that begins too, as it says itself what it was made of. */
  protected isKept(_name: string): boolean {
    return false;
  }

  /** Whether a file is in the way of a run that goes on. */
  protected isStray(name: string): boolean {
    return name.endsWith('.part');
  }

  /**
   * Takes up the run that was left, its metrics.jsonl cut back to the checkpoint, or begins with an empty folder.
   *
   * @returns the checkpoint to go on from
   * @throws BAD_OPTION if the run that was left is another, BAD_MODEL if a file of it is gone, IO
   */
  async begin(identity: Identity): Promise<Checkpoint<State> | undefined> {
    if (this.found !== undefined) requireSame(this.found.identity, identity, this.path);
    this.identity = identity;
    this.metricsBytes = this.found?.metricsBytes ?? 0;
    this.savedSteps = this.found?.state.steps;
    const metrics = join(this.path, METRICS);
    await requireSize(metrics, this.metricsBytes);
    try {
      if (this.found === undefined) await this.clear(true);
      else if (this.metricsBytes > 0) await truncate(metrics, this.metricsBytes);
      else await rm(metrics, { force: true });
      await this.removeStrays();
    } catch (error) {
      this.failed(error);
    }
    return this.found;
  }

  /** Writes the checkpoint; the one before stays until it is whole. Throws IO. */
  async save(model: EngineModel, state: State): Promise<void> {
    if (this.metricsBytes > 0) await syncPath(join(this.path, METRICS)).catch(this.failed);
    const { identity, metricsBytes } = this;
    await writeCheckpoint(model, join(this.path, CHECKPOINT), { identity, state, metricsBytes });
    this.savedSteps = state.steps;
    await this.removeStrays().catch(this.failed);
  }

  /** Adds a line to metrics.jsonl. Throws IO. */
  async log(record: object): Promise<void> {
    const line = `${JSON.stringify(record)}\n`;
    await writeFile(join(this.path, METRICS), line, { flag: 'a' }).catch(this.failed);
    this.metricsBytes += Buffer.byteLength(line);
  }

  /** The work is complete: nothing is left to be gone on from. */
  async done(): Promise<void> {
    await this.clear().catch(this.failed);
  }

  protected readonly failed = (error: unknown): never => {
    throw fileError(error, `writing ${this.path}`);
  };

  /** All but the lock and, at a beginning, what is kept. What is left without a checkpoint, which goes first, counts for nothing. */
  protected async clear(beginning = false): Promise<void> {
    await rm(join(this.path, CHECKPOINT), { force: true });
    for (const name of await readdir(this.path)) {
      const stays = name.startsWith(`${LOCK}.`) || (beginning && this.isKept(name));
      if (!stays) await rm(join(this.path, name), { recursive: true });
    }
    this.savedSteps = undefined;
  }

  /** What a killed process was writing, and what is no longer wanted. */
  private async removeStrays(): Promise<void> {
    for (const name of await readdir(this.path)) {
      if (this.isStray(name)) await rm(join(this.path, name));
    }
  }
}

/** Whether another process took over what this one was doing. */
export function isLost(signal: AbortSignal | undefined): boolean {
  return signal?.reason instanceof ArxivNativeError;
}

async function makeFolder({ target, path }: Workplace, { name: kind, holds }: Kind): Promise<void> {
  let names: string[];
  try {
    await makeFolders(path);
    names = await readdir(path);
  } catch (error) {
    throw fileError(error, `making a folder for ${target}`);
  }
  const stranger = names.find(name => !COMMON.test(name) && !holds.test(name));
  if (stranger === undefined) return;
  throw new ArxivNativeError('BAD_OPTION', `${path} is not a ${kind}'s folder: it holds ${stranger}`, {
    remedy: 'Choose another folder with --out, or move this one away.',
  });
}

/** Removes the folder of a run that holds neither a checkpoint nor weights, nor what its kind keeps. */
function removeIfEmpty(path: string, { keeps }: Kind): void {
  try {
    if (readdirSync(path).some(name => name.endsWith('.safetensors'))) return;
    if (keeps !== undefined && (statSync(join(path, keeps), { throwIfNoEntry: false })?.size ?? 0) > 0)
      return;
    rmSync(path, { recursive: true, force: true });
  } catch {
    // It is gone already, or may not be removed: either way there is nothing in it to lose.
  }
}

/** @throws BAD_MODEL if a file of a run is shorter than its checkpoint knows it */
export async function requireSize(file: string, bytes: number): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (bytes <= (found?.size ?? 0)) return;
  throw new ArxivNativeError('BAD_MODEL', `${file} is not as the checkpoint left it: the run cannot go on`, {
    remedy: 'Put the file back, or discard the run and begin anew by --force without --resume.',
  });
}
