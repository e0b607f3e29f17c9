import { cleanText } from '../data/paper.js';
import { ArxivNativeError } from '../errors.js';
import { ask } from '../evaluate/blend.js';
import { decide } from '../evaluate/decide.js';
import { probabilitiesOf } from '../evaluate/metrics.js';
import { withThresholds } from '../model/decision.js';
import { checkPlacement, type PlacementOptions, placeSavedModel } from '../model/load.js';
import { openSavedModel, type SavedModel } from '../model/saved-model.js';
import { DEFAULT_MODEL } from '../model/shipped.js';
import type { EngineModel, Precision } from '../native.js';
import { type Lengths, packPapers } from '../text/pack.js';
import { cancelFlag, orCancelled, throwIfCancelled } from '../util/cancel.js';
import { checkOptions, type OptionTypes, show } from '../util/options.js';
import { Batcher } from './batcher.js';

/** What a prediction is made from. One of the two texts may be empty. */
export interface PaperText {
  title: string;
  abstract: string;
  /** Comes back with the prediction. */
  id?: string;
}

export interface Prediction {
  /** The paper's, where it had one. */
  id?: string;
  /** The most probable category, unless thresholds choose another. */
  category: string;
  /**
   * One probability a category; they sum to 1. In the order of `Predictor.labels`, but for labels that are whole
   * numbers ("0", "10"): JavaScript puts those first, smallest first.
   */
  probabilities: Record<string, number>;
}

export interface LoadOptions extends PlacementOptions {
  /** Most papers that go through the engine at once; by default 64, fewer if the model reads long texts. */
  batchSize?: number;
  /**
   * Between 0 and 1, by class, in place of the model's own: of the classes whose probability reaches their threshold the
   * most probable is the category, and where none does, or none has one, the most probable of all.
   */
  thresholds?: Readonly<Record<string, number>>;
}

export interface PredictOptions {
  /**
   * Makes the call reject with code CANCELLED. The work stops between two layers of a batch, unless others share the
   * batch: then it is finished for them.
   */
  signal?: AbortSignal;
}

const LOAD_OPTIONS: OptionTypes<LoadOptions> = {
  device: 'string',
  precision: 'string',
  threads: 'number',
  batchSize: 'number',
  thresholds: 'any',
};

const DOING = 'predicting';

const LARGEST_BATCH = 64;

/** Bounds the engine's memory: with 3,072 wide layers in float32 this many tokens take about 200 MB. */
const TOKENS_AT_ONCE = 16_384;

/**
 * A trained model, ready to classify. Loading takes the time to read its folder; one predictor serves any number
 * of callers. Errors are ArxivNativeErrors: BAD_MODEL for the folder, BAD_INPUT for a paper, UNSUPPORTED for a
 * device or precision that is not there.
 */
export class Predictor {
  /** The categories that the model tells apart. */
  readonly labels: readonly string[];
  /** Where it runs, e.g. `cpu` or `cuda:0`. */
  readonly device: string;
  /** What it computes in. */
  readonly precision: Precision;
  /** Most papers that go through the engine at once. */
  readonly batchSize: number;
  readonly #model: EngineModel;
  readonly #saved: SavedModel;
  readonly #batcher: Batcher<PaperText, Prediction>;
  readonly #running = new Set<Promise<unknown>>();
  #disposal: Promise<void> | undefined;

  private constructor(
    saved: SavedModel,
    model: EngineModel,
    device: string,
    precision: Precision,
    batchSize: number,
  ) {
    this.labels = Object.freeze([...saved.labels]);
    this.device = device;
    this.precision = precision;
    this.batchSize = batchSize;
    this.#saved = saved;
    this.#model = model;
    this.#batcher = new Batcher(papers => this.#compute(papers, new Uint8Array(1)), batchSize);
  }

  /** Opens the folder that `train` wrote; the classifier that comes with the package, if none is named. */
  static async load(folder: string = DEFAULT_MODEL, options: LoadOptions = {}): Promise<Predictor> {
    checkOptions(options, LOAD_OPTIONS, 'Predictor.load');
    if (typeof folder !== 'string' || folder === '') {
      throw new ArxivNativeError(
        'BAD_OPTION',
        `Predictor.load needs the path of a model folder, not ${show(folder)}`,
        {
          remedy:
            'Name the folder that training wrote; arxiv-classifier, or none, is the one that comes with the package.',
        },
      );
    }
    const { device, precision, threads } = options;
    if (options.batchSize !== undefined) positiveInteger('batchSize', options.batchSize);
    checkPlacement({ threads });
    const opened = await openSavedModel(folder);
    const decision =
      options.thresholds === undefined
        ? opened.thresholds
        : withThresholds(opened.thresholds, options.thresholds, opened.labels, 'Predictor.load');
    const saved = { ...opened, thresholds: decision };
    const loaded = await placeSavedModel(saved, { device, precision, threads });
    const batchSize = options.batchSize ?? defaultBatchSize(saved.lengths);
    return new Predictor(saved, loaded.model, loaded.device, loaded.precision, batchSize);
  }

  /** Classifies one paper. Calls that run at the same time share a batch. */
  async predict(paper: PaperText, { signal }: PredictOptions = {}): Promise<Prediction> {
    throwIfCancelled(signal, DOING);
    const answer = this.#batcher.add(checked(paper, 'the paper'));
    return signal === undefined ? answer : orCancelled(answer, signal, DOING);
  }

