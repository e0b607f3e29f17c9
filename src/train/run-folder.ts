import { readdirSync, rmSync } from 'node:fs';
import { copyFile, link, mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { checkSavedModelPlace, savedTraining } from '../model/saved-model.js';
import type { EngineModel } from '../native.js';
import { behindLink, fileError, syncPath, writeWhole } from '../util/files.js';
import { withLock } from '../util/lock.js';
import { type Checkpoint, openCheckpoint, type TrainState, writeCheckpoint } from './checkpoint.js';
import { fingerprint, type Identity, requireSame } from './identity.js';
import type { TrainingRecord } from './types.js';

/** In a run's folder and in a saved model: what happened, a JSON line each. */
export const METRICS = 'metrics.jsonl';
const CHECKPOINT = 'checkpoint.safetensors';
/** Where the model is put together. */
const MODEL = 'model';
const LOCK = 'run';
const best = (epoch: number) => `best-${epoch}.safetensors`;

/** Every name that a run's folder can hold. */
const OURS =
  /^(run\.(lock|holder(\.part)?)|model|metrics\.jsonl|checkpoint\.safetensors(\.part)?|best-\d+\.safetensors(\.part)?)$/;

interface RunOptions {
  /** Go on where a run of the same identity was left, or begin. */
  resume: boolean;
  /** Replace a model, and without `resume` discard a run that was left. */
  force: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * A training in progress: `OUT.training`, beside the folder that the model will be. It holds the last checkpoint, the
 * weights of the best epoch and metrics.jsonl, survives a kill at any moment, and is removed once the model is
 * complete. One process at a time works on it.
 */
export class RunFolder {
  private identity: Identity = {};
  private metricsBytes = 0;
  /** How many steps the last checkpoint holds that this process wrote or goes on from. */
  private savedSteps: number | undefined;
  private bestEpoch: number | undefined;

  private constructor(
    /** The model's final folder, absolute. */
    readonly target: string,
    readonly path: string,
    private readonly options: RunOptions,
    private readonly found: Checkpoint | undefined,
  ) {}

  /**
   * Runs `work` as the only process on the run of `out`. A folder without a checkpoint is removed after.
   *
   * @param work gets a signal: that of the options, aborted as well (with an IO error as its reason) if another
   * process took the run over
   * @throws ArxivNativeError BAD_OPTION if another process works on it, a run was left there and neither to be
   * resumed nor discarded, or `out` is taken; BAD_MODEL if the checkpoint is broken; IO; what `work` throws
   */
  static async use<T>(
    out: string,
    options: RunOptions,
    work: (run: RunFolder, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const target = await behindLink(resolve(out));
    const path = `${target}.training`;
    await makeFolder(path, target);
    const onWait = () => {
      throw new ArxivNativeError('BAD_OPTION', `another process is training ${target}`, {
        remedy: 'Wait until it is done, or choose another folder with --out.',
      });
    };
    const lock = { named: true, signal: options.signal, onWait };
    return withLock(
      join(path, LOCK),
      async signal => {
        // What another process took over is its own.
        const tidy = () => void (isLost(signal) || removeIfEmpty(path));
        process.on('exit', tidy);
        try {
          return await work(await RunFolder.open(target, path, options), signal);
        } finally {
          process.off('exit', tidy);
          tidy();
        }
      },
      lock,
    );
  }

  private static async open(target: string, path: string, options: RunOptions): Promise<RunFolder> {
    const { resume, force } = options;
    const discards = force && !resume;
    const found = discards ? undefined : await openCheckpoint(join(path, CHECKPOINT));
    if (found !== undefined && !resume) {
      const at = `epoch ${found.state.history.length + 1}, step ${found.state.steps}`;
      throw new ArxivNativeError('BAD_OPTION', `${path} holds a training that did not end (${at})`, {
        remedy: 'Go on with it by --resume, or discard it and begin anew by --force.',
      });
    }
    await checkSavedModelPlace(target, { force, ...(resume && { replaces: () => true }) });
    return new RunFolder(target, path, options, found);
  }

  /** Where the model may be put together; on the same disk as its final place. */
  get place(): string {
    return join(this.path, MODEL);
  }

  /** How many steps can be gone on from; undefined if none. */
  get resumable(): number | undefined {
    return this.savedSteps;
  }

  /** The file of the best epoch's weights, if there is one. */
  get weights(): string | undefined {
    return this.bestEpoch === undefined ? undefined : join(this.path, best(this.bestEpoch));
  }

  /**
   * With `resume`, the record of this very training where its model is complete and nothing is left to do.
   *
   * @throws BAD_OPTION if the model that stands there came from another training, and is not to be replaced
   */
  async finished(identity: Identity): Promise<TrainingRecord | undefined> {
    const { resume, force } = this.options;
    const training = resume ? await savedTraining(this.target) : undefined;
    if (training === undefined) return undefined;
    if (training.fingerprint === fingerprint(identity)) {
      const complete = training.test !== undefined && this.found === undefined;
      return complete ? (training as unknown as TrainingRecord) : undefined;
    }
    if (force) return undefined;
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${this.target} exists already, from a training with other options or data`,
      { remedy: 'Choose another folder with --out, or replace this one with --force.' },
    );
  }

  /**
   * Takes up the run that was left, its metrics.jsonl cut back to the checkpoint, or begins with an empty folder.
   *
   * @returns the checkpoint to go on from
   * @throws BAD_OPTION if the run that was left is another, BAD_MODEL if a file of it is gone, IO
   */
  async begin(identity: Identity): Promise<Checkpoint | undefined> {
    if (this.found !== undefined) requireSame(this.found.identity, identity, this.path);
    this.identity = identity;
    this.metricsBytes = this.found?.metricsBytes ?? 0;
    this.savedSteps = this.found?.state.steps;
    this.bestEpoch = this.found?.state.best?.epoch;
    const metrics = join(this.path, METRICS);
    if (this.weights !== undefined) await requireSize(this.weights, 1);
    await requireSize(metrics, this.metricsBytes);
    try {
      if (this.found === undefined) await this.clear();
      else if (this.metricsBytes > 0) await truncate(metrics, this.metricsBytes);
      else await rm(metrics, { force: true });
      await this.removeStrays();
    } catch (error) {
      this.failed(error);
    }
    return this.found;
  }

  /** Keeps the model's weights as the best so far. Throws IO. */
  async saveBest(model: EngineModel, epoch: number): Promise<void> {
    await writeWhole(join(this.path, best(epoch)), part =>
      model.save(part, { optimizer: false, metadata: {} }),
    );
    this.bestEpoch = epoch;
  }

  /** Writes the checkpoint; the one before stays until it is whole. Throws IO. */
  async save(model: EngineModel, state: TrainState): Promise<void> {
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

  /** Puts the best weights (or, where no epoch has ended, the model's) and metrics.jsonl into a model's folder. */
  async give(model: EngineModel, weights: string, metrics: string): Promise<void> {
    const source = this.weights;
    if (source === undefined) await model.save(weights, { optimizer: false, metadata: {} });
    // Not every file system has links.
    else await link(source, weights).catch(() => copyFile(source, weights).catch(this.failed));
    if (this.metricsBytes > 0) await copyFile(join(this.path, METRICS), metrics).catch(this.failed);
  }

  /** The model is complete: nothing is left to be gone on from. */
  async done(): Promise<void> {
    await this.clear().catch(this.failed);
  }

  private readonly failed = (error: unknown): never => {
    throw fileError(error, `writing ${this.path}`);
  };

  /** All but the lock. The checkpoint goes first: what is left without one counts for nothing. */
  private async clear(): Promise<void> {
    await rm(join(this.path, CHECKPOINT), { force: true });
    for (const name of await readdir(this.path)) {
      if (!name.startsWith(`${LOCK}.`)) await rm(join(this.path, name), { recursive: true });
    }
    this.savedSteps = undefined;
    this.bestEpoch = undefined;
  }

  /** What a killed process was writing, and weights that are no longer the best. */
  private async removeStrays(): Promise<void> {
    for (const name of await readdir(this.path)) {
      const isStray = name.endsWith('.part') || name.startsWith('best-');
      if (isStray && join(this.path, name) !== this.weights) await rm(join(this.path, name));
    }
  }
}

/** Whether another process took over what this one was doing. */
export function isLost(signal: AbortSignal | undefined): boolean {
  return signal?.reason instanceof ArxivNativeError;
}

async function makeFolder(path: string, target: string): Promise<void> {
  let names: string[];
  try {
    await mkdir(path, { recursive: true });
    names = await readdir(path);
  } catch (error) {
    throw fileError(error, `making a folder for ${target}`);
  }
  const stranger = names.find(name => !OURS.test(name));
  if (stranger === undefined) return;
  throw new ArxivNativeError('BAD_OPTION', `${path} is not a training's folder: it holds ${stranger}`, {
    remedy: 'Choose another folder with --out, or move this one away.',
  });
}

/** Removes the folder of a run that holds neither a checkpoint nor weights. */
function removeIfEmpty(path: string): void {
  try {
    if (readdirSync(path).some(name => name.endsWith('.safetensors'))) return;
    rmSync(path, { recursive: true, force: true });
  } catch {
    // It is gone already, or may not be removed: either way there is nothing in it to lose.
  }
}

async function requireSize(file: string, bytes: number): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (bytes <= (found?.size ?? 0)) return;
  throw new ArxivNativeError('BAD_MODEL', `${file} is not as the checkpoint left it: the run cannot go on`, {
    remedy: 'Put the file back, or discard the run and begin anew by --force.',
  });
}
