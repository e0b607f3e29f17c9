import { ArxivNativeError, isOutOfMemory } from '../errors.js';
import { blend, fitBlend } from '../evaluate/blend.js';
import { logitsOf, scoreLogits } from '../evaluate/score.js';
import type { LabelledBatch, TokenizedExamples } from '../evaluate/tokenized-examples.js';
import type { EngineModel, StepResult } from '../native.js';
import { isCancelled } from '../util/cancel.js';
import { epochOrder } from './batches.js';
import { NO_SUMS, type Sums, type TrainState } from './checkpoint.js';
import type { RunFolder } from './run-folder.js';
import { learningRateScale, type Schedule } from './schedule.js';
import type { EpochRecord, TrainHooks } from './types.js';
import { isLost } from './work-folder.js';

export interface LoopOptions {
  model: EngineModel;
  train: Pick<TokenizedExamples, 'length' | 'batch'>;
  validation: TokenizedExamples;
  labels: readonly string[];
  /** What words say of the validation papers, where the model will have words: logits, papers × labels. */
  words?: Float32Array | undefined;
  epochs: number;
  patience: number;
  batchSize: number;
  schedule: Schedule;
  /** The encoder's highest, for the record. */
  learningRate: number;
  seed: number;
  /** Steps between two lines of metrics.jsonl. */
  logEvery: number;
  /** Steps between two checkpoints; if undefined, one is written when the last is five minutes old. */
  checkpointEvery: number | undefined;
  /** Where to begin; the loop changes it. The model must be what it was then. */
  state: TrainState;
  run: Pick<RunFolder, 'saveBest' | 'save' | 'log' | 'resumable'>;
}

const CHECKPOINT_INTERVAL_MS = 5 * 60_000;

/**
 * Trains until the epochs are over, validation accuracy has not risen for `patience` epochs, or the signal comes; the
 * run then holds the best weights and a checkpoint of the last step.
 *
 * @returns whether the signal ended it
 * @throws ArxivNativeError CANCELLED if it was stopped before its first step, and what the engine throws: NON_FINITE,
 * OUT_OF_MEMORY, IO
 */
export async function runEpochs(options: LoopOptions, hooks: TrainHooks): Promise<{ interrupted: boolean }> {
  const { model, state, run } = options;
  const { signal } = hooks;
  state.sessions.push({ startedAt: new Date().toISOString(), steps: 0, seconds: 0 });
  try {
    while (!isOver(options) && !signal?.aborted) {
      await trainEpoch(options, hooks);
      if (!signal?.aborted) await endEpoch(options, hooks);
    }
  } catch (error) {
    // A validation that the signal cut short leaves the weights as good as they were.
    if (!signal?.aborted || !isCancelled(error)) throw error;
  }
  if (isLost(signal)) throw signal!.reason;
  if (isOver(options)) return { interrupted: false };
  if (state.steps === 0) {
    throw new ArxivNativeError('CANCELLED', 'training was stopped before its first step; nothing was saved');
  }
  if (run.resumable !== state.steps) await run.save(model, state);
  return { interrupted: true };
}

/** Whether all epochs that there are to be have ended. */
function isOver({ state: { history, best }, epochs, patience }: LoopOptions): boolean {
  return history.length === epochs || (best !== undefined && history.length - best.epoch >= patience);
}

/** Takes the steps that the running epoch still lacks. */
async function trainEpoch(options: LoopOptions, { onProgress, signal }: TrainHooks): Promise<void> {
  const { model, train, batchSize, schedule, seed, state, run, logEvery } = options;
  const epoch = state.history.length + 1;
  const order = epochOrder(train.length, seed, epoch);
  const stepsPerEpoch = Math.ceil(order.length / batchSize);
  const batchAt = (start: number): LabelledBatch => train.batch(order.subarray(start, start + batchSize));
  const first = (state.steps - (epoch - 1) * stepsPerEpoch) * batchSize;
  let checkpointAt = nextCheckpoint();
  let batch = batchAt(first);
  for (let start = first; start < order.length && !signal?.aborted; start += batchSize) {
    const startedAt = performance.now();
    const scale = learningRateScale(schedule, state.steps);
    const running = takeStep(model, batch, scale, state, onProgress);
    const papers = batch.labels.length;
    // Tokenized while the engine works. Should that throw, the engine's failure must not count as unhandled.
    running.catch(() => {});
    batch = batchAt(start + batchSize);
    const outcome = await running;
    countStep(state, outcome, papers, (performance.now() - startedAt) / 1000);
    onProgress?.({
      type: 'step',
      epoch,
      step: state.steps,
      steps: schedule.steps,
      loss: outcome.loss,
      meanLoss: state.epoch.loss / state.epoch.papers,
    });
    if (state.steps % logEvery === 0) await logSteps(options, epoch, options.learningRate * scale);
    if (isDue(options, checkpointAt) && !isLost(signal)) {
      await run.save(model, state);
      checkpointAt = nextCheckpoint();
    }
  }
}