  /** Classifies papers of any number, in their order. */
  async predictBatch(papers: Iterable<PaperText>, options: PredictOptions = {}): Promise<Prediction[]> {
    const predictions: Prediction[] = [];
    if (!isIterable(papers, Symbol.iterator)) throw notPapers(papers);
    for await (const prediction of this.predictStream([...papers], options)) predictions.push(prediction);
    return predictions;
  }

  /**
   * Classifies papers as they come, in their order, and holds no more than two batches of them. Those before one that
   * is bad are answered first. The next batch is
   * tokenized while the engine works on the one before it.
   */
  async *predictStream(
    papers: Iterable<PaperText> | AsyncIterable<PaperText>,
    { signal }: PredictOptions = {},
  ): AsyncGenerator<Prediction, void, undefined> {
    throwIfCancelled(signal, DOING);
    if (!isIterable(papers, Symbol.iterator, Symbol.asyncIterator)) throw notPapers(papers);
    const cancel = cancelFlag(signal);
    let failure: { error: unknown } | undefined;
    const keep = (error: unknown) => {
      failure = { error };
    };
    let running: Promise<Prediction[]> | undefined;
    try {
      for await (const batch of batches(papers, this.batchSize, keep)) {
        throwIfCancelled(signal, DOING);
        const next = this.#compute(batch, cancel.flag);
        // Taken up after the batch before it has been; until then a failure must not count as unhandled.
        next.catch(() => {});
        if (running) yield* await running;
        running = next;
      }
      if (running) yield* await running;
      running = undefined;
      throwIfCancelled(signal, DOING);
      if (failure) throw failure.error;
    } catch (error) {
      throwIfCancelled(signal, DOING);
      throw error;
    } finally {
      if (running) cancel.flag[0] = 1;
      cancel.release();
    }
  }

  /**
   * Frees the model. Batches that the engine already has are finished; what waits behind them, and every later
   * call, rejects with code CANCELLED. Resolves when the memory is free; calling it again does no harm.
   */
  dispose(): Promise<void> {
    this.#disposal ??= Promise.allSettled(this.#running).then(() => this.#model.dispose());
    return this.#disposal;
  }

  async #compute(papers: PaperText[], cancel: Uint8Array): Promise<Prediction[]> {
    if (this.#disposal) {
      throw new ArxivNativeError('CANCELLED', 'this predictor was disposed', {
        remedy: 'Load another with Predictor.load.',
      });
    }
    const { tokenizer, lengths, words } = this.#saved;
    const batch = packPapers(tokenizer, papers, lengths);
    const job = ask({ model: this.#model, words }, batch, papers, cancel);
    this.#running.add(job);
    try {
      return this.#predictions(papers, await job);
    } finally {
      this.#running.delete(job);
    }
  }

  #predictions(papers: PaperText[], logits: Float32Array): Prediction[] {
    const classes = this.labels.length;
    const { thresholds } = this.#saved;
    const probabilities = probabilitiesOf(logits, classes, thresholds.temperature);
    const chosen = decide(probabilities, this.labels, thresholds);
    return papers.map(({ id }, i) => ({
      ...(id === undefined ? {} : { id }),
      category: this.labels[chosen[i]!]!,
      probabilities: Object.fromEntries(
        this.labels.map((label, k) => [label, probabilities[i * classes + k]!]),
      ),
    }));
  }
}

/** Batches until the papers end or fail: what is whole before a failure, which `onFailure` gets, is still a batch. */
async function* batches(
  papers: Iterable<PaperText> | AsyncIterable<PaperText>,
  size: number,
  onFailure: (error: unknown) => void,
): AsyncGenerator<PaperText[]> {
  let batch: PaperText[] = [];
  let position = 0;
  try {
    for await (const paper of papers) {
      batch.push(checked(paper, `paper ${++position}`));
      if (batch.length < size) continue;
      yield batch;
      batch = [];
    }
  } catch (error) {
    onFailure(error);
  }
  if (batch.length > 0) yield batch;
}

/** The paper with its texts cleaned as those of a data file are, so that it is read as in training. */
function checked(paper: PaperText, which: string): PaperText {
  const text = (field: 'title' | 'abstract'): string => {
    const value: unknown = paper?.[field];
    if (typeof value === 'string') return cleanText(value);
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${which} needs a string as its ${field}; it has ${value == null ? 'none' : `a value of type ${typeof value}`}`,
      { remedy: `Pass { title, abstract }; '' stands for the one that is missing.` },
    );
  };
  const title = text('title');
  const abstract = text('abstract');
  if (title === '' && abstract === '') {
    throw new ArxivNativeError('BAD_INPUT', `${which} has neither a title nor an abstract`, {
      remedy: 'Give at least one of them.',
    });
  }
  return { ...(paper.id === undefined ? {} : { id: paper.id }), title, abstract };
}

function isIterable(value: unknown, ...ways: symbol[]): boolean {
  return value !== null && typeof value === 'object' && ways.some(way => way in value);
}

function notPapers(value: unknown): ArxivNativeError {
  return new ArxivNativeError(
    'BAD_INPUT',
    `expected an array of papers, or another iterable, not ${show(value)}`,
  );
}

function defaultBatchSize(lengths: Lengths): number {
  const tokens = 'joined' in lengths ? lengths.joined : lengths.title + lengths.abstract;
  return Math.max(1, Math.min(LARGEST_BATCH, Math.floor(TOKENS_AT_ONCE / tokens)));
}

function positiveInteger(option: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw new ArxivNativeError('BAD_OPTION', `${option} must be a whole number above 0, not ${value}`);
}
