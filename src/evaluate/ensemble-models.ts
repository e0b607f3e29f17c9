import type { Example } from '../data/dataset.js';
import type { ReadProgress } from '../data/rows.js';
import type { Decision } from '../model/decision.js';
import { checkPlacement, type PlacementOptions } from '../model/load.js';
import type { Precision } from '../native.js';
import { checkOptions, checkWhole } from '../util/options.js';
import { checkOutput } from '../util/output.js';
import { DEFAULT_SEED } from '../util/random.js';
import { askBaseline, type BaselineEvent } from './baseline/ask-baseline.js';
import { type BootstrapOptions, bootstrapDifference, type MetricIntervals } from './bootstrap.js';
import { averageProbabilities, fitWeights } from './ensemble.js';
import type { Exam, LeftOut } from './exam.js';
import { type Figures, figuresOf, targetsOf } from './figures.js';
import { type McNemar, mcnemar } from './mcnemar.js';
import { argMaxRows } from './metrics.js';
import { type Answers, askModels, openModels, openSameExams } from './opened-models.js';
import { inputsOf, type SeenPapers } from './own-data.js';
import { byPart, eachPart, type JudgedPart } from './parts.js';
import { writePredictions } from './predictions.js';

export interface EnsembleModelsOptions extends PlacementOptions {
  /** The folders that train wrote: two or more. */
  models: readonly string[];
  /** A prepared folder; the data that all models were trained on if absent. */
  data?: string | undefined;
  /** Whether TF-IDF and logistic regression, trained on the models' own data, stand beside them: by default, they do. */
  baseline?: boolean | undefined;
  /** Draws the samples of the intervals; 42 if absent. */
  seed?: number | undefined;
  /** A file for what the ensemble said of each test paper: JSON lines. */
  output?: string | undefined;
  /** Replace that file. */
  force?: boolean | undefined;
}

