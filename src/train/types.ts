import type { AugmentEvent } from '../augment/augment.js';
import type { CopiesRecord } from '../data/copies.js';
import type { Leaks } from '../data/leaks.js';
import type { Split } from '../data/paper.js';
import type { PrepareRule } from '../data/prepare-options.js';
import type { BaselineProgress } from '../evaluate/baseline/baseline.js';
import type { Metrics } from '../evaluate/metrics.js';
import type { Scales } from '../model/words.js';
import type { Precision, TrainingPrecision } from '../native.js';
import type { DistillationOptions } from './distill/lesson.js';
import type { Recipe, RecipeOverrides, RecipeSource } from './recipe.js';

export interface TrainOptions extends Omit<RecipeOverrides, 'batchSize'> {
  /** A file of labelled papers (.jsonl, .csv, .gz or .zip of either), or a folder with train, validation and test.jsonl. */
  data: string;
  /** The field that holds the label, where `data` was not prepared before; the first category if absent. */
  labelColumn?: string | undefined;
  /** The folder that will hold the model; `runs/` and the recipe's name if absent. */
  out?: string | undefined;
  /** A recipe's name, the path of one, or one as an object; `arxiv` if absent. */
  recipe?: string | RecipeSource | undefined;
  /** Revision of an encoder on the Hub: a branch, tag or commit. */
  revision?: string | undefined;
  /** Papers a step. `auto`: the recipe's, on a CPU in as many parts as its memory is estimated to ask for. */
  batchSize?: number | 'auto' | undefined;
  /**
   * Papers that go through the encoder at once; by default the whole batch. Smaller takes less memory. It is halved
   * when a step runs out of memory.
   */
  microBatch?: number | undefined;
  /** Decides splits, initial weights, order and dropout; 42 if absent. */
  seed?: number | undefined;
  /** Decides the splits of data that has none, in place of `seed`. */
  splitSeed?: number | undefined;
  /** `auto` (the best there is), `cpu`, `cuda`, `cuda:1` or `mps`. */
  device?: string | undefined;
  /** `auto` (the fastest that the device computes natively), `fp32`, `bf16` or `fp16`. */
  precision?: 'auto' | TrainingPrecision | undefined;
  /** The type that the weights are stored in; `fp32` if absent. The others take half of the space. */
  saveAs?: TrainingPrecision | undefined;
  /** CPU threads of the engine; by default as many as the process may use. */
  threads?: number | undefined;
  /** The same weights from the same seed on CUDA too, more slowly; on CPU that always holds. */
  deterministic?: boolean | undefined;
  /** Use only what was downloaded before. */
  offline?: boolean | undefined;
  /** Replace a model that stands in `out`; without `resume` also discard a training of it that did not end. */
  force?: boolean | undefined;
  /** Go on where a training with the same options and data was left, or begin; one that is complete is returned. */
  resume?: boolean | undefined;
  /** Steps between two checkpoints; by default one every five minutes. Each epoch ends with one too. */
  checkpointEvery?: number | undefined;
  /** Steps between two lines of metrics.jsonl; 50 if absent. */
  logEvery?: number | undefined;
  /** A file for the test papers' predictions, one JSON line each: id, label, predicted, probabilities. */
  savePredictions?: string | undefined;
  /** A model that teaches this one, beside the true labels. */
  distillation?: DistillationOptions | undefined;
}

export interface TrainHooks {
  onProgress?: ((event: TrainEvent) => void) | undefined;
  /** Stops after the running step; what was learned so far is saved, marked as interrupted, and can be resumed. */
  signal?: AbortSignal | undefined;
}

export type TrainEvent =
  /** Reading, downloads, and the making of copies. */
  | AugmentEvent
  /** Of several seeds, this one is trained next. */
  | { type: 'seed'; seed: number; number: number; count: number }
  /** The teacher says what it thinks of the training papers. */
  | { type: 'teaching'; done: number; total: number }
  | { type: 'plan'; plan: TrainPlan }
  | ({ type: 'words' } & BaselineProgress)
  /** There is no checkpoint to go on from in this folder, though a training was begun there. */
  | { type: 'anew'; folder: string }
  /** Goes on after this step, which a checkpoint holds, in this epoch. */
  | { type: 'resume'; step: number; epoch: number }
  /** Memory did not suffice for this step, which is taken again in parts of so many papers, as are all that follow. */
  | { type: 'memory'; step: number; microBatch: number }
  | { type: 'step'; epoch: number; step: number; steps: number; loss: number; meanLoss: number }
  | { type: 'epoch'; record: EpochRecord; epochs: number }
  | { type: 'evaluation'; split: Split; done: number; total: number };