function nextCheckpoint(): number {
  return performance.now() + CHECKPOINT_INTERVAL_MS;
}

function isDue({ checkpointEvery, state }: LoopOptions, checkpointAt: number): boolean {
  return checkpointEvery === undefined
    ? performance.now() >= checkpointAt
    : state.steps % checkpointEvery === 0;
}

/** Takes a step in as few parts as memory suffices for. */
async function takeStep(
  model: EngineModel,
  batch: LabelledBatch,
  scale: number,
  state: TrainState,
  onProgress: TrainHooks['onProgress'],
): Promise<StepResult> {
  for (;;) {
    try {
      return await model.trainStep({ ...batch, microBatch: state.microBatch, learningRateScale: scale });
    } catch (error) {
      // A step that was refused has left no trace, so that it can be taken again.
      const papers = Math.min(state.microBatch, batch.labels.length);
      if (!isOutOfMemory(error) || papers === 1) throw error;
      state.microBatch = Math.ceil(papers / 2);
      onProgress?.({ type: 'memory', step: state.steps + 1, microBatch: state.microBatch });
    }
  }
}

function countStep(state: TrainState, outcome: StepResult, papers: number, seconds: number): void {
  state.steps += 1;
  state.stepSeconds.push(microseconds(seconds));
  for (const sums of [state.epoch, state.sinceLine]) add(sums, outcome, papers, seconds);
  const session = state.sessions.at(-1)!;
  session.steps += 1;
  session.seconds = microseconds(session.seconds + seconds);
}

/** As exact as a clock is; a checkpoint holds thousands of them. */
function microseconds(seconds: number): number {
  return Math.round(seconds * 1e6) / 1e6;
}

function add(
  sums: Sums,
  { loss, correct, applied, gradientNorm }: StepResult,
  papers: number,
  seconds: number,
) {
  sums.papers += papers;
  sums.loss += loss * papers;
  sums.correct += correct;
  sums.seconds = microseconds(sums.seconds + seconds);
  sums.applied += Number(applied);
  if (applied) sums.gradientNorm += gradientNorm;
}

async function logSteps({ state, run }: LoopOptions, epoch: number, learningRate: number): Promise<void> {
  const { papers, loss, seconds, applied, gradientNorm } = state.sinceLine;
  await run.log({
    type: 'step',
    step: state.steps,
    epoch,
    loss: loss / papers,
    learningRate,
    ...(applied > 0 && { gradientNorm: gradientNorm / applied }),
    seconds: totalSeconds(state),
    papersPerSecond: papers / seconds,
  });
  state.sinceLine = { ...NO_SUMS };
}

/** Validates, keeps the weights if they are the best so far, and writes a checkpoint. */
async function endEpoch(options: LoopOptions, { onProgress, signal }: TrainHooks): Promise<void> {
  const { model, validation, labels, epochs, state, run } = options;
  const logits = await logitsOf({ model }, validation, labels.length, {
    signal,
    onProgress: done =>
      onProgress?.({ type: 'evaluation', split: 'validation', done, total: validation.length }),
  });
  if (isLost(signal)) return;
  const { metrics } = scoreLogits(logits, validation.targets, labels);
  const epoch = state.history.length + 1;
  const highest = Math.max(...state.history.map(({ validationAccuracy }) => validationAccuracy));
  const best = metrics.accuracy > highest;
  if (best) {
    await run.saveBest(model, epoch);
    state.best = { epoch, ...(await withWords(options, logits)) };
  }
  const { papers, loss, correct, seconds } = state.epoch;
  const record: EpochRecord = {
    epoch,
    trainLoss: loss / papers,
    trainAccuracy: correct / papers,
    validationLoss: metrics.logLoss,
    validationAccuracy: metrics.accuracy,
    validationMacroF1: metrics.macro.f1,
    best,
    seconds,
  };
  state.history.push(record);
  state.epoch = { ...NO_SUMS };
  await run.log({ type: 'epoch', step: state.steps, ...record });
  await run.save(model, state);
  onProgress?.({ type: 'epoch', record, epochs });
}

/** Judges the kept weights, with the words beside them where there are any. */
async function withWords(
  { validation: { targets }, labels, words }: LoopOptions,
  encoder: Float32Array,
): Promise<Pick<NonNullable<TrainState['best']>, 'validation' | 'scales'>> {
  if (words === undefined) return { validation: scoreLogits(encoder, targets, labels).metrics };
  const scales = await fitBlend(encoder, words, targets, labels.length);
  return { validation: scoreLogits(blend(encoder, words, scales), targets, labels).metrics, scales };
}

/** Of all steps, those of earlier sessions included. */
export function totalSeconds({ sessions }: TrainState): number {
  return microseconds(sessions.reduce((sum, { seconds }) => sum + seconds, 0));
}
