import type { SaveOptions, TrainingPrecision } from '../native.js';

/** safetensors' names of the types that weights are stored in. */
export const STORED_AS = {
  fp32: 'F32',
  bf16: 'BF16',
  fp16: 'F16',
} as const satisfies Record<TrainingPrecision, SaveOptions['dtype']>;

/** What `train` stores weights in if nothing is said: as they were trained. */
export const DEFAULT_SAVE_AS: TrainingPrecision = 'fp32';
