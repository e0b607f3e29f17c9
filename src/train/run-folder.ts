import { existsSync } from 'node:fs';
import { copyFile, link } from 'node:fs/promises';
import { join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { checkSavedModelPlace, METRICS, savedTraining } from '../model/saved-model.js';
import type { EngineModel, TrainingPrecision } from '../native.js';
import { writeWhole } from '../util/files.js';
import type { Checkpoint, TrainState } from './checkpoint.js';
import { fingerprint, type Identity, requireSameButCopies } from './identity.js';
import { STORED_AS } from './stored-as.js';
import type { TrainingRecord } from './types.js';
import { requireSize, WorkFolder, type WorkOptions } from './work-folder.js';

interface RunOptions extends WorkOptions {
  /** The type that the model's weights are stored in. */
  saveAs: TrainingPrecision;
}

/** Where the model is put together. */
const MODEL = 'model';
const best = (epoch: number) => `best-${epoch}.safetensors`;

/** What a teacher said, and copies of the papers of a bare file. */
const MADE = /^(teacher-[0-9a-f]{16}\.bin|augmented\.jsonl?)(\.part)?$/;
const KIND = {
  name: 'training',
  holds: new RegExp(`^(model|best-\\d+\\.safetensors(\\.part)?)$|${MADE.source}`),
};

/**
 * A training in progress: `OUT.training`, beside the folder that the model will be. Beside what every such folder holds
 * there are the weights of the best epoch, and it is removed once the model is complete.
 */
export class RunFolder extends WorkFolder<TrainState> {
  private bestEpoch: number | undefined;

  private constructor(
    target: string,
    path: string,
    protected override readonly options: RunOptions,
    found: Checkpoint<TrainState> | undefined,
  ) {
    super(target, path, options, found);
  }

  /**
   * As WorkFolder's `occupy`, with what was left.
   *
   * @throws ArxivNativeError BAD_OPTION also if a run was left there and is neither to be resumed nor discarded, or
   * `out` is taken; BAD_MODEL if the checkpoint is broken
   */
  static async use<T>(
    out: string,
    options: RunOptions,
    work: (run: RunFolder, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { resume, force } = options;
    return RunFolder.occupy(out, KIND, options, async (place, signal) => {
      const where = ({ history, steps }: TrainState) => `epoch ${history.length + 1}, step ${steps}`;
      const found = await RunFolder.left(place, options, where);
      const { target, path } = place;
      await checkSavedModelPlace(target, { force, ...(resume && { replaces: () => true }) });
      return work(new RunFolder(target, path, options, found), signal);
    });
  }

  /** Where the model may be put together; on the same disk as its final place. */
  get place(): string {
    return join(this.path, MODEL);
  }

  /** The file of the best epoch's weights, if there is one. */
  get weights(): string | undefined {
    return this.bestEpoch === undefined ? undefined : join(this.path, best(this.bestEpoch));
  }

  /** Whether a run was left that got to no checkpoint, or lost it, although it is to be resumed. */
  get lacksCheckpoint(): boolean {
    return this.options.resume && this.found === undefined && existsSync(join(this.path, METRICS));
  }

  /** With `resume`, the record of the model that stands at the target, if there is one. */
  async recorded(): Promise<TrainingRecord | undefined> {
    const training = this.options.resume ? await savedTraining(this.target) : undefined;
    return training as TrainingRecord | undefined;
  }

  /**
   * With `resume`, the record of this very training where its model is complete and nothing is left to do.
   *
   * @throws BAD_OPTION if the model that stands there came from another training, and is not to be replaced
   */
  async finished(identity: Identity): Promise<TrainingRecord | undefined> {
    const training = await this.recorded();
    if (training === undefined) return undefined;
    if (training.fingerprint === fingerprint(identity)) {
      const complete = training.test !== undefined && this.found === undefined;
      return complete ? training : undefined;
    }
    if (this.options.force) return undefined;
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${this.target} exists already, from a training with other options or data`,
      { remedy: 'Choose another folder with --out, or replace this one with --force.' },
    );
  }

  /** Refuses a run that was left as another, but for the copies, which are yet to be made. Throws BAD_OPTION. */
  refuseOther(identity: Identity): void {
    if (this.found !== undefined) requireSameButCopies(this.found.identity, identity, this.path);
  }

  override async begin(identity: Identity): Promise<Checkpoint<TrainState> | undefined> {
    this.bestEpoch = this.found?.state.best?.epoch;
    if (this.weights !== undefined) await requireSize(this.weights, 1);
    return super.begin(identity);
  }

  /** Keeps the model's weights as the best so far. Throws IO. */
  async saveBest(model: EngineModel, epoch: number): Promise<void> {
    await writeWhole(join(this.path, best(epoch)), part => this.saveWeights(model, part));
    this.bestEpoch = epoch;
  }

  /** Puts the best weights (or, where no epoch has ended, the model's) and metrics.jsonl into a model's folder. */
  async give(model: EngineModel, weights: string, metrics: string): Promise<void> {
    const source = this.weights;
    if (source === undefined) await this.saveWeights(model, weights);
    // Not every file system has links.
    else await link(source, weights).catch(() => copyFile(source, weights).catch(this.failed));
    if (this.metricsBytes > 0) await copyFile(join(this.path, METRICS), metrics).catch(this.failed);
  }

  private saveWeights(model: EngineModel, file: string): Promise<void> {
    return model.save(file, { optimizer: false, metadata: {}, dtype: STORED_AS[this.options.saveAs] });
  }

  protected override async clear(beginning?: boolean): Promise<void> {
    this.bestEpoch = undefined;
    await super.clear(beginning);
  }

  protected override isKept(name: string): boolean {
    return MADE.test(name);
  }

  /** Weights that are no longer the best are in the way too. */
  protected override isStray(name: string): boolean {
    const isBest = name.startsWith('best-') && join(this.path, name) === this.weights;
    return super.isStray(name) || (name.startsWith('best-') && !isBest);
  }
}
