import type { Example } from '../data/dataset.js';
import { SPLITS, type Split } from '../data/paper.js';
import type { ReadProgress } from '../data/rows.js';
import type { Decision } from '../model/decision.js';
import { checkPlacement, type PlacementOptions } from '../model/load.js';
import type { Precision } from '../native.js';
import { checkChoice, checkOptions, checkWhole } from '../util/options.js';
import { DEFAULT_SEED } from '../util/random.js';
import { askBaseline, type BaselineEvent } from './baseline/ask-baseline.js';
import { bootstrapDifference, type MetricIntervals } from './bootstrap.js';
import type { Exam, LeftOut } from './exam.js';
import { type Figures, figuresOf, targetsOf } from './figures.js';
import { holm } from './holm.js';
import { type McNemar, mcnemar } from './mcnemar.js';
import { type Objectives, objectives, trainingGap } from './objectives.js';
import { type Answers, askModels, type NamedModel, openModels, openSameExams } from './opened-models.js';
import { type SeenPapers, type TrainingFacts, trainingFacts } from './own-data.js';
import { checkClass } from './thresholds.js';

export interface CompareModelsOptions extends PlacementOptions {
  /** The folders that train wrote: two or more. All others are tested against the first. */
  models: readonly string[];
  /** A prepared folder, or a file of labelled papers; the data that all models were trained on if absent. */
  data?: string | undefined;
  /** The part of that data: `test` if absent. Of a file all papers are taken if absent. */
  split?: Split | undefined;
  /** Whether TF-IDF and logistic regression, trained on the models' own data, stand beside them: by default, they do. */
  baseline?: boolean | undefined;
  /** The class whose recall is shown; cs.AI if absent and the models have it. */
  class?: string | undefined;
  /** Draws the samples of the intervals; 42 if absent. */
  seed?: number | undefined;
}

