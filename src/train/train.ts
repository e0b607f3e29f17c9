import { isAbsolute, join, relative, resolve } from 'node:path';
import { writeCopies } from '../data/copies.js';
import type { Dataset, Example } from '../data/dataset.js';
import type { Split } from '../data/paper.js';
import { filesOf } from '../data/prepared-folder.js';
import { loadEngine } from '../engine.js';
import { ArxivNativeError } from '../errors.js';
import type { BlendedModel } from '../evaluate/blend.js';
import { writePredictions } from '../evaluate/predictions.js';
import { type Score, score } from '../evaluate/score.js';
import { TokenizedExamples } from '../evaluate/tokenized-examples.js';
import { commitSavedModel, METRICS, stageSavedModel, WEIGHTS } from '../model/saved-model.js';
import { openTensors } from '../model/tensor-file.js';
import type { Words } from '../model/words.js';
import type { EngineModel } from '../native.js';
import { isCancelled } from '../util/cancel.js';
import type { StagedFolder } from '../util/files.js';
import { checkOutput } from '../util/output.js';
import { seededOrder } from '../util/random.js';
import { type Checkpoint, newState, type TrainState } from './checkpoint.js';
import { copiesFor, copiesToMake, toldCopies } from './copies.js';
import { DEFAULT_RECIPE } from './default-recipe.js';
import { TaughtExamples, teach } from './distill/lesson.js';
import { afterwards, giveUp } from './failure.js';
import { type Identity, withCopies } from './identity.js';
import { bytesPerPaper, countParameters, fittingMicroBatch, requireRunSpace } from './limits.js';
import { runEpochs, totalSeconds } from './loop.js';
import { modelCard } from './model-card.js';
import { checkTrainOptions } from './options.js';
import { openStart, planRun, type Run, recipeName, throwIfAborted } from './prepare-run.js';
import { loadRecipe, type Recipe } from './recipe.js';
import { RunFolder } from './run-folder.js';
import { DEFAULT_SAVE_AS } from './stored-as.js';
import type { TrainHooks, TrainingRecord, TrainOptions, TrainPlan, TrainResult } from './types.js';
import { learnWords, type TrainedWords, wordsAlone, wordsRecord } from './words.js';

export type * from './types.js';

const DEFAULT_LOG_EVERY = 50;

interface Outcome {
  training: TrainingRecord;
  words: Words | undefined;
  /** Of the test papers; undefined if training or the test itself was interrupted. */
  test: Score | undefined;
}

/**
 * Trains a classifier and writes it as a saved-model folder, which appears once complete. Until then the training lives
 * in `OUT.training`, from which `resume` goes on: bit for bit on a CPU, whatever ended the process. When the signal
 * comes after the first step, what was learned is still saved: with `training.interrupted` set, or, where only the test
 * was left, without `training.test`.
 *
 * @throws ArxivNativeError BAD_OPTION (options, recipe, another training in the folder), BAD_INPUT (data), BAD_MODEL and
 * NETWORK (encoder), IO, UNSUPPORTED (device, precision), OUT_OF_MEMORY, NON_FINITE, CANCELLED (before the first step),
 * LIBTORCH, ADDON
 */
export async function train(options: TrainOptions, hooks: TrainHooks = {}): Promise<TrainResult> {
  checkTrainOptions(options);
  const {
    recipe: from = DEFAULT_RECIPE,
    batchSize,
    savePredictions,
    force = false,
    resume = false,
    saveAs = DEFAULT_SAVE_AS,
  } = options;
  const recipe = loadRecipe(from, { ...options, batchSize: batchSize === 'auto' ? undefined : batchSize });
  if (savePredictions !== undefined) {
    await checkOutput(savePredictions, { force, inputs: filesOf(options.data) });
  }
  const out = options.out ?? defaultFolder(options);
  return RunFolder.use(out, { force, resume, saveAs, signal: hooks.signal }, async (folder, signal) => {
    try {
      return await trainIn(folder, options, recipe, { ...hooks, signal });
    } catch (error) {
      throw giveUp(error, folder, recipe);
    }
  });
}

