import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { type Dataset, loadDataset } from '../data/dataset.js';
import { SPLITS } from '../data/paper.js';
import { loadEngine, resolveDevice } from '../engine.js';
import { ArxivNativeError } from '../errors.js';
import { commitSavedModel, stageSavedModel, WEIGHTS } from '../model/saved-model.js';
import { openTensors } from '../model/tensor-file.js';
import type { EngineModel, ModelOptions, NativeAddon } from '../native.js';
import { isCancelled } from '../util/cancel.js';
import type { StagedFolder } from '../util/files.js';
import { checkOutput } from '../util/output.js';
import { TokenizedExamples } from './batches.js';
import { afterwards, giveUp } from './failure.js';
import { countParameters, requireWeightSpace } from './limits.js';
import { type LoopResult, runEpochs } from './loop.js';
import { modelCard } from './model-card.js';
import { checkTrainOptions } from './options.js';
import { classWeights, headShape, prepareEncoder, type StartingEncoder, trainingShape } from './plan.js';
import { writePredictions } from './predictions.js';
import { DEFAULT_RECIPE, loadRecipe, type Recipe } from './recipe.js';
import { makeSchedule } from './schedule.js';
import { type Score, score } from './score.js';
import type { TrainHooks, TrainingRecord, TrainOptions, TrainPlan, TrainResult } from './types.js';

export type * from './types.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const DEFAULT_SEED = 42;

/** A training run, ready for its first step. */
interface Run {
  plan: Omit<TrainPlan, 'parameters'>;
  recipe: Recipe;
  data: Dataset;
  encoder: StartingEncoder;
  options: ModelOptions;
}

interface Outcome {
  training: TrainingRecord;
  /** Of the test papers; undefined if training or the test itself was interrupted. */
  test: Score | undefined;
}

/**
 * Trains a classifier and writes it as a saved-model folder, which appears once complete. When the signal comes
 * after the first step, what was learned is still saved: with `training.interrupted` set, or, where only the test was
 * left, without `training.test`.
 *
 * @throws ArxivNativeError BAD_OPTION (options, recipe), BAD_INPUT (data), BAD_MODEL and NETWORK (encoder), IO,
 * UNSUPPORTED (device, precision), OUT_OF_MEMORY, NON_FINITE, CANCELLED (before the first step), LIBTORCH, ADDON
 */
export async function train(options: TrainOptions, hooks: TrainHooks = {}): Promise<TrainResult> {
  checkTrainOptions(options);
  const { recipe: from = DEFAULT_RECIPE, savePredictions, force = false } = options;
  const recipe = loadRecipe(from, options);
  if (savePredictions !== undefined) {
    const inputs = [options.data, ...SPLITS.map(part => join(options.data, `${part}.jsonl`))];
    await checkOutput(savePredictions, { force, inputs });
  }
  const staged = await stageSavedModel(options.out ?? join('runs', recipeName(options)), { force });
  try {
    const addon = loadEngine();
    const run = await prepare(options, recipe, addon, hooks);
    throwIfAborted(hooks);
    const { training, test } = await runOnce(run, await addon.createModel(run.options), staged, hooks);
    await commit(run, training, staged);
    if (savePredictions !== undefined && test !== undefined) {
      await writePredictions(savePredictions, run.data, test.probabilities, { force }).catch(error => {
        throw afterwards(error, staged.target);
      });
    }
    return { folder: staged.target, training };
  } catch (error) {
    throw await giveUp(error, staged, recipe);
  }
}

async function runOnce(
  run: Run,
  model: EngineModel,
  staged: StagedFolder,
  hooks: TrainHooks,
): Promise<Outcome> {
  try {
    const plan: TrainPlan = { ...run.plan, parameters: countParameters(model) };
    await requireWeightSpace(plan.parameters.total, staged);
    hooks.onProgress?.({ type: 'plan', plan });
    return await learn(run, plan, model, staged, hooks);
  } finally {
    model.dispose();
  }
}