export interface CompareModelsHooks {
  onProgress?: ((event: CompareModelsEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Where trained baselines are kept; by default the project's own cache. */
  cache?: string | undefined;
}

export type CompareModelsEvent =
  | ({ type: 'reading' } & ReadProgress)
  | { type: 'predicting'; name: string; done: number; total: number }
  | BaselineEvent
  /** Drawing the samples of the intervals, by models (the baseline is one). */
  | { type: 'intervals'; done: number; total: number };

/** A paired comparison on the same papers. */
export interface AgainstFirst {
  /** Each figure of this one minus that of the first model. */
  difference: MetricIntervals;
  /** `onlyFirst` counts papers that only this one classifies rightly, `onlySecond` those of the first model. */
  mcnemar: McNemar;
  /** McNemar's p after Holm's correction for as many tests as there are here. */
  adjustedPValue: number;
}

export interface Compared extends Figures {
  /** Absent for the first model. */
  against?: AgainstFirst;
  /** Absent without a class cs.AI, and where no paper is of it. */
  objectives?: Objectives;
}

export interface ComparedModel extends Compared {
  /** The end of the folder's path that no other one has. */
  name: string;
  /** Absolute. */
  model: string;
  /** By which `metrics` come about. */
  decision: Decision;
  /** Of the papers, how many it was trained or selected by; absent where its own data cannot be had. */
  seen?: SeenPapers;
  /** As training recorded them; see {@link TrainingFacts.accuracies}. */
  accuracies: TrainingFacts['accuracies'];
  /** Recorded accuracy on the training papers minus that on the validation papers. */
  gap?: number;
}

export interface Comparison {
  labels: string[];
  /** Whose recall is shown; absent where none was named and there is no cs.AI. */
  class?: string;
  data: {
    source: string;
    /** Absent for a file of which all papers were taken. */
    split?: Split;
    papers: number;
    leftOut: LeftOut;
  };
  seed: number;
  device: string;
  precision: Precision;
  /** In the order given. */
  models: ComparedModel[];
  baseline?: Compared & {
    /** What it was trained on. */
    source: string;
  };
  /** Why there is no baseline, though it was not declined. */
  baselineOmitted?: string;
}

const DEFAULT_CLASS = 'cs.AI';

/**
 * Judges several saved models by the same papers, and tests each against the first.
 *
 * @throws ArxivNativeError BAD_OPTION, BAD_MODEL, BAD_INPUT (models of other classes, or of other data where none is
 *   given; otherwise as evaluateModel), UNSUPPORTED, OUT_OF_MEMORY, NON_FINITE, IO, CANCELLED, ADDON
 */
export async function compareModels(
  options: CompareModelsOptions,
  hooks: CompareModelsHooks = {},
): Promise<Comparison> {
  checkCompareOptions(options);
  const { data, baseline: wanted = true, seed = DEFAULT_SEED } = options;
  const models = await openModels(options.models, 'compareModels');
  const { labels } = models[0]!.saved;
  checkClass(options.class, labels);
  const splits = options.split && [options.split];
  const [exams = []] = await openSameExams(
    models,
    { data, splits },
    {
      signal: hooks.signal,
      onProgress: progress => hooks.onProgress?.({ type: 'reading', ...progress }),
    },
  );
  const { examples, source, split, leftOut } = exams[0]!;
  const label = shownClass(options.class, labels, examples);
  const asked = await askModels(models, [examples], options, {
    signal: hooks.signal,
    onProgress: (name, done, total) => hooks.onProgress?.({ type: 'predicting', name, done, total }),
  });
  const owns = exams.map(({ own }) => own);
  const { baseline, baselineOmitted } = wanted ? await askBaseline(owns, [examples], hooks) : {};
  const answers = [...asked, ...(baseline ? [baseline] : [])].map(({ parts }) => parts[0]!);
  const compared = await compareAnswers(answers, examples, labels, seed, hooks);
  return {
    labels,
    ...(label !== undefined && { class: label }),
    data: { source, ...(split && { split }), papers: examples.length, leftOut },
    seed,
    device: asked[0]!.device,
    precision: asked[0]!.precision,
    models: models.map((model, m) => comparedModel(model, exams[m]!, compared[m]!)),
    ...(baseline && {
      baseline: { source: baseline.source, ...withObjectives(compared.at(-1)!, {}) },
    }),
    ...(baselineOmitted !== undefined && { baselineOmitted }),
  };
}

function comparedModel(
  { name, saved }: NamedModel,
  { seen }: Exam,
  compared: Figures & Against,
): ComparedModel {
  const { accuracies = {} } = trainingFacts(saved) ?? {};
  const gap = trainingGap(accuracies);
  return {
    name,
    model: saved.folder,
    decision: saved.thresholds,
    ...(seen && { seen }),
    accuracies,
    ...(gap !== undefined && { gap }),
    ...withObjectives(compared, accuracies),
  };
}

type Against = Pick<Compared, 'against'>;

function withObjectives(compared: Figures & Against, accuracies: TrainingFacts['accuracies']): Compared {
  const met = objectives(compared.metrics, accuracies);
  return { ...compared, ...(met && { objectives: met }) };
}

/** The figures of each, and all but the first against the first. */
async function compareAnswers(
  answers: readonly Answers[],
  examples: readonly Example[],
  labels: readonly string[],
  seed: number,
  { signal, onProgress }: CompareModelsHooks,
): Promise<(Figures & Against)[]> {
  const drawing = { seed, signal };
  const targets = targetsOf(examples);
  const [first] = answers;
  const found: (Figures & { against?: Omit<AgainstFirst, 'adjustedPValue'> })[] = [];
  const report = () => onProgress?.({ type: 'intervals', done: found.length, total: answers.length });
  report();
  for (const each of answers) {
    const figures = await figuresOf(examples, labels, each, drawing);
    const against = each !== first && {
      difference: await bootstrapDifference(each, first!, targets, labels, drawing),
      mcnemar: mcnemar(each.predicted, first!.predicted, targets),
    };
    found.push({ ...figures, ...(against && { against }) });
    report();
  }
  const adjusted = holm(found.flatMap(({ against }) => against?.mcnemar.pValue ?? [])).values();
  return found.map(({ against, ...figures }) => ({
    ...figures,
    ...(against && { against: { ...against, adjustedPValue: adjusted.next().value! } }),
  }));
}

/** A class without papers has no recall to show. */
function shownClass(
  label = DEFAULT_CLASS,
  labels: readonly string[],
  examples: readonly Example[],
): string | undefined {
  return examples.some(each => labels[each.label] === label) ? label : undefined;
}

function checkCompareOptions(options: CompareModelsOptions): void {
  checkOptions(
    options,
    {
      models: 'any',
      data: 'string',
      split: 'string',
      baseline: 'boolean',
      class: 'string',
      seed: 'number',
      device: 'string',
      precision: 'string',
      threads: 'number',
    },
    'compareModels',
  );
  checkChoice('split', options.split, SPLITS, 'compareModels');
  checkWhole('seed', options.seed, 0, 'compareModels');
  checkPlacement(options);
}
