import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { hasCopies } from '../data/copies.js';
import { type Dataset, type Example, loadDataset } from '../data/dataset.js';
import { resolveDevice } from '../engine.js';
import { ArxivNativeError } from '../errors.js';
import type { HeadShape, ModelOptions, NativeAddon } from '../native.js';
import { copiesFor, countByLabel, wantsCopies } from './copies.js';
import { type Lesson, prepareLesson } from './distill/lesson.js';
import { fingerprint, type Identity, identify } from './identity.js';
import {
  classWeights,
  headShape,
  prepareEncoder,
  refuseStrangeClasses,
  type StartingEncoder,
  trainingShape,
} from './plan.js';
import { DEFAULT_RECIPE, type Recipe } from './recipe.js';
import { makeSchedule } from './schedule.js';
import type { TrainHooks, TrainOptions, TrainPlan } from './types.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

export const DEFAULT_SEED = 42;

/** A training, ready for its first step. */
export interface Run {
  plan: Omit<TrainPlan, 'parameters'>;
  identity: Identity;
  recipe: Recipe;
  data: Dataset;
  /**
   * What the encoder trains on: the training papers, then what is no part of the data: copies of them, and papers that
   * only a teacher labels.
   */
  examples: readonly Example[];
  encoder: StartingEncoder;
  options: ClassifierOptions;
  /** What a teacher has to say, if there is one. */
  lesson: Lesson | undefined;
}

type ClassifierOptions = ModelOptions & { head: HeadShape };

/**
 * Reads the data, opens the encoder and settles all that decides a training.
 *
 * @throws ArxivNativeError as `train` does
 */
export async function prepareRun(
  options: TrainOptions,
  recipe: Recipe,
  addon: NativeAddon,
  { onProgress, signal }: TrainHooks,
): Promise<Run> {
  const seed = options.seed ?? DEFAULT_SEED;
  const threads = options.threads ?? availableParallelism();
  const deterministic = options.deterministic ?? false;
  const { device, precision } = resolveDevice(options.device ?? 'auto', options.precision ?? 'auto', addon);
  const { labelColumn } = options;
  const data = await loadDataset(
    options.data,
    { seed: options.splitSeed ?? seed, labelColumn, copies: wantsCopies(recipe, options) },
    { signal, onProgress: progress => onProgress?.({ type: 'reading', ...progress }) },
  );
  throwIfAborted({ signal });
  const { train, validation, test, duplicates, withdrawn, empty } = data.counts;
  // Before anything that takes time: the copies, and the encoder, which may have to be fetched.
  refuseStrangeClasses(recipe.classWeights, data.labels);
  const copies = await copiesFor(data, recipe, options, { signal, onProgress });
  const copied = countByLabel(copies?.examples ?? [], data.labels.length);
  const weights = classWeights(
    recipe.classWeights,
    data.labels,
    train.map((papers, k) => papers + copied[k]!),
  );
  const encoder = await prepareEncoder(recipe, data.train, {
    ...(options.offline !== undefined && { offline: options.offline }),
    ...(options.revision !== undefined && { revision: options.revision }),
    ...(signal && { signal }),
    onProgress: download => onProgress?.({ type: 'download', ...download }),
  });
  const { shape } = encoder;
  const lesson =
    options.distillation && (await prepareLesson(options.distillation, data, { signal, onProgress }));
  const examples = [...data.train, ...(copies?.examples ?? []), ...(lesson?.unlabelled ?? [])];
  const training = trainingShape(recipe, shape, weights);
  if (lesson) {
    training.distillation = { temperature: lesson.temperature, teacherWeight: lesson.teacherWeight };
  }
  const plan: Omit<Run['plan'], 'fingerprint'> = {
    recipe: { name: recipeName(options), resolved: recipe },
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
      splitSeed: options.splitSeed ?? seed,
      fingerprint: data.fingerprint,
      labels: data.labels,
      rule: data.rule,
      duplicates,
      withdrawn,
      empty,
      leaks: data.leaks,
      splits: { train, validation, test },
      ...(copies && { copies: { papers: copied, ...copies.facts } }),
      ...(!copies && hasCopies(data.source) && { copiesLeftOut: true }),
    },
    device,
    precision,
    threads,
    seed,
    deterministic,
    microBatch: Math.min(options.microBatch ?? recipe.batchSize, recipe.batchSize),
    schedule: makeSchedule(Math.ceil(examples.length / recipe.batchSize), recipe.epochs, recipe.warmup),
    classWeights: weights,
    ...(lesson && { distillation: describeLesson(lesson) }),
    versions: { package: version, libtorch: addon.libtorchVersion, node: process.versions.node },
  };
  const modelOptions: ClassifierOptions = {
    encoder: shape,
    head: headShape(recipe, data.labels.length, shape),
    training,
    device,
    precision,
    threads,
    seed,
    deterministic,
    weights: encoder.tensors,
    mayInitialize: [encoder.random ? '' : 'head.'],
  };
  const auto = options.batchSize === 'auto' && options.microBatch === undefined;
  const identity = await identify(plan, encoder, auto ? 'auto' : plan.microBatch, lesson);
  return {
    plan: { fingerprint: fingerprint(identity), ...plan },
    identity,
    recipe,
    data,
    examples,
    encoder,
    options: modelOptions,
    lesson,
  };
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
