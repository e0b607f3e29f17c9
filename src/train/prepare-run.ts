import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { hasCopies } from '../data/copies.js';
import { type Dataset, type Example, loadDataset } from '../data/dataset.js';
import { resolveDevice } from '../engine.js';
import { ArxivNativeError } from '../errors.js';
import type { HeadShape, ModelOptions, NativeAddon } from '../native.js';
import { DEFAULT_SEED } from '../util/random.js';
import { countByLabel, type TrainedCopies, wantsCopies } from './copies.js';
import { DEFAULT_RECIPE } from './default-recipe.js';
import { checkLesson, type Lesson, prepareLesson } from './distill/lesson.js';
import { fingerprint, type Identity, identify, withCopies } from './identity.js';
import {
  classWeights,
  headShape,
  prepareEncoder,
  refuseStrangeClasses,
  type StartingEncoder,
  trainingShape,
} from './plan.js';
import type { Recipe } from './recipe.js';
import { makeSchedule } from './schedule.js';
import { DEFAULT_SAVE_AS } from './stored-as.js';
import type { TrainHooks, TrainOptions, TrainPlan } from './types.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** All that a training begins with, but for copies of its papers. */
export interface Start {
  recipe: Recipe;
  data: Dataset;
  encoder: StartingEncoder;
  head: HeadShape;
  /** What a teacher has to say, if there is one. */
  lesson: Lesson | undefined;
  /** Without copies. */
  identity: Identity;
  terms: Pick<
    TrainPlan,
    | 'recipe'
    | 'device'
    | 'precision'
    | 'saveAs'
    | 'threads'
    | 'seed'
    | 'deterministic'
    | 'microBatch'
    | 'versions'
  >;
  splitSeed: number;
}

/** A training, ready for its first step. */
export interface Run extends Pick<Start, 'recipe' | 'data' | 'encoder' | 'lesson'> {
  plan: Omit<TrainPlan, 'parameters'>;
  identity: Identity;
  /**
   * What the encoder trains on: the training papers, then what is no part of the data: copies of them, and papers that
   * only a teacher labels.
   */
  examples: readonly Example[];
  options: ModelOptions & { head: HeadShape };
}

/**
 * Reads the data, and opens the encoder and the teacher: all that may turn out unfit, before copies are made, which
 * takes long.
 *
 * @throws ArxivNativeError as `train` does
 */
export async function openStart(
  options: TrainOptions,
  recipe: Recipe,
  addon: NativeAddon,
  { onProgress, signal }: TrainHooks,
): Promise<Start> {
  const seed = options.seed ?? DEFAULT_SEED;
  const splitSeed = options.splitSeed ?? seed;
  const threads = options.threads ?? availableParallelism();
  const deterministic = options.deterministic ?? false;
  const { device, precision } = resolveDevice(options.device ?? 'auto', options.precision ?? 'auto', addon);
  const { labelColumn } = options;
  const data = await loadDataset(
    options.data,
    { seed: splitSeed, labelColumn, copies: wantsCopies(recipe, options) },
    { signal, onProgress: progress => onProgress?.({ type: 'reading', ...progress }) },
  );
  throwIfAborted({ signal });
  // Before anything that takes time: the encoder may have to be fetched.
  refuseStrangeClasses(recipe.classWeights, data.labels);
  if (options.distillation) checkLesson(options.distillation);
  const encoder = await prepareEncoder(recipe, data.train, {
    ...(options.offline !== undefined && { offline: options.offline }),
    ...(options.revision !== undefined && { revision: options.revision }),
    ...(signal && { signal }),
    onProgress: download => onProgress?.({ type: 'download', ...download }),
  });
  const head = headShape(recipe, data.labels.length, encoder.shape);
  const lesson =
    options.distillation && (await prepareLesson(options.distillation, data, { signal, onProgress }));
  const microBatch = Math.min(options.microBatch ?? recipe.batchSize, recipe.batchSize);
  const versions = { package: version, libtorch: addon.libtorchVersion, node: process.versions.node };
  const name = recipeName(options);
  const terms = {
    recipe: { name, resolved: recipe },
    device,
    precision,
    saveAs: options.saveAs ?? DEFAULT_SAVE_AS,
    threads,
    seed,
    deterministic,
    microBatch,
    versions,
  };
  const auto = options.batchSize === 'auto' && options.microBatch === undefined;
  const identity = await identify(terms, data.fingerprint, encoder, auto ? 'auto' : microBatch, lesson);
  return { recipe, data, encoder, head, lesson, identity, terms, splitSeed };
}

