import type { Dataset, Example } from '../data/dataset.js';
import type { ReadHooks, ReadProgress } from '../data/rows.js';
import { ArxivNativeError } from '../errors.js';
import type { Decision, DecisionRule } from '../model/decision.js';
import { type LoadedModel, loadSavedModel, type PlacementOptions } from '../model/load.js';
import { type SavedModel, saveDecision } from '../model/saved-model.js';
import { throwIfCancelled } from '../util/cancel.js';
import { checkChoice, checkOptions } from '../util/options.js';
import { decide } from './decide.js';
import { targetsOf } from './figures.js';
import { evaluate, type Metrics } from './metrics.js';
import { countSeen, loadAsTrained, loadOwnData, type SeenPapers } from './own-data.js';
import { answersOfModel, type ModelAnswers } from './probabilities-of-model.js';
import { fitTemperature } from './temperature.js';
import {
  checkClass,
  fitThreshold,
  fitThresholds,
  type ThresholdObjective,
  type ThresholdPoint,
} from './thresholds.js';

export const OBJECTIVES = ['accuracy', 'macroF1'] as const;

export interface TuneModelOptions extends PlacementOptions {
  /** The folder that train wrote. */
  model: string;
  /** A prepared folder; the data that the model was trained on if absent. */
  data?: string | undefined;
  /** The class that gets a threshold. Without it or `all`, only the temperature is fitted. */
  class?: string | undefined;
  /** A threshold for every class. */
  all?: boolean | undefined;
  /** What thresholds are to raise; `accuracy` if absent. */
  objective?: ThresholdObjective | undefined;
  /** Fit and tell, and leave the model as it is. */
  dryRun?: boolean | undefined;
}

