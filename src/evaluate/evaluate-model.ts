import type { Example } from '../data/dataset.js';
import { SPLITS, type Split } from '../data/paper.js';
import type { ReadProgress } from '../data/rows.js';
import { ArxivNativeError } from '../errors.js';
import type { Decision } from '../model/decision.js';
import { type LoadedModel, loadSavedModel, type PlacementOptions } from '../model/load.js';
import type { SavedModel } from '../model/saved-model.js';
import type { Scales } from '../model/words.js';
import type { Precision } from '../native.js';
import { throwIfCancelled } from '../util/cancel.js';
import { checkChoice, checkOptions, checkWhole } from '../util/options.js';
import { checkOutput } from '../util/output.js';
import { DEFAULT_SEED } from '../util/random.js';
import { askBaseline, type BaselineEvent } from './baseline/ask-baseline.js';
import { bootstrapDifference, type MetricIntervals } from './bootstrap.js';
import { decide } from './decide.js';
import { type Exam, type LeftOut, openExam } from './exam.js';
import { type Figures, figuresOf, targetsOf } from './figures.js';
import { type McNemar, mcnemar } from './mcnemar.js';
import { type Objectives, objectives } from './objectives.js';
import type { Answers } from './opened-models.js';
import { inputsOf, type SeenPapers, type TrainingFacts, trainingFacts } from './own-data.js';
import { writePredictions } from './predictions.js';
import { answersOfModel } from './probabilities-of-model.js';

export interface EvaluateModelOptions extends PlacementOptions {
  /** The folder that train wrote, or arxiv-classifier. */
  model: string;
  /** A prepared folder, or a file of labelled papers; the data that the model was trained on if absent. */
  data?: string | undefined;
  /** The part of that data: `test` if absent. Of a file all papers are taken if absent. */
  split?: Split | undefined;
  /** Whether TF-IDF and logistic regression, trained on the model's own data, stand beside it: by default, they do. */
  baseline?: boolean | undefined;
  /** Draws the samples of the intervals; 42 if absent. */
  seed?: number | undefined;
  /** A file for what was said of each paper: JSON lines. */
  output?: string | undefined;
  /** Replace that file. */
  force?: boolean | undefined;
}

