import { rename } from 'node:fs/promises';
import { ArxivNativeError } from '../errors.js';
import type { Metrics } from '../evaluate/metrics.js';
import type { EngineModel } from '../native.js';
import { isCancelled } from '../util/cancel.js';
import { epochOrder, type LabelledBatch, type TokenizedExamples } from './batches.js';
import { learningRateScale, type Schedule } from './schedule.js';
import { score } from './score.js';
import type { EpochRecord, TrainHooks } from './types.js';

export interface LoopOptions {
  model: EngineModel;
  train: TokenizedExamples;
  validation: TokenizedExamples;
  labels: readonly string[];
  epochs: number;
  patience: number;
  batchSize: number;
  microBatch: number;
  schedule: Schedule;
  seed: number;
  /** Where the weights of the best epoch are kept. */
  weightsFile: string;
}

export interface LoopResult {
  history: EpochRecord[];
  /** Of the epoch whose weights are in the file; undefined if none ended, and the file has the last step's. */
  best: { epoch: number; validation: Metrics } | undefined;
  interrupted: boolean;
  /** Each step's duration. */
  stepSeconds: number[];
}

/**
 * Trains until the epochs are over, validation accuracy has not risen for `patience` epochs, or the signal comes.
 * `weightsFile` then holds the best weights. Rejects with CANCELLED if it was stopped before the first step, and
 * with what the engine throws: NON_FINITE, OUT_OF_MEMORY, IO.
 */
export async function runEpochs(
  options: LoopOptions,
  { onProgress, signal }: TrainHooks,
): Promise<LoopResult> {
  const { model, validation, labels, epochs, patience, weightsFile } = options;
  const result: LoopResult = { history: [], best: undefined, interrupted: false, stepSeconds: [] };
  let complete = false;
  try {
    for (let epoch = 1; epoch <= epochs; epoch++) {
      const startedAt = performance.now();
      const trained = await trainEpoch(options, epoch, result.stepSeconds, { onProgress, signal });
      const seconds = (performance.now() - startedAt) / 1000;
      if (signal?.aborted) break;
      const { metrics } = await score(model, validation, labels, {
        signal,
        onProgress: done =>
          onProgress?.({ type: 'evaluation', split: 'validation', done, total: validation.length }),
      });
      const best = result.best === undefined || metrics.accuracy > result.best.validation.accuracy;
      if (best) {
        await saveWeights(model, weightsFile);
        result.best = { epoch, validation: metrics };
      }
      const record: EpochRecord = {
        epoch,
        trainLoss: trained.loss,
        trainAccuracy: trained.accuracy,
        validationLoss: metrics.logLoss,
        validationAccuracy: metrics.accuracy,
        validationMacroF1: metrics.macro.f1,
        best,
        seconds,
      };
      result.history.push(record);
      onProgress?.({ type: 'epoch', record, epochs });
      complete = epoch === epochs || epoch - result.best!.epoch >= patience;
      if (complete || signal?.aborted) break;
    }
  } catch (error) {
    // A validation that the signal cut short leaves the weights as good as they were.
    if (!signal?.aborted || !isCancelled(error)) throw error;
  }
  result.interrupted = signal?.aborted === true && !complete;
  if (result.interrupted && result.stepSeconds.length === 0) {
    throw new ArxivNativeError('CANCELLED', 'training was stopped before its first step; nothing was saved');
  }
  if (result.best === undefined) await saveWeights(model, weightsFile);
  return result;
}

async function trainEpoch(
  options: LoopOptions,
  epoch: number,
  stepSeconds: number[],
  { onProgress, signal }: TrainHooks,
): Promise<{ loss: number; accuracy: number }> {
  const { model, train, batchSize, microBatch, schedule } = options;
  const order = epochOrder(train.length, options.seed, epoch);
  const batchAt = (start: number): LabelledBatch => train.batch(order.subarray(start, start + batchSize));
  let papers = 0;
  let lossSum = 0;
  let correct = 0;
  let batch = batchAt(0);
  for (let start = 0; start < order.length && !signal?.aborted; start += batchSize) {
    const step = stepSeconds.length;
    const startedAt = performance.now();
    const learningRate = learningRateScale(schedule, step);
    const running = model.trainStep({ ...batch, microBatch, learningRateScale: learningRate });
    const size = batch.labels.length;
    // Tokenized while the engine works. Should that throw, the engine's failure must not count as unhandled.
    running.catch(() => {});
    batch = batchAt(start + batchSize);
    const outcome = await running;
    stepSeconds.push((performance.now() - startedAt) / 1000);
    papers += size;
    lossSum += outcome.loss * size;
    correct += outcome.correct;
    onProgress?.({
      type: 'step',
      epoch,
      step: step + 1,
      steps: schedule.steps,
      loss: outcome.loss,
      meanLoss: lossSum / papers,
    });
  }
  return { loss: lossSum / papers, accuracy: correct / papers };
}

/** The file that was there stays until the new one is whole. */
async function saveWeights(model: EngineModel, file: string): Promise<void> {
  const part = `${file}.part`;
  await model.save(part, { optimizer: false, metadata: { format: 'pt' } });
  await rename(part, file);
}