async function prepare(
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
    { seed, labelColumn },
    { signal, onProgress: progress => onProgress?.({ type: 'reading', ...progress }) },
  );
  throwIfAborted({ signal });
  const { train, validation, test, duplicates, withdrawn, empty } = data.counts;
  // Before the encoder, which may have to be fetched.
  const weights = classWeights(recipe.classWeights, data.labels, train);
  const encoder = await prepareEncoder(recipe, data.train, {
    ...(options.offline !== undefined && { offline: options.offline }),
    ...(options.revision !== undefined && { revision: options.revision }),
    ...(signal && { signal }),
    onProgress: download => onProgress?.({ type: 'download', ...download }),
  });
  const { shape } = encoder;
  const training = trainingShape(recipe, shape, weights);
  const plan: Run['plan'] = {
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
      fingerprint: data.fingerprint,
      labels: data.labels,
      rule: data.rule,
      duplicates,
      withdrawn,
      empty,
      leaks: data.leaks,
      splits: { train, validation, test },
    },
    device,
    precision,
    threads,
    seed,
    deterministic,
    microBatch: Math.min(options.microBatch ?? recipe.batchSize, recipe.batchSize),
    schedule: makeSchedule(Math.ceil(data.train.length / recipe.batchSize), recipe.epochs, recipe.warmup),
    classWeights: weights,
    versions: { package: version, libtorch: addon.libtorchVersion, node: process.versions.node },
  };
  const modelOptions: ModelOptions = {
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
  return { plan, recipe, data, encoder, options: modelOptions };
}

async function learn(
  { recipe, data, encoder }: Run,
  plan: TrainPlan,
  model: EngineModel,
  staged: StagedFolder,
  hooks: TrainHooks,
): Promise<Outcome> {
  const weightsFile = join(staged.path, WEIGHTS);
  const tokenized = (split: 'train' | 'validation' | 'test') =>
    new TokenizedExamples(encoder.tokenizer, data[split], recipe.lengths);
  const loop = await runEpochs(
    {
      model,
      train: tokenized('train'),
      validation: tokenized('validation'),
      labels: data.labels,
      epochs: recipe.epochs,
      patience: recipe.patience,
      batchSize: recipe.batchSize,
      microBatch: plan.microBatch,
      schedule: plan.schedule,
      seed: plan.seed,
      weightsFile,
    },
    hooks,
  );
  const test = loop.interrupted
    ? undefined
    : await scoreTest(model, tokenized('test'), data, loop, weightsFile, hooks);
  const training: TrainingRecord = {
    ...plan,
    interrupted: loop.interrupted,
    history: loop.history,
    bestEpoch: loop.best?.epoch ?? 0,
    validation: loop.best?.validation,
    test: test?.metrics,
    trainingSeconds: loop.history.reduce((sum, { seconds }) => sum + seconds, 0),
    secondsPerStep: median(loop.stepSeconds),
    // libuv gives kilobytes on every system.
    peakMemory: process.resourceUsage().maxRSS * 1024,
    finishedAt: new Date().toISOString(),
  };
  return { training, test };
}

/** The test papers are looked at once, with the weights that are kept. */
async function scoreTest(
  model: EngineModel,
  papers: TokenizedExamples,
  data: Dataset,
  loop: LoopResult,
  weightsFile: string,
  { onProgress, signal }: TrainHooks,
): Promise<Score | undefined> {
  if (loop.best?.epoch !== loop.history.length) await model.load(await openTensors(weightsFile));
  try {
    return await score(model, papers, data.labels, {
      signal,
      onProgress: done => onProgress?.({ type: 'evaluation', split: 'test', done, total: papers.length }),
    });
  } catch (error) {
    if (isCancelled(error)) return undefined;
    throw error;
  }
}

async function commit(
  { data, encoder, options, recipe }: Run,
  training: TrainingRecord,
  staged: StagedFolder,
): Promise<void> {
  const parts = {
    labels: data.labels,
    encoder: encoder.shape,
    head: options.head,
    lengths: recipe.lengths,
    thresholds: { method: 'argmax' as const },
    tokenizer: encoder.tokenizer,
    training,
  };
  await commitSavedModel(staged, parts, modelCard(training));
}

function recipeName({ recipe = DEFAULT_RECIPE }: TrainOptions): string {
  return typeof recipe === 'string' ? basename(recipe, '.json') : 'custom';
}

function throwIfAborted({ signal }: TrainHooks): void {
  if (signal?.aborted)
    throw new ArxivNativeError('CANCELLED', 'stopped before training began; nothing was saved');
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