export interface EvaluateModelHooks {
  onProgress?: ((event: EvaluateModelEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Where trained baselines are kept; by default the project's own cache. */
  cache?: string | undefined;
}

export type EvaluateModelEvent =
  | ({ type: 'reading' } & ReadProgress)
  | { type: 'predicting'; done: number; total: number }
  | BaselineEvent
  /** Drawing the samples of the intervals: of the model, of what it is judged beside, and of their difference. */
  | { type: 'intervals'; done: number; total: number };

export interface BaselineComparison extends Figures {
  /** Each figure of the model minus that of the baseline. */
  difference: MetricIntervals;
  /** The model is the first. */
  mcnemar: McNemar;
}

export interface Evaluation extends Figures {
  /** Absolute. */
  model: string;
  labels: string[];
  device: string;
  precision: Precision;
  data: {
    source: string;
    /** Absent for a file of which all papers were taken. */
    split?: Split;
    papers: number;
    leftOut: LeftOut;
    /** Of the papers, how many the model was trained or selected by; absent where its own data cannot be had. */
    seen?: SeenPapers;
  };
  seed: number;
  /** By which `metrics` come about. */
  decision: Decision;
  /** Of encoder and words in the model's logits; absent for an encoder alone. */
  scales?: Scales;
  /** What the most probable class alone would give; absent where that is the rule. */
  argmax?: Figures;
  /** As training recorded them; see {@link TrainingFacts.accuracies}. */
  accuracies: TrainingFacts['accuracies'];
  /** Absent for a model without a class cs.AI, and where no paper is of it. */
  objectives?: Objectives;
  baseline?: BaselineComparison;
  /** Why there is no baseline, though it was not declined. */
  baselineOmitted?: string;
}

/**
 * Examines a saved model by labelled papers: how often it is right, how sure that is, and what words alone would reach.
 *
 * @throws ArxivNativeError BAD_OPTION, BAD_MODEL, BAD_INPUT (as loadDataset does; where the model's own data is gone or
 *   changed; where no paper has a label of the model), UNSUPPORTED, OUT_OF_MEMORY, NON_FINITE, IO, CANCELLED, ADDON
 */
export async function evaluateModel(
  options: EvaluateModelOptions,
  hooks: EvaluateModelHooks = {},
): Promise<Evaluation> {
  checkEvaluateOptions(options);
  const { output, force = false } = options;
  const loaded = await loadSavedModel(options.model, options);
  const { saved } = loaded;
  try {
    if (output !== undefined) await checkOutput(output, { force, inputs: inputsOf(saved, options.data) });
    const exam = await openExam(saved, options, {
      signal: hooks.signal,
      onProgress: progress => hooks.onProgress?.({ type: 'reading', ...progress }),
    });
    const { evaluation, ...answers } = await judgeExam(loaded, exam, options, hooks);
    if (output !== undefined) {
      const predictions = { examples: exam.examples, labels: saved.labels, ...answers };
      await writePredictions(output, predictions, { force, signal: hooks.signal });
    }
    return evaluation;
  } finally {
    loaded.model.dispose();
  }
}

/**
 * What a loaded model says of an exam's papers, and what that is worth.
 *
 * @throws ArxivNativeError as {@link evaluateModel}
 */
export async function judgeExam(
  loaded: LoadedModel,
  exam: Exam,
  options: Pick<EvaluateModelOptions, 'baseline' | 'seed'>,
  hooks: EvaluateModelHooks,
): Promise<{
  evaluation: Evaluation;
  /** papers × classes, row-major, by the model's temperature. */
  probabilities: Float64Array;
  /** By the model's rule. */
  predicted: Int32Array;
}> {
  const { saved, device, precision } = loaded;
  const { seed = DEFAULT_SEED } = options;
  const said = await answersOfModel(loaded, exam.examples, {
    signal: hooks.signal,
    onProgress: done => hooks.onProgress?.({ type: 'predicting', done, total: exam.examples.length }),
  });
  const probabilities = said.probabilities();
  const predicted = decide(probabilities, saved.labels, saved.thresholds);
  const judged = await judge(saved, exam, { probabilities, predicted }, options, hooks);
  return { evaluation: { ...judged, device, precision, seed }, probabilities, predicted };
}

async function judge(
  saved: SavedModel,
  exam: Exam,
  answers: Answers,
  { baseline: wanted = true, seed = DEFAULT_SEED }: Pick<EvaluateModelOptions, 'baseline' | 'seed'>,
  hooks: EvaluateModelHooks,
): Promise<Omit<Evaluation, 'device' | 'precision' | 'seed'>> {
  const { folder: model, labels, words, thresholds: decision } = saved;
  const { examples, source, split, leftOut, seen, own } = exam;
  const { baseline, baselineOmitted } = wanted ? await askBaseline([own], [examples], hooks) : {};
  throwIfCancelled(hooks.signal, 'evaluating');
  const figures = await allFigures(saved, examples, answers, baseline?.parts[0], seed, hooks);
  const { accuracies = {} } = trainingFacts(saved) ?? {};
  const met = objectives(figures.metrics, accuracies);
  return {
    model,
    labels,
    data: {
      source,
      ...(split && { split }),
      papers: examples.length,
      leftOut,
      ...(seen && { seen }),
    },
    decision,
    ...(words && { scales: words.scales }),
    ...figures,
    accuracies,
    ...(met && { objectives: met }),
    ...(baselineOmitted !== undefined && { baselineOmitted }),
  };
}

/** Of the model, of what it is judged beside, and of what lies between them: all that has intervals. */
async function allFigures(
  { labels, thresholds }: SavedModel,
  examples: readonly Example[],
  answers: Answers,
  ofBaseline: Answers | undefined,
  seed: number,
  { signal, onProgress }: EvaluateModelHooks,
): Promise<Figures & Pick<Evaluation, 'argmax' | 'baseline'>> {
  const hasRule = thresholds.method !== 'argmax';
  const total = 1 + (hasRule ? 1 : 0) + (ofBaseline ? 2 : 0);
  let done = 0;
  const report = () => onProgress?.({ type: 'intervals', done, total });
  const drawn = async <T>(set: Promise<T>): Promise<T> => {
    const found = await set;
    done += 1;
    report();
    return found;
  };
  const figures = (of: Parameters<typeof figuresOf>[2]) =>
    drawn(figuresOf(examples, labels, of, { seed, signal }));
  const compare = async (other: Answers): Promise<BaselineComparison> => {
    const targets = targetsOf(examples);
    const options = { seed, signal };
    return {
      ...(await figures(other)),
      difference: await drawn(bootstrapDifference(answers, other, targets, labels, options)),
      mcnemar: mcnemar(answers.predicted, other.predicted, targets),
    };
  };
  report();
  return {
    ...(await figures(answers)),
    ...(hasRule && { argmax: await figures({ probabilities: answers.probabilities }) }),
    ...(ofBaseline && { baseline: await compare(ofBaseline) }),
  };
}

function checkEvaluateOptions(options: EvaluateModelOptions): void {
  checkOptions(
    options,
    {
      model: 'string',
      data: 'string',
      split: 'string',
      baseline: 'boolean',
      seed: 'number',
      output: 'string',
      force: 'boolean',
      device: 'string',
      precision: 'string',
      threads: 'number',
    },
    'evaluateModel',
  );
  checkChoice('split', options.split, SPLITS, 'evaluateModel');
  checkWhole('seed', options.seed, 0, 'evaluateModel');
  if (options.model !== undefined) return;
  throw new ArxivNativeError('BAD_OPTION', 'evaluateModel: there is no "model"', {
    remedy: 'Give the folder that training wrote.',
  });
}
