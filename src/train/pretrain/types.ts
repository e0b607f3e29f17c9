import type { EncoderShape, Precision, TrainingPrecision } from '../../native.js';
import type { RandomEncoder } from '../recipe.js';
import type { SessionRecord } from '../types.js';

export interface PretrainOptions {
  /** Files of papers (.jsonl, .csv, .gz or .zip of either); labels are not needed. */
  corpus: string[];
  /** The sizes of a new encoder: a name (`small`), the path of a JSON file, or an object; `small` if absent. */
  config?: string | Omit<RandomEncoder, 'vocabSize'> | undefined;
  /** Word pieces of a new encoder; by default what the config says. */
  vocabSize?: number | undefined;
  /** An encoder to go on with, in place of a new one: a folder, or an id of the Hub. */
  encoder?: string | undefined;
  /** Of an encoder on the Hub. */
  revision?: string | undefined;
  offline?: boolean | undefined;
  /** How many steps; or `hours`, from which they are reckoned after the first 50. What a teacher reads is not in them. */
  steps?: number | undefined;
  hours?: number | undefined;
  /** The folder that will hold the encoder; `runs/pretrained` if absent. */
  out?: string | undefined;
  /** Tokens a step, at least; 8,192 if absent. */
  batchTokens?: number | undefined;
  /** Most tokens of a paper; 256 if absent. */
  maxLength?: number | undefined;
  /** The highest; 1e-3 for a new encoder and 5e-5 for another if absent. */
  learningRate?: number | undefined;
  /** How many times as fast what reads categories and a teacher's states learns; 30 if absent. */
  headLearningRateFactor?: number | undefined;
  /** Steps in which it is reached, at most a tenth of all; 500 if absent. */
  warmup?: number | undefined;
  /** 0.01 if absent. */
  weightDecay?: number | undefined;
  /** Share of the words that are to be guessed; 0.15 if absent. */
  maskRate?: number | undefined;
  /** How much guessing a paper's first category counts beside its words; 1 if absent, 0 for words alone. */
  categoryWeight?: number | undefined;
  /** An encoder (a folder, or an id of the Hub) whose mean state of each paper is to be matched beside the words. */
  teacher?: string | undefined;
  /** How much that counts; 10 if absent. */
  teacherWeight?: number | undefined;
  /** Most tokens of a paper that the teacher reads; 128 if absent. */
  teacherLength?: number | undefined;
  /** In the encoder, while it is pre-trained; 0 if absent. */
  dropout?: number | undefined;
  /** The type that the weights are stored in; `bf16` if absent. */
  saveAs?: TrainingPrecision | undefined;
  /** Decides initial weights, order, masks and which papers are held out; 42 if absent. */
  seed?: number | undefined;
  device?: string | undefined;
  precision?: 'auto' | TrainingPrecision | undefined;
  threads?: number | undefined;
  force?: boolean | undefined;
  resume?: boolean | undefined;
  /** Steps between two checkpoints; by default one every five minutes. */
  checkpointEvery?: number | undefined;
  /** Steps between two looks at the papers held out; 500 if absent. */
  evaluateEvery?: number | undefined;
  /** Steps between two lines of metrics.jsonl; 50 if absent. */
  logEvery?: number | undefined;
}

export interface PretrainHooks {
  onProgress?: ((event: PretrainEvent) => void) | undefined;
  /** Stops after the running step; the encoder is written as it is then, and the run can be resumed. */
  signal?: AbortSignal | undefined;
}

/** Means over masked words, over papers with a category, and over all papers. */
export interface Figures {
  /** Cross-entropy in nats. */
  wordLoss: number;
  wordAccuracy: number;
  /** Absent where no categories are guessed. */
  categoryLoss?: number;
  categoryAccuracy?: number;
  /** 1 - cosine to the teacher's states; absent without a teacher. */
  teacherLoss?: number;
}

export type PretrainEvent =
  | { type: 'reading'; source: string; received: number; total: number; purpose: 'vocabulary' | 'tokens' }
  | { type: 'download'; file: string; received: number; total: number }
  /** So many papers a teacher has read. */
  | { type: 'teaching'; done: number; total: number }
  | { type: 'plan'; plan: PretrainPlan }
  /** Goes on after this step. */
  | { type: 'resume'; step: number }
  /** So many steps there will be: known from the start, or once 50 of them have been timed. */
  | { type: 'steps'; steps: number; secondsPerStep?: number }
  | { type: 'step'; step: number; figures: Figures; tokensPerSecond: number }
  | { type: 'evaluation'; step: number; figures: Figures };

/** What is pre-trained on what: known before the first step. */
export interface PretrainPlan {
  /** SHA-256 of all that decides the weights on a CPU. */
  fingerprint: string;
  /** What it began as, and what its pretraining.json said, if it had one. */
  start: { id: string; revision?: string; random: boolean; record?: Record<string, unknown> };
  shape: EncoderShape;
  /** Without what only serves pre-training. */
  parameters: number;
  corpus: {
    files: { name: string; sha256: string }[];
    papers: number;
    tokens: number;
    /** Papers that are only looked at. */
    heldOut: number;
    categories: string[];
  };
  /** The encoder whose states are matched. */
  teacher?: { id: string; revision?: string; hiddenSize: number; maxLength: number };
  settings: {
    steps?: number;
    hours?: number;
    batchTokens: number;
    maxLength: number;
    learningRate: number;
    headLearningRateFactor: number;
    warmup: number;
    weightDecay: number;
    maskRate: number;
    categoryWeight: number;
    teacherWeight?: number;
    dropout: number;
    seed: number;
  };
  saveAs: TrainingPrecision;
  device: string;
  precision: Precision;
  threads: number;
  versions: { package: string; libtorch: string; node: string };
}

/** What pretraining.json holds. */
export interface PretrainRecord extends PretrainPlan {
  /** False while steps are left: those of a checkpoint, or of a run that was stopped. */
  complete: boolean;
  steps: number;
  /** How many there were to be; absent where the run was stopped before that was reckoned. */
  totalSteps?: number;
  /** Tokens read, those read again counted again. */
  tokensSeen: number;
  /** How often each paper was read. */
  epochs: number;
  /** Of the last papers held out that were looked at, and when. */
  evaluation?: Figures & { step: number };
  sessions: SessionRecord[];
  seconds: number;
  finishedAt: string;
}

export interface PretrainResult {
  /** Absolute. */
  folder: string;
  record: PretrainRecord;
  /** If steps are left: the folder (absolute) from which `resume` goes on. */
  unfinished?: string;
}
