import type { Dataset, Example } from '../data/dataset.js';
import type { ReadHooks, ReadProgress } from '../data/rows.js';
import { ArxivNativeError } from '../errors.js';
import type { Decision, DecisionRule } from '../model/decision.js';
import { checkPlacement, type LoadedModel, type PlacementOptions, placeSavedModel } from '../model/load.js';
import { openSavedModel, type SavedModel, saveDecision } from '../model/saved-model.js';
import { refuseShipped } from '../model/shipped.js';
import { throwIfCancelled } from '../util/cancel.js';
import { checkChoice, checkOptions } from '../util/options.js';
import { askBaseline, type BaselineEvent } from './baseline/ask-baseline.js';
import { decide } from './decide.js';
import { targetsOf } from './figures.js';
import { evaluate, type Metrics } from './metrics.js';
import type { Answers } from './opened-models.js';
import {
  countSeen,
  findOwnDataBeside,
  loadAsTrained,
  loadOwnData,
  type OwnData,
  type SeenPapers,
} from './own-data.js';
import { byPart, eachPart, type JudgedPart } from './parts.js';
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
  /** The folder that train wrote, or arxiv-classifier. */
  model: string;
  /** A prepared folder; the data that the model was trained on if absent. */
  data?: string | undefined;
  /** The class that gets a threshold. Without it or `all`, only the temperature is fitted. */
  class?: string | undefined;
  /** A threshold for every class. */
  all?: boolean | undefined;
  /** What thresholds are to raise; `accuracy` if absent. */
  objective?: ThresholdObjective | undefined;
  /** Whether TF-IDF and logistic regression, trained on the model's own data, stand beside it: by default, they do. */
  baseline?: boolean | undefined;
  /** Fit and tell, and leave the model as it is. */
  dryRun?: boolean | undefined;
}

export interface TuneModelHooks {
  onProgress?: ((event: TuneModelEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Where trained baselines are kept; by default the project's own cache. */
  cache?: string | undefined;
}

export type TuneModelEvent =
  | ({ type: 'reading' } & ReadProgress)
  | { type: 'predicting'; split: JudgedPart; done: number; total: number }
  | BaselineEvent;

export interface Tuning {
  /** Absolute. */
  model: string;
  source: string;
  /** The model's before, and the fitted one. */
  before: Decision;
  after: Decision;
  /** By each of them; both were chosen without the test papers. */
  figures: Record<JudgedPart, { before: Metrics; after: Metrics }>;
  baseline?: {
    /** What it was trained on. */
    source: string;
    figures: Record<JudgedPart, Metrics>;
  };
  /** Why there is no baseline, though it was not declined. */
  baselineOmitted?: string;
  /**
   * How many of these papers the model was trained or selected by; absent for its own data, and where that cannot be
   * had.
   */
  seen?: Record<JudgedPart, SeenPapers>;
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
  checkPlacement(options);
  const saved = await openSavedModel(options.model);
  if (options.dryRun !== true)
    refuseShipped(saved.folder, 'Copy the folder and tune the copy, or see by --dry-run what would change.');
  const loaded = await placeSavedModel(saved, options);
  try {
    checkClass(options.class, saved.labels);
    const reading = {
      signal: hooks.signal,
      onProgress: (progress: ReadProgress) => hooks.onProgress?.({ type: 'reading', ...progress }),
    };
    const dataset = await readDataset(saved, options.data, reading);
    const own = await findOwnDataBeside(dataset, saved, reading);
    const seen = options.data === undefined ? undefined : seenOf(dataset, own);
    const said = {
      validation: await answersOf(loaded, dataset.validation, 'validation', hooks),
      test: await answersOf(loaded, dataset.test, 'test', hooks),
    };
    const { baseline: wanted = true } = options;
    const { baseline, baselineOmitted } = wanted
      ? await askBaseline([own], [dataset.validation, dataset.test], hooks)
      : {};
    const { after, curve } = fitDecision(
      said.validation,
      targetsOf(dataset.validation),
      saved.labels,
      options,
    );
    const before = saved.thresholds;
    const judge = (part: JudgedPart, answers: Answers) => metricsOf(dataset[part], answers, saved.labels);
    const by = (part: JudgedPart, decision: Decision) =>
      judge(part, decided(said[part], saved.labels, decision));
    const ofBaseline = baseline && byPart(baseline.parts);
    throwIfCancelled(hooks.signal, 'tuning');
    const written = options.dryRun !== true;
    if (written) await saveDecision(saved, after);
    return {
      model: saved.folder,
      source: dataset.source,
      before,
      after,
      figures: eachPart(part => ({ before: by(part, before), after: by(part, after) })),
      ...(ofBaseline && {
        baseline: { source: baseline.source, figures: eachPart(part => judge(part, ofBaseline[part])) },
      }),
      ...(baselineOmitted !== undefined && { baselineOmitted }),
      ...(seen && { seen }),
      ...(curve && { curve }),
      written,
    };
  } finally {
    loaded.model.dispose();
  }
}

async function readDataset(saved: SavedModel, data: string | undefined, hooks: ReadHooks): Promise<Dataset> {
  const dataset =
    data === undefined ? await loadOwnData(saved, hooks) : await loadAsTrained(saved, data, hooks);
  if (dataset.labels.join('\n') === saved.labels.join('\n')) return dataset;
  throw new ArxivNativeError('BAD_INPUT', `${dataset.source} has other classes than the model`, {
    remedy: 'Prepare it with --categories and the classes of the model.',
  });
}

function seenOf(dataset: Dataset, own: OwnData): Tuning['seen'] {
  if ('missing' in own) return undefined;
  return eachPart(part =>
    countSeen(
      dataset[part].map(({ paper }) => paper),
      own.dataset,
    ),
  );
}

function answersOf(
  loaded: LoadedModel,
  examples: readonly Example[],
  split: JudgedPart,
  { signal, onProgress }: TuneModelHooks,
): Promise<ModelAnswers> {
  return answersOfModel(loaded, examples, {
    signal,
    onProgress: done => onProgress?.({ type: 'predicting', split, done, total: examples.length }),
  });
}

/** Thresholds are of the probabilities that the temperature gives. */
function fitDecision(
  { logits, probabilities: probabilitiesAt }: ModelAnswers,
  targets: readonly number[],
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

function decided(
  { probabilities: probabilitiesAt }: ModelAnswers,
  labels: readonly string[],
  decision: Decision,
): Answers {
  const probabilities = probabilitiesAt(decision.temperature ?? 1);
  return { probabilities, predicted: decide(probabilities, labels, decision) };
}

function metricsOf(
  examples: readonly Example[],
  { probabilities, predicted }: Answers,
  labels: readonly string[],
): Metrics {
  const categories = examples.map(({ paper }) => paper.categories);
  return evaluate(probabilities, targetsOf(examples), labels, { predicted, categories });
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
      baseline: 'boolean',
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
