import { basename, resolve } from 'node:path';
import { SPLITS, type Split } from '../../data/paper.js';
import { ArxivNativeError } from '../../errors.js';
import { checkPlacement, type PlacementOptions, placeSavedModel } from '../../model/load.js';
import { openSavedModel, type SavedModel } from '../../model/saved-model.js';
import { isShipped } from '../../model/shipped.js';
import { throwIfCancelled } from '../../util/cancel.js';
import { checkChoice, checkOptions, checkWhole } from '../../util/options.js';
import { checkOutput, writeLines } from '../../util/output.js';
import { type CalibrationBin, calibrationBins } from '../calibration.js';
import {
  type EvaluateModelEvent,
  type EvaluateModelHooks,
  type Evaluation,
  judgeExam,
} from '../evaluate-model.js';
import { type Exam, openExam } from '../exam.js';
import { targetsOf } from '../figures.js';
import { argMaxRows } from '../metrics.js';
import { inputsOf } from '../own-data.js';
import { answersOfModel } from '../probabilities-of-model.js';
import { checkClass, fitThreshold, type ThresholdPoint } from '../thresholds.js';
import { type History, readHistory } from './history.js';
import { type Mistake, worstMistakes } from './mistakes.js';
import { reportPage } from './report-page.js';

export interface ReportModelOptions extends PlacementOptions {
  /** The folder that train or importCheckpoint wrote, or arxiv-classifier. */
  model: string;
  /** A prepared folder, or a file of labelled papers; the data that the model was trained on if absent. */
  data?: string | undefined;
  /** The part of that data: `test` if absent. Of a file all papers are taken if absent. */
  split?: Split | undefined;
  /** The page; if absent, the model's name and `.html`, beside it, or of the package's own in the working folder. */
  output?: string | undefined;
  /** Replace that file. */
  force?: boolean | undefined;
  /** The class whose threshold is shown; cs.AI if absent. */
  class?: string | undefined;
  /** Of the worst mistakes so many are shown; 12 if absent. */
  mistakes?: number | undefined;
  /** Whether TF-IDF and logistic regression, trained on the model's own data, stand beside it: by default, they do. */
  baseline?: boolean | undefined;
  /** Draws the samples of the intervals; 42 if absent. */
  seed?: number | undefined;
}

export interface ReportModelHooks extends Omit<EvaluateModelHooks, 'onProgress'> {
  onProgress?: ((event: ReportModelEvent) => void) | undefined;
}

export type ReportModelEvent = EvaluateModelEvent | { type: 'validating'; done: number; total: number };

/** What the threshold of a class trades, on papers that thresholds may be chosen by; the other classes have none. */
export interface ThresholdCurve {
  label: string;
  papers: number;
  points: ThresholdPoint[];
}

/** What a page says. What could not be made is absent, and `omitted` says why. */
export interface Report {
  /** Absolute, as is `output`. */
  model: string;
  output: string;
  labels: string[];
  evaluation?: Evaluation;
  calibration?: CalibrationBin[];
  curve?: ThresholdCurve;
  mistakes?: Mistake[];
  history: History;
  omitted: { part: OmittedPart; why: string }[];
}

export type OmittedPart = 'evaluation' | 'curve' | 'baseline' | 'history';

const DEFAULT_CLASS = 'cs.AI';
const DEFAULT_MISTAKES = 12;

/**
 * Writes a page about a saved model, one file that opens without a network: its figures, its mistakes, how it learned
 * and from what. A model whose data is gone, or that was imported, gets the parts that can be made.
 *
 * @throws ArxivNativeError BAD_OPTION, BAD_MODEL, BAD_INPUT (of `data`, where it is given), UNSUPPORTED, OUT_OF_MEMORY,
 *   NON_FINITE, IO, CANCELLED, ADDON
 */
