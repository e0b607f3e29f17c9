export { ArxivNativeError, type ErrorCode } from './errors.js';
export {
  type LoadOptions,
  type PaperText,
  type Prediction,
  type PredictOptions,
  Predictor,
} from './serve/predictor.js';
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
