export { ArxivNativeError, type ErrorCode } from './errors.js';
export {
  type LoadOptions,
  type PaperText,
  type Prediction,
  type PredictOptions,
  Predictor,
} from './serve/predictor.js';
export { type TrainOptions, type TrainResult, train } from './train/train.js';
