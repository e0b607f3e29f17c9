export { ArxivNativeError, type ErrorCode } from './errors.js';
export type { Averages, ClassMetrics, Metrics } from './evaluate/metrics.js';
export type { Precision } from './native.js';
export {
  type LoadOptions,
  type PaperText,
  type Prediction,
  type PredictOptions,
  Predictor,
} from './serve/predictor.js';
export type { RandomEncoder, Recipe, RecipeOverrides, RecipeSource } from './train/recipe.js';
export {
  type EpochRecord,
  type TrainEvent,
  type TrainHooks,
  type TrainingRecord,
  type TrainOptions,
  type TrainPlan,
  type TrainResult,
  train,
} from './train/train.js';