async function trainIn(
  folder: RunFolder,
  options: TrainOptions,
  recipe: Recipe,
  hooks: TrainHooks,
): Promise<TrainResult> {
  const { savePredictions, force = false } = options;
  const addon = loadEngine();
  const start = await openStart(options, recipe, addon, hooks);
  throwIfAborted(hooks);
  const finished = async (identity: Identity): Promise<TrainResult | undefined> => {
    const training = await folder.finished(identity);
    if (training === undefined) return undefined;
    if (savePredictions !== undefined) throw testedBefore(folder.target);
    return { folder: folder.target, training };
  };
  const wanted = copiesToMake(start.data, recipe, options);
  if (wanted !== undefined) {
    // A training that is complete says itself which copies it learned from: they are not made to find it so.
    const told = toldCopies(await folder.recorded(), start.data, wanted);
    const result = told && (await finished(withCopies(start.identity, told)));
    if (result) return result;
    folder.refuseOther(start.identity);
  }
  const copies = await copiesFor(start.data, wanted, options, folder.path, hooks);
  const run = planRun(start, copies);
  throwIfAborted(hooks);
  const result = await finished(run.identity);
  if (result !== undefined) return result;
  if (folder.lacksCheckpoint) hooks.onProgress?.({ type: 'anew', folder: folder.path });
  const checkpoint = await folder.begin(run.identity);
  // What goes on from here must not depend on the translator being there, and saying the same.
  if (copies?.made) await writeCopies(folder.path, copies.made.papers, copies.made.record);
  const staged = await stageSavedModel(folder.target, {
    force,
    replaces: training => training.fingerprint === run.plan.fingerprint,
    place: folder.place,
  });
  try {
    const { lesson, examples, data, options: placement } = run;
    const teacher = lesson && (await teach(lesson, examples, data.labels, folder.path, placement, hooks));
    const model = await addon.createModel(run.options);
    const place = { folder, staged, checkpoint, teacher };
    const { training, test } = await runOnce(run, model, place, options, hooks);
    if (training.test === undefined) return { folder: staged.target, training, unfinished: folder.path };
    await folder.done();
    if (savePredictions !== undefined && test !== undefined) {
      const { data } = run;
      const answers = { examples: data.test, labels: data.labels, probabilities: test.probabilities };
      await writePredictions(savePredictions, answers, { force }).catch(error => {
        throw afterwards(error, staged.target);
      });
    }
    return { folder: staged.target, training };
  } finally {
    await staged.discard();
  }
}

/** Where a training works, and where it begins. */
interface Place {
  folder: RunFolder;
  staged: StagedFolder;
  checkpoint: Checkpoint<TrainState> | undefined;
  /** What a teacher says of each example: its probabilities, softened. */
  teacher: Float32Array | undefined;
}

async function runOnce(
  run: Run,
  model: EngineModel,
  place: Place,
  options: TrainOptions,
  hooks: TrainHooks,
): Promise<Outcome> {
  try {
    const parameters = countParameters(model);
    const { folder, staged, checkpoint } = place;
    const microBatch = checkpoint?.state.microBatch ?? chooseMicroBatch(run, parameters, options);
    const { source } = run.plan.data;
    const fromModel = isAbsolute(source) ? {} : { fromModel: relative(folder.target, resolve(source)) };
    const plan: TrainPlan = { ...run.plan, data: { ...run.plan.data, ...fromModel }, parameters, microBatch };
    await requireRunSpace(parameters, folder.path, checkpoint !== undefined);
    hooks.onProgress?.({ type: 'plan', plan });
    const trainedWords = await learnWords(run.recipe, run.data, hooks);
    if (checkpoint !== undefined) {
      const { state, tensors, optimizerSteps } = checkpoint;
      await model.load(tensors, optimizerSteps);
      hooks.onProgress?.({ type: 'resume', step: state.steps, epoch: state.history.length + 1 });
    }
    const state = checkpoint?.state ?? newState(microBatch);
    const outcome = await learn({ ...run, trainedWords }, plan, model, place, state, options, hooks);
    await folder.give(model, join(staged.path, WEIGHTS), join(staged.path, METRICS));
    await commit(run, outcome, staged);
    return outcome;
  } finally {
    model.dispose();
  }
}

function chooseMicroBatch(
  { plan, recipe, encoder }: Run,
  parameters: TrainPlan['parameters'],
  { batchSize, microBatch }: TrainOptions,
): number {
  if (batchSize !== 'auto' || microBatch !== undefined || plan.device !== 'cpu') return plan.microBatch;
  const each = bytesPerPaper(encoder.shape, recipe.lengths, plan.frozenLayers, plan.precision);
  return fittingMicroBatch(recipe.batchSize, parameters, each, process.availableMemory());
}