export interface TuneModelHooks {
  onProgress?: ((event: TuneModelEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export type TuneModelEvent =
  | ({ type: 'reading' } & ReadProgress)
  | { type: 'predicting'; split: TunedPart; done: number; total: number };

export type TunedPart = 'validation' | 'test';

export interface Tuning {
  /** Absolute. */
  model: string;
  source: string;
  /** The model's before, and the fitted one. */
  before: Decision;
  after: Decision;
  /** By each of them; both were chosen without the test papers. */
  figures: Record<TunedPart, { before: Metrics; after: Metrics }>;
  /**
   * How many of these papers the model was trained or selected by; absent for its own data, and where that cannot be
   * had.
   */
  seen?: Record<TunedPart, SeenPapers>;
  /** Of one class's threshold, on the validation papers: from the most probable class to this one everywhere. */
  curve?: ThresholdPoint[];
  /** Whether the model now decides by the fitted rule. */
  written: boolean;
}

/**
 * Fits a temperature and, where asked for, thresholds on the validation papers, and lets the model decide by them.
 *
 * @throws ArxivNativeError BAD_OPTION, BAD_MODEL, BAD_INPUT (as evaluateModel), UNSUPPORTED, NON_FINITE, IO, CANCELLED
 */
export async function tuneModel(options: TuneModelOptions, hooks: TuneModelHooks = {}): Promise<Tuning> {
  checkTuneOptions(options);
  const loaded = await loadSavedModel(options.model, options);
  const { saved } = loaded;
  try {
    checkClass(options.class, saved.labels);
    const reading = {
      signal: hooks.signal,
      onProgress: (progress: ReadProgress) => hooks.onProgress?.({ type: 'reading', ...progress }),
    };
    const dataset =
      options.data === undefined
        ? await loadOwnData(saved, reading)
        : await loadAsTrained(saved, options.data, reading);
    if (dataset.labels.join('\n') !== saved.labels.join('\n')) {
      throw new ArxivNativeError('BAD_INPUT', `${dataset.source} has other classes than the model`, {
        remedy: 'Prepare it with --categories and the classes of the model.',
      });
    }
    const seen = options.data === undefined ? undefined : await seenOf(saved, dataset, reading);
    const validation = await answersOf(loaded, dataset.validation, 'validation', hooks);
    const test = await answersOf(loaded, dataset.test, 'test', hooks);
    const { after, curve } = fitDecision(validation, saved.labels, options);
    const before = saved.thresholds;
    const figures = (answers: Answers) => ({
      before: judge(answers, saved.labels, before),
      after: judge(answers, saved.labels, after),
    });
    throwIfCancelled(hooks.signal, 'tuning');
    const written = options.dryRun !== true;
    if (written) await saveDecision(saved, after);
    return {
      model: saved.folder,
      source: dataset.source,
      before,
      after,
      figures: { validation: figures(validation), test: figures(test) },
      ...(seen && { seen }),
      ...(curve && { curve }),
      written,
    };
  } finally {
    loaded.model.dispose();
  }
}

async function seenOf(saved: SavedModel, dataset: Dataset, hooks: ReadHooks): Promise<Tuning['seen']> {
  const own = await loadOwnData(saved, hooks).catch(error => {
    if (error instanceof ArxivNativeError && error.code !== 'CANCELLED') return undefined;
    throw error;
  });
  if (own === undefined) return undefined;
  const seen = (part: TunedPart) =>
    countSeen(
      dataset[part].map(({ paper }) => paper),
      own,
    );
  return { validation: seen('validation'), test: seen('test') };
}

interface Answers extends ModelAnswers {
  examples: readonly Example[];
  targets: number[];
}

async function answersOf(
  loaded: LoadedModel,
  examples: readonly Example[],
  split: TunedPart,
  { signal, onProgress }: TuneModelHooks,
): Promise<Answers> {
  const answers = await answersOfModel(loaded, examples, {
    signal,
    onProgress: done => onProgress?.({ type: 'predicting', split, done, total: examples.length }),
  });
  return { ...answers, examples, targets: targetsOf(examples) };
}

/** Thresholds are of the probabilities that the temperature gives. */
function fitDecision(
  { logits, probabilities: probabilitiesAt, targets }: Answers,
  labels: readonly string[],
  { class: label, all = false, objective = 'accuracy' }: TuneModelOptions,
): { after: Decision; curve?: ThresholdPoint[] } {
  const temperature = fitTemperature(logits, targets, labels.length);
  const probabilities = probabilitiesAt(temperature);
  const withTemperature = (rule: DecisionRule) => ({ ...rule, temperature });
  if (all) return { after: withTemperature(fitThresholds(probabilities, targets, labels, { objective })) };
  if (label === undefined) return { after: withTemperature({ method: 'argmax' }) };
  const { rule, curve } = fitThreshold(probabilities, targets, labels, { label, objective });
  return { after: withTemperature(rule), curve };
}

function judge(
  { examples, targets, probabilities: probabilitiesAt }: Answers,
  labels: readonly string[],
  decision: Decision,
): Metrics {
  const probabilities = probabilitiesAt(decision.temperature ?? 1);
  const categories = examples.map(({ paper }) => paper.categories);
  return evaluate(probabilities, targets, labels, {
    predicted: decide(probabilities, labels, decision),
    categories,
  });
}

function checkTuneOptions(options: TuneModelOptions): void {
  checkOptions(
    options,
    {
      model: 'string',
      data: 'string',
      class: 'string',
      all: 'boolean',
      objective: 'string',
      dryRun: 'boolean',
      device: 'string',
      precision: 'string',
      threads: 'number',
    },
    'tuneModel',
  );
  checkChoice('objective', options.objective, OBJECTIVES, 'tuneModel');
  if (options.class !== undefined && options.all === true) {
    throw new ArxivNativeError('BAD_OPTION', 'tuneModel: "class" and "all" exclude each other');
  }
  if (options.objective !== undefined && options.class === undefined && options.all !== true) {
    throw new ArxivNativeError(
      'BAD_OPTION',
      'tuneModel: "objective" is of thresholds, and none is asked for',
      {
        remedy: 'Give --class with a class, or --all.',
      },
    );
  }
  if (options.model !== undefined) return;
  throw new ArxivNativeError('BAD_OPTION', 'tuneModel: there is no "model"', {
    remedy: 'Give the folder that training wrote.',
  });
}
