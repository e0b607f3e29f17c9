import { stat } from 'node:fs/promises';
import { ArxivNativeError } from '../errors.js';
import type { Metrics } from '../evaluate/metrics.js';
import { openSafetensors } from '../model/safetensors.js';
import type { Scales } from '../model/words.js';
import type { EngineModel, TensorSource } from '../native.js';
import { writeWhole } from '../util/files.js';
import type { Identity } from './identity.js';
import type { EpochRecord, SessionRecord } from './types.js';

/** Sums over papers or steps, of which the means are reported. */
export interface Sums {
  papers: number;
  /** Of each paper's loss. */
  loss: number;
  correct: number;
  seconds: number;
  /** Steps whose gradients were applied; fp16 passes over those that overflow. */
  applied: number;
  /** Of the gradient norms of those, before clipping. */
  gradientNorm: number;
}

export const NO_SUMS: Readonly<Sums> = {
  papers: 0,
  loss: 0,
  correct: 0,
  seconds: 0,
  applied: 0,
  gradientNorm: 0,
};

/**
 * Where a training stands between two steps. Beside the weights and the optimiser's moments that is all it takes to go
 * on: the order of the papers comes from the seed and the epoch, dropout from the seed and the number of steps.
 */
export interface TrainState {
  /** Taken so far. */
  steps: number;
  /** Papers that go through at once; halved when memory did not suffice. */
  microBatch: number;
  /** Of the epochs that have ended; the running one is the next. */
  history: EpochRecord[];
  /**
   * Whose weights are kept, the scales of both where the model has words beside them, and what both give; undefined
   * until an epoch has ended.
   */
  best: { epoch: number; validation: Metrics; scales?: Scales } | undefined;
  /** Of the running epoch. */
  epoch: Sums;
  /** Since the last line that metrics.jsonl got for a step. */
  sinceLine: Sums;
  /** Each step's duration. */
  stepSeconds: number[];
  /** The last is the running one. */
  sessions: SessionRecord[];
}

export function newState(microBatch: number): TrainState {
  return {
    steps: 0,
    microBatch,
    history: [],
    best: undefined,
    epoch: { ...NO_SUMS },
    sinceLine: { ...NO_SUMS },
    stepSeconds: [],
    sessions: [],
  };
}

/** What a checkpoint says beside its tensors. */
export interface CheckpointRecord<State> {
  /** Of the run that it belongs to. */
  identity: Identity;
  state: State;
  /** Length of metrics.jsonl when it was written. */
  metricsBytes: number;
}

export interface Checkpoint<State> extends CheckpointRecord<State> {
  tensors: TensorSource[];
  /** What the engine counts, from which it derives dropout. */
  optimizerSteps: number;
}

/** Raised when an older version would misread what a newer one wrote. */
const FORMAT_VERSION = 1;

/**
 * Writes weights, optimiser state and record as one safetensors file, which takes its name once it is on the disk: a
 * process that is killed leaves the checkpoint before. Throws IO.
 */
export async function writeCheckpoint(
  model: EngineModel,
  file: string,
  record: CheckpointRecord<object>,
): Promise<void> {
  const run = JSON.stringify({ format_version: FORMAT_VERSION, ...record });
  await writeWhole(file, part => model.save(part, { optimizer: true, metadata: { run } }));
}

/** A checkpoint whose tensors are still on the disk; undefined if there is none. Throws BAD_MODEL, IO. */
export async function openCheckpoint<State>(file: string): Promise<Checkpoint<State> | undefined> {
  if (!(await stat(file).catch(() => undefined))) return undefined;
  const { tensors, metadata } = await openSafetensors(file).catch(error => {
    if (!(error instanceof ArxivNativeError) || error.code !== 'BAD_MODEL') throw error;
    throw new ArxivNativeError('BAD_MODEL', error.message, {
      cause: error,
      remedy:
        'Put a whole copy of it there, or discard the training and begin anew by --force without --resume.',
    });
  });
  const optimizerSteps = Number(metadata.optimizer_steps);
  return { ...parseRecord<State>(metadata.run, file), tensors, optimizerSteps };
}

function parseRecord<State>(text: string | undefined, file: string): CheckpointRecord<State> {
  let found: Partial<CheckpointRecord<State>> & { format_version?: unknown } = {};
  try {
    found = JSON.parse(text ?? '{}');
  } catch {
    // Reported below, as any other text that is no record.
  }
  const { format_version, identity, state, metricsBytes } = found;
  if (format_version !== FORMAT_VERSION || !identity || !state || metricsBytes === undefined) {
    throw new ArxivNativeError('BAD_MODEL', `${file} is no checkpoint that this version can go on from`, {
      remedy:
        'Go on with the version that wrote it, or discard it and begin anew by --force without --resume.',
    });
  }
  return { identity, state, metricsBytes };
}
