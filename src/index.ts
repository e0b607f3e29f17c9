export {
  type AugmentEvent,
  type AugmentHooks,
  type AugmentOptions,
  type AugmentPlan,
  type AugmentResult,
  augment,
} from './augment/augment.js';
export {
  type FetchHooks,
  type FetchProgress,
  type FetchSummary,
  fetchPapers,
} from './data/arxiv/fetch.js';
export type { CategoryCount } from './data/arxiv/newest.js';
export type { FetchOptions } from './data/arxiv/options.js';
export type { CopiesRecord } from './data/copies.js';
export {
  type ImportHooks,
  type ImportOptions,
  type ImportResult,
  importPapers,
} from './data/import.js';
export type { Leaks } from './data/leaks.js';
export type { PrepareOptions, PrepareRule } from './data/prepare-options.js';
export { type PrepareFolderOptions, type PrepareResult, prepare } from './data/prepared-folder.js';
export { ArxivNativeError, type ErrorCode } from './errors.js';
export {
  type AgainstFirst,
  type Compared,
  type ComparedModel,
  type CompareModelsHooks,
  type CompareModelsOptions,
  type Comparison,
  compareModels,
} from './evaluate/compare-models.js';
export {
  type DescribeEvent,
  type DescribeHooks,
  type DescribeOptions,
  type Description,
  describe,
} from './evaluate/describe.js';
export {
  type AgainstOther,
  type Ensemble,
  type EnsembleMember,
  type EnsembleModelsHooks,
  type EnsembleModelsOptions,
  ensembleModels,
} from './evaluate/ensemble-models.js';
export {
  type EvaluateModelHooks,
  type EvaluateModelOptions,
  type Evaluation,
  evaluateModel,
} from './evaluate/evaluate-model.js';
export type { Averages, CategoryMetrics, ClassMetrics, CountMetrics, Metrics } from './evaluate/metrics.js';
export type { JudgedPart } from './evaluate/parts.js';
export {
  type Report,
  type ReportModelHooks,
  type ReportModelOptions,
  reportModel,
} from './evaluate/report/report-model.js';
export {
  type TuneModelHooks,
  type TuneModelOptions,
  type Tuning,
  tuneModel,
} from './evaluate/tune-model.js';
export {
  type ImportCheckpointOptions,
  type ImportCheckpointResult,
  type ImportRecord,
  importCheckpoint,
} from './model/import-checkpoint.js';
export type { Scales } from './model/words.js';
export type { Precision } from './native.js';
export {
  type LoadOptions,
  type PaperText,
  type Prediction,
  type PredictOptions,
  Predictor,
} from './serve/predictor.js';
export { type DistillOptions, distill } from './train/distill/distill.js';
export type { DistillationOptions } from './train/distill/lesson.js';
export {
  type Figures,
  type PretrainEvent,
  type PretrainHooks,
  type PretrainOptions,
  type PretrainPlan,
  type PretrainRecord,
  type PretrainResult,
  pretrain,
} from './train/pretrain/pretrain.js';
export type { RandomEncoder, Recipe, RecipeOverrides, RecipeSource } from './train/recipe.js';
export { type SeedFigures, type SeedsResult, type Spread, trainSeeds } from './train/seeds.js';
export {
  type EpochRecord,
  type SessionRecord,
  type TrainEvent,
  type TrainHooks,
  type TrainingRecord,
  type TrainOptions,
  type TrainPlan,
  type TrainResult,
  train,
} from './train/train.js';