async function learn(
  { recipe, data, examples, encoder, trainedWords }: Run & { trainedWords: TrainedWords | undefined },
  plan: TrainPlan,
  model: EngineModel,
  { folder, teacher }: Place,
  state: TrainState,
  { logEvery = DEFAULT_LOG_EVERY, checkpointEvery }: TrainOptions,
  hooks: TrainHooks,
): Promise<Outcome> {
  const tokenized = (papers: readonly Example[]) =>
    new TokenizedExamples(encoder.tokenizer, papers, recipe.lengths);
  const papers = tokenized(examples);
  const { interrupted } = await runEpochs(
    {
      model,
      train: teacher ? new TaughtExamples(papers, teacher, data.labels.length) : papers,
      validation: tokenized(data.validation),
      labels: data.labels,
      words: trainedWords?.validation,
      epochs: recipe.epochs,
      patience: recipe.patience,
      batchSize: recipe.batchSize,
      schedule: plan.schedule,
      learningRate: recipe.learningRate,
      seed: plan.seed,
      logEvery,
      checkpointEvery,
      state,
      run: folder,
    },
    hooks,
  );
  const { history, best, steps, microBatch, sessions, stepSeconds } = state;
  // The test is of the weights as they are stored.
  const isKept = best?.epoch === history.length && plan.saveAs === 'fp32';
  if (!interrupted && !isKept) await model.load(await openTensors(folder.weights!));
  const words = trainedWords && best?.scales ? { ...trainedWords, scales: best.scales } : undefined;
  const kept = { model, words };
  const test = interrupted ? undefined : await scorePart(kept, 'test', tokenized(data.test), data, hooks);
  const isTold = words === undefined && !plan.distillation?.unlabelled;
  const trained =
    isTold || !test
      ? undefined
      : await scorePart(kept, 'train', tokenized(sampleOf(data, plan.seed)), data, hooks);
  const training: TrainingRecord = {
    ...plan,
    microBatch,
    interrupted,
    history,
    bestEpoch: best?.epoch ?? 0,
    validation: best?.validation,
    ...(words && { words: wordsRecord(words) }),
    ...(trained && { trained: { papers: trained.metrics.papers, accuracy: trained.metrics.accuracy } }),
    test: test?.metrics,
    ...(test && { baseline: await wordsAlone(data, hooks) }),
    steps,
    sessions,
    trainingSeconds: totalSeconds(state),
    secondsPerStep: median(stepSeconds),
    // libuv gives kilobytes on every system.
    peakMemory: process.resourceUsage().maxRSS * 1024,
    finishedAt: new Date().toISOString(),
  };
  return { training, words, test };
}

/** Of the training papers as many as there are validation papers. */
function sampleOf({ train, validation }: Dataset, seed: number): Example[] {
  return seededOrder(train, ({ paper }) => paper.id, `trained ${seed}`).slice(0, validation.length);
}

/** The test papers are looked at once, with the weights that are kept; undefined if that is interrupted. */
async function scorePart(
  model: BlendedModel,
  split: Split,
  papers: TokenizedExamples,
  data: Dataset,
  { onProgress, signal }: TrainHooks,
): Promise<Score | undefined> {
  try {
    return await score(model, papers, data.labels, {
      signal,
      onProgress: done => onProgress?.({ type: 'evaluation', split, done, total: papers.length }),
    });
  } catch (error) {
    if (isCancelled(error)) return undefined;
    throw error;
  }
}

async function commit(
  { data, encoder, options, recipe }: Run,
  { training, words }: Outcome,
  staged: StagedFolder,
): Promise<void> {
  const parts = {
    labels: data.labels,
    encoder: encoder.shape,
    head: options.head,
    lengths: recipe.lengths,
    thresholds: { method: 'argmax' as const },
    tokenizer: encoder.tokenizer,
    ...(words && { words }),
    training,
  };
  await commitSavedModel(staged, parts, modelCard(training));
}

/** Where a model goes if nothing is said. */
export function defaultFolder(options: TrainOptions): string {
  return join('runs', recipeName(options));
}

function testedBefore(folder: string): ArxivNativeError {
  return new ArxivNativeError('BAD_OPTION', `${folder} is complete: no test is left to save predictions of`, {
    remedy: 'Leave --save-predictions out; `arxiv-native predict` writes predictions of any papers.',
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
