import type { Leaks } from '../data/leaks.js';
import type { PrepareRule } from '../data/prepare-options.js';
import type { ReadProgress } from '../data/rows.js';
import type { Metrics } from '../evaluate/metrics.js';
import type { Precision } from '../native.js';
import type { Recipe, RecipeOverrides, RecipeSource } from './recipe.js';

export interface TrainOptions extends RecipeOverrides {
  /** A file of labelled papers (.jsonl, .csv, .gz or .zip of either), or a folder with train, validation and test.jsonl. */
  data: string;
  /** The field that holds the label, where `data` was not prepared before; the first category if absent. */
  labelColumn?: string | undefined;
  /** The folder that will hold the model; `runs/` and the recipe's name if absent. */
  out?: string | undefined;
  /** A recipe's name, the path of one, or one as an object; `v5.0` if absent. */
  recipe?: string | RecipeSource | undefined;
  /** Revision of an encoder on the Hub: a branch, tag or commit. */
  revision?: string | undefined;
  /** Papers that go through the encoder at once; by default the whole batch. Smaller takes less memory. */
  microBatch?: number | undefined;
  /** Decides splits, initial weights, order and dropout; 42 if absent. */
  seed?: number | undefined;
  /** `auto` (the best there is), `cpu`, `cuda`, `cuda:1` or `mps`. */
  device?: string | undefined;
  /** `auto` (the fastest that the device computes natively), `fp32`, `bf16` or `fp16`. */
  precision?: 'auto' | Precision | undefined;
  /** CPU threads of the engine; by default as many as the process may use. */
  threads?: number | undefined;
  /** The same weights from the same seed on CUDA too, more slowly; on CPU that always holds. */
  deterministic?: boolean | undefined;
  /** Use only what was downloaded before. */
  offline?: boolean | undefined;
  /** Replace a model that stands in `out`. */
  force?: boolean | undefined;
  /** A file for the test papers' predictions, one JSON line each: id, label, predicted, probabilities. */
  savePredictions?: string | undefined;
}

export interface TrainHooks {
  onProgress?: ((event: TrainEvent) => void) | undefined;
  /** Stops after the running step; what was learned so far is saved, marked as interrupted. */
  signal?: AbortSignal | undefined;
}

export type TrainEvent =
  | ({ type: 'reading' } & ReadProgress)
  | { type: 'download'; file: string; received: number; total: number }
  | { type: 'plan'; plan: TrainPlan }
  | { type: 'step'; epoch: number; step: number; steps: number; loss: number; meanLoss: number }
  | { type: 'epoch'; record: EpochRecord; epochs: number }
  | { type: 'evaluation'; split: 'validation' | 'test'; done: number; total: number };

/** What will be trained on what: known before the first step. */
export interface TrainPlan {
  recipe: { name: string; resolved: Recipe };
  encoder: { id: string; revision?: string; random: boolean; layers: number; hiddenSize: number };
  /** Of the encoder's first layers. */
  frozenLayers: number;
  parameters: { total: number; trainable: number };
  data: {
    source: string;
    fingerprint: string;
    labels: string[];
    /** How the papers were labelled and split. */
    rule: PrepareRule;
    /** Papers left out because another has the same id or title. */
    duplicates: number;
    /** Papers left out because they say of themselves that they were withdrawn. */
    withdrawn: number;
    /** Papers left out because title or abstract is missing. */
    empty: number;
    /** How far the data contradicts itself, and its test papers were seen in training. */
    leaks: Leaks;
    /** Papers by split and class index. */
    splits: Record<'train' | 'validation' | 'test', number[]>;
  };
  device: string;
  precision: Precision;
  threads: number;
  seed: number;
  deterministic: boolean;
  microBatch: number;
  schedule: { steps: number; warmupSteps: number };
  /** By class index; empty where all count alike. */
  classWeights: number[];
  versions: { package: string; libtorch: string; node: string };
}

export interface EpochRecord {
  /** From 1. */
  epoch: number;
  /** Means over the epoch's papers, with dropout. */
  trainLoss: number;
  trainAccuracy: number;
  validationLoss: number;
  validationAccuracy: number;
  validationMacroF1: number;
  /** Whether this is the best epoch so far. */
  best: boolean;
  /** Training, without validation. */
  seconds: number;
}

/** What training.json holds. */
export interface TrainingRecord extends TrainPlan {
  /** Stopped by the user before its time. A test that was stopped leaves this false: the model is complete. */
  interrupted: boolean;
  history: EpochRecord[];
  /** The epoch whose weights were kept; 0 if training was stopped before one ended. */
  bestEpoch: number;
  validation: Metrics | undefined;
  /** Undefined if training or the test itself was interrupted. */
  test: Metrics | undefined;
  /** Of all epochs, without validation. */
  trainingSeconds: number;
  /** Median. */
  secondsPerStep: number;
  /** Largest resident set of the process, in bytes. */
  peakMemory: number;
  finishedAt: string;
}

export interface TrainResult {
  /** Absolute. */
  folder: string;
  training: TrainingRecord;
}