export interface EnsembleModelsHooks {
  onProgress?: ((event: EnsembleModelsEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Where trained baselines are kept; by default the project's own cache. */
  cache?: string | undefined;
}

export type EnsembleModelsEvent =
  | ({ type: 'reading' } & ReadProgress)
  | { type: 'predicting'; name: string; done: number; total: number }
  | BaselineEvent
  /** Drawing the samples of the intervals: of each that is judged, and of what lies between the ensemble and another. */
  | { type: 'intervals'; done: number; total: number };

export interface EnsembleMember {
  /** The end of the folder's path that no other one has. */
  name: string;
  /** Absolute. */
  model: string;
  /** At least 0; those of all members sum to 1. */
  weight: number;
  /** By which it chooses alone. */
  decision: Decision;
  /** Of the papers, how many it was trained or selected by; absent where its own data cannot be had. */
  seen?: Record<JudgedPart, SeenPapers>;
  figures: Record<JudgedPart, Figures>;
}

export interface Ensemble {
  labels: string[];
  source: string;
  papers: Record<JudgedPart, number>;
  leftOut: Record<JudgedPart, LeftOut>;
  seed: number;
  device: string;
  precision: Precision;
  members: EnsembleMember[];
  /** Of the most probable class by the weighted mean; the weights were fitted on the validation papers. */
  figures: Record<JudgedPart, Figures>;
  /** The name of the member that is best on the validation papers: in accuracy, then in log loss. */
  best: string;
  againstBest: Record<JudgedPart, AgainstOther>;
  baseline?: {
    /** What it was trained on. */
    source: string;
    figures: Record<JudgedPart, Figures>;
  };
  againstBaseline?: Record<JudgedPart, AgainstOther>;
  /** Why there is no baseline, though it was not declined. */
  baselineOmitted?: string;
}

export interface AgainstOther {
  /** Each figure of the ensemble minus that of the other. */
  difference: MetricIntervals;
  /** The ensemble is the first. */
  mcnemar: McNemar;
}

/**
 * The mean of several saved models' probabilities, with weights fitted on the validation papers, judged beside each
 * member alone and beside what words alone reach.
 *
 * @throws ArxivNativeError BAD_OPTION, BAD_MODEL, BAD_INPUT (as compareModels), UNSUPPORTED, OUT_OF_MEMORY, NON_FINITE,
 *   IO, CANCELLED, ADDON
 */
export async function ensembleModels(
  options: EnsembleModelsOptions,
  hooks: EnsembleModelsHooks = {},
): Promise<Ensemble> {
  checkEnsembleOptions(options);
  const { data, baseline: wanted = true, output, force = false, seed = DEFAULT_SEED } = options;
  const { signal, onProgress } = hooks;
  const models = await openModels(options.models, 'ensembleModels');
  const inputs = models.flatMap(({ saved }) => inputsOf(saved, data));
  if (output !== undefined) await checkOutput(output, { force, inputs });
  const { labels } = models[0]!.saved;
  const reading = {
    signal,
    onProgress: (progress: ReadProgress) => onProgress?.({ type: 'reading', ...progress }),
  };
  const splits = ['validation', 'test'] as const;
  const exams = byPart(await openSameExams(models, { data, splits }, reading));
  const examples = eachPart(part => exams[part][0]!.examples);
  const asked = await askModels(models, [examples.validation, examples.test], options, {
    signal,
    onProgress: (name, done, total) => onProgress?.({ type: 'predicting', name, done, total }),
  });
  const owns = exams.test.map(({ own }) => own);
  const { baseline, baselineOmitted } = wanted
    ? await askBaseline(owns, [examples.validation, examples.test], hooks)
    : {};
  const members = asked.map(({ parts }) => byPart(parts));
  const weights = fitWeights(
    members.map(({ validation }) => validation.probabilities),
    targetsOf(examples.validation),
    labels.length,
  );
  const ensemble = eachPart(part => {
    const said = members.map(member => member[part].probabilities);
    const probabilities = averageProbabilities(said, weights);
    return { probabilities, predicted: argMaxRows(probabilities, labels.length) };
  });
  const { figures, best, ...against } = await drawFigures(
    { members, ensemble, baseline: baseline && byPart(baseline.parts) },
    examples,
    labels,
    { seed, signal },
    onProgress,
  );
  const result: Ensemble = {
    labels,
    source: exams.test[0]!.source,
    papers: eachPart(part => examples[part].length),
    leftOut: eachPart(part => exams[part][0]!.leftOut),
    seed,
    device: asked[0]!.device,
    precision: asked[0]!.precision,
    members: models.map(({ name, saved }, m) => ({
      name,
      model: saved.folder,
      weight: weights[m]!,
      decision: saved.thresholds,
      ...seenBy(exams.validation[m]!, exams.test[m]!),
      figures: figures[m]!,
    })),
    figures: figures[members.length]!,
    best: models[best]!.name,
    ...against,
    ...(baseline && { baseline: { source: baseline.source, figures: figures.at(-1)! } }),
    ...(baselineOmitted !== undefined && { baselineOmitted }),
  };
  if (output !== undefined) {
    await writePredictions(output, { examples: examples.test, labels, ...ensemble.test }, { force, signal });
  }
  return result;
}

async function eachInTurn<T>(of: (part: JudgedPart) => Promise<T>): Promise<Record<JudgedPart, T>> {
  return { validation: await of('validation'), test: await of('test') };
}

/** All that has intervals. */
async function drawFigures(
  { members, ensemble, baseline }: Judged,
  examples: Record<JudgedPart, readonly Example[]>,
  labels: readonly string[],
  drawing: BootstrapOptions,
  onProgress: EnsembleModelsHooks['onProgress'],
) {
  const judged = [...members, ensemble, ...(baseline ? [baseline] : [])];
  const total = judged.length + (baseline ? 2 : 1);
  let done = 0;
  const report = () => onProgress?.({ type: 'intervals', done: done++, total });
  const against = async (other: AnswersByPart): Promise<Record<JudgedPart, AgainstOther>> => {
    const found = await eachInTurn(async part => {
      const [first, second, targets] = [ensemble[part], other[part], targetsOf(examples[part])];
      return {
        difference: await bootstrapDifference(first, second, targets, labels, drawing),
        mcnemar: mcnemar(first.predicted, second.predicted, targets),
      };
    });
    report();
    return found;
  };
  report();
  const figures: Record<JudgedPart, Figures>[] = [];
  for (const answers of judged) {
    figures.push(await eachInTurn(part => figuresOf(examples[part], labels, answers[part], drawing)));
    report();
  }
  const best = bestOf(figures.slice(0, members.length));
  return {
    /** Of the members, then of the ensemble, then of the baseline. */
    figures,
    best,
    againstBest: await against(members[best]!),
    ...(baseline && { againstBaseline: await against(baseline) }),
  };
}

type AnswersByPart = Record<JudgedPart, Answers>;

interface Judged {
  members: readonly AnswersByPart[];
  ensemble: AnswersByPart;
  baseline: AnswersByPart | undefined;
}

function seenBy(validation: Exam, test: Exam): Pick<EnsembleMember, 'seen'> {
  return validation.seen && test.seen ? { seen: { validation: validation.seen, test: test.seen } } : {};
}

/** The test papers have no say in it. */
function bestOf(figures: readonly Record<JudgedPart, Figures>[]): number {
  const order = figures.map((_, m) => m);
  const metrics = (m: number) => figures[m]!.validation.metrics;
  order.sort((a, b) => metrics(b).accuracy - metrics(a).accuracy || metrics(a).logLoss - metrics(b).logLoss);
  return order[0]!;
}

function checkEnsembleOptions(options: EnsembleModelsOptions): void {
  checkOptions(
    options,
    {
      models: 'any',
      data: 'string',
      baseline: 'boolean',
      seed: 'number',
      output: 'string',
      force: 'boolean',
      device: 'string',
      precision: 'string',
      threads: 'number',
    },
    'ensembleModels',
  );
  checkWhole('seed', options.seed, 0, 'ensembleModels');
  checkPlacement(options);
}