/** Settles all that decides a training. */
export function planRun(start: Start, copies: TrainedCopies | undefined): Run {
  const { recipe, data, encoder, head, lesson, terms, splitSeed } = start;
  const { device, precision, threads, seed, deterministic } = terms;
  const { train, validation, test, duplicates, withdrawn, empty, childrenKept, childrenDropped } =
    data.counts;
  const copied = countByLabel(copies?.examples ?? [], data.labels.length);
  const weights = classWeights(
    recipe.classWeights,
    data.labels,
    train.map((papers, k) => papers + copied[k]!),
  );
  const { shape } = encoder;
  const examples = [...data.train, ...(copies?.examples ?? []), ...(lesson?.unlabelled ?? [])];
  const training = trainingShape(recipe, shape, weights);
  if (lesson) {
    training.distillation = { temperature: lesson.temperature, teacherWeight: lesson.teacherWeight };
  }
  const identity = withCopies(start.identity, copies?.facts.fingerprint);
  const plan: Run['plan'] = {
    fingerprint: fingerprint(identity),
    recipe: terms.recipe,
    encoder: {
      id: encoder.id,
      ...(encoder.revision !== undefined && { revision: encoder.revision }),
      random: encoder.random,
      layers: shape.layers,
      hiddenSize: shape.hiddenSize,
    },
    frozenLayers: training.frozenLayers,
    data: {
      source: data.source,
      splitSeed,
      fingerprint: data.fingerprint,
      labels: data.labels,
      rule: data.rule,
      duplicates,
      withdrawn,
      empty,
      ...(childrenKept + childrenDropped > 0 && {
        synthetic: { train: childrenKept, leftOut: childrenDropped },
      }),
      leaks: data.leaks,
      splits: { train, validation, test },
      ...(copies && { copies: { papers: copied, ...copies.facts } }),
      ...(!copies && hasCopies(data.source) && { copiesLeftOut: true }),
    },
    device,
    precision,
    saveAs: terms.saveAs,
    threads,
    seed,
    deterministic,
    microBatch: terms.microBatch,
    schedule: makeSchedule(Math.ceil(examples.length / recipe.batchSize), recipe.epochs, recipe.warmup),
    classWeights: weights,
    ...(lesson && { distillation: describeLesson(lesson) }),
    versions: terms.versions,
  };
  const options = {
    encoder: shape,
    head,
    training,
    device,
    precision,
    threads,
    seed,
    deterministic,
    weights: encoder.tensors,
    mayInitialize: [encoder.random ? '' : 'head.'],
  };
  return { plan, identity, recipe, data, examples, encoder, options, lesson };
}

function describeLesson({ teacher, temperature, teacherWeight, unlabelled, sameData }: Lesson) {
  return { teacher: basename(teacher), temperature, teacherWeight, unlabelled: unlabelled.length, sameData };
}

export function recipeName({ recipe = DEFAULT_RECIPE }: TrainOptions): string {
  return typeof recipe === 'string' ? basename(recipe, '.json') : 'custom';
}

export function throwIfAborted({ signal }: TrainHooks): void {
  if (signal?.aborted)
    throw new ArxivNativeError('CANCELLED', 'stopped before training began; nothing was saved');
}