export async function reportModel(
  options: ReportModelOptions,
  hooks: ReportModelHooks = {},
): Promise<Report> {
  checkReportOptions(options);
  const { force = false } = options;
  const saved = await openSavedModel(options.model);
  checkClass(options.class, saved.labels);
  // Not among the package's own files: the next installation would take it away.
  const beside = isShipped(saved.folder) ? basename(saved.folder) : saved.folder;
  const output = resolve(options.output ?? `${beside}.html`);
  await checkOutput(output, { force, inputs: inputsOf(saved, options.data) });
  const exam = await findExam(saved, options, hooks);
  const history = await readHistory(saved);
  const examined: Pick<Report, Examined | 'omitted'> =
    'missing' in exam
      ? { omitted: [{ part: 'evaluation', why: exam.missing }] }
      : await examine(saved, exam, options, hooks);
  const report: Report = {
    model: saved.folder,
    output,
    labels: saved.labels,
    ...examined,
    history,
    omitted: [
      ...examined.omitted,
      ...(history.epochs.length > 0
        ? []
        : [{ part: 'history' as const, why: 'the model holds no history of its training' }]),
    ],
  };
  const page = await reportPage(saved, report);
  throwIfCancelled(hooks.signal, 'writing the report');
  await writeLines(output, [page], { force, signal: hooks.signal });
  return report;
}

type Examined = 'evaluation' | 'calibration' | 'curve' | 'mistakes';

/** The papers, or why there are none: papers that were asked for by name must be there. */
async function findExam(
  saved: SavedModel,
  { data, split }: ReportModelOptions,
  hooks: ReportModelHooks,
): Promise<Exam | { missing: string }> {
  const reading = {
    signal: hooks.signal,
    onProgress: progress => hooks.onProgress?.({ type: 'reading', ...progress }),
  } satisfies Parameters<typeof openExam>[2];
  return openExam(saved, { data, split }, reading).catch(error => {
    const isGone = error instanceof ArxivNativeError && error.code === 'BAD_INPUT';
    if (data === undefined && isGone) return { missing: error.message };
    throw error;
  });
}

async function examine(
  saved: SavedModel,
  exam: Exam,
  options: ReportModelOptions,
  hooks: ReportModelHooks,
): Promise<Pick<Report, Examined | 'omitted'>> {
  const { examples, validation = [] } = exam;
  const { labels } = saved;
  const label = options.class ?? DEFAULT_CLASS;
  const loaded = await placeSavedModel(saved, options);
  try {
    const { evaluation, probabilities, predicted } = await judgeExam(loaded, exam, options, hooks);
    const { baselineOmitted } = evaluation;
    const why = !labels.includes(label)
      ? `the model has no class ${label}; --class names one`
      : validation.length === 0
        ? 'there are no validation papers to choose one by'
        : undefined;
    const answers =
      why === undefined
        ? await answersOfModel(loaded, validation, {
            signal: hooks.signal,
            onProgress: done => hooks.onProgress?.({ type: 'validating', done, total: validation.length }),
          })
        : undefined;
    return {
      evaluation,
      calibration: calibrationBins(
        probabilities,
        argMaxRows(probabilities, labels.length),
        targetsOf(examples),
      ),
      ...(answers && { curve: curveOf(answers.probabilities(), validation, labels, label) }),
      mistakes: worstMistakes(
        examples,
        labels,
        { probabilities, predicted },
        options.mistakes ?? DEFAULT_MISTAKES,
      ),
      omitted: [
        ...(why === undefined ? [] : [{ part: 'curve' as const, why }]),
        ...(baselineOmitted === undefined ? [] : [{ part: 'baseline' as const, why: baselineOmitted }]),
      ],
    };
  } finally {
    loaded.model.dispose();
  }
}

function curveOf(
  probabilities: Float64Array,
  validation: NonNullable<Exam['validation']>,
  labels: readonly string[],
  label: string,
): ThresholdCurve {
  const { curve } = fitThreshold(probabilities, targetsOf(validation), labels, {
    label,
    objective: 'accuracy',
  });
  return { label, papers: validation.length, points: curve };
}

function checkReportOptions(options: ReportModelOptions): void {
  checkOptions(
    options,
    {
      model: 'string',
      data: 'string',
      split: 'string',
      output: 'string',
      force: 'boolean',
      class: 'string',
      mistakes: 'number',
      baseline: 'boolean',
      seed: 'number',
      device: 'string',
      precision: 'string',
      threads: 'number',
    },
    'reportModel',
  );
  checkChoice('split', options.split, SPLITS, 'reportModel');
  checkWhole('mistakes', options.mistakes, 0, 'reportModel');
  checkWhole('seed', options.seed, 0, 'reportModel');
  checkPlacement(options);
  if (options.model !== undefined) return;
  throw new ArxivNativeError('BAD_OPTION', 'reportModel: there is no "model"', {
    remedy: 'Give the folder that training wrote.',
  });
}