/** What will be trained on what: known before the first step. */
export interface TrainPlan {
  /** SHA-256 of all that decides the weights on a CPU: equal for trainings that give the same model. */
  fingerprint: string;
  recipe: { name: string; resolved: Recipe };
  encoder: { id: string; revision?: string; random: boolean; layers: number; hiddenSize: number };
  /** Of the encoder's first layers. */
  frozenLayers: number;
  parameters: { total: number; trainable: number };
  data: {
    source: string;
    /** The way there from the model's folder, where `source` is a relative path. */
    fromModel?: string;
    /** Decides the split where the source has none. */
    splitSeed: number;
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
    /** Copies that stand among the papers: in training, and left out. Absent where there are none. */
    synthetic?: { train: number; leftOut: number };
    /** How far the data contradicts itself, and its test papers were seen in training. */
    leaks: Leaks;
    /** Papers by split and class index; copies not included. */
    splits: Record<'train' | 'validation' | 'test', number[]>;
    /** Synthetic copies that train beside the papers. */
    copies?: {
      fingerprint: string;
      /** By class index. */
      papers: number[];
      /** How they were made, but for which papers; absent where somebody else made them. */
      record?: Omit<CopiesRecord, 'drawn'>;
    };
    /** Copies lie beside the splits, and neither the recipe nor an option asks for them. */
    copiesLeftOut?: true;
  };
  device: string;
  precision: Precision;
  /** The type that the weights are stored in. */
  saveAs: TrainingPrecision;
  threads: number;
  seed: number;
  deterministic: boolean;
  /** Papers that go through the encoder at once; in a record those of the last step. */
  microBatch: number;
  schedule: { steps: number; warmupSteps: number };
  /** By class index; empty where all count alike. */
  classWeights: number[];
  /** Absent where there is no teacher. */
  distillation?: {
    teacher: string;
    temperature: number;
    teacherWeight: number;
    /** Papers that only the teacher labels. */
    unlabelled: number;
    /** Whether the teacher learned from the very same data; otherwise it may have seen the test papers. */
    sameData: boolean;
  };
  versions: { package: string; libtorch: string; node: string };
}

/** Of the encoder alone, also where the model will have words. */
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

/** What one process did of a training; what it did after its last checkpoint, if it was killed, does not count. */
export interface SessionRecord {
  startedAt: string;
  steps: number;
  /** In those steps. */
  seconds: number;
}

/** What TF-IDF and logistic regression reach. */
export interface WordsFigures {
  accuracy: number;
  macroF1: number;
  logLoss: number;
}

/** What training.json holds. */
export interface TrainingRecord extends TrainPlan {
  /** Stopped by the user before its time. A test that was stopped leaves this false: the model is complete. */
  interrupted: boolean;
  history: EpochRecord[];
  /** The epoch whose weights were kept; 0 if training was stopped before one ended. */
  bestEpoch: number;
  validation: Metrics | undefined;
  /** What the model knows of words; absent for an encoder alone, and if no epoch has ended. */
  words?: {
    /** Words and pairs of words that are kept. */
    features: number;
    /** Chosen on the validation papers. */
    scales: Scales;
    /** Validation accuracy of words alone. */
    validationAccuracy: number;
  };
  /**
   * What the whole model says of training papers, without dropout: as many as there are validation papers, drawn by the
   * seed. Only of a model whose epochs do not tell it, since theirs is the accuracy of the encoder without words, or
   * counts papers that only a teacher labelled; undefined also if that was interrupted.
   */
  trained?: { papers: number; accuracy: number } | undefined;
  /** Undefined if training or the test itself was interrupted. */
  test: Metrics | undefined;
  /** Of words alone, learnt from the same papers, on the test papers; undefined if that was interrupted. */
  baseline?: WordsFigures | undefined;
  /** Steps taken, by all sessions. */
  steps: number;
  /** More than one if the training was resumed. */
  sessions: SessionRecord[];
  /** Of all steps, without validation. */
  trainingSeconds: number;
  /** Median. */
  secondsPerStep: number;
  /** Largest resident set of the process that ended the training, in bytes. */
  peakMemory: number;
  finishedAt: string;
}

export interface TrainResult {
  /** Absolute. */
  folder: string;
  training: TrainingRecord;
  /** If the training or its test was interrupted: the folder (absolute) from which `resume` goes on. */
  unfinished?: string;
}
