import type { ReadProgress } from '../data/rows.js';
import type { Decision } from '../model/decision.js';
import { checkPlacement, type PlacementOptions } from '../model/load.js';
import type { Precision } from '../native.js';
import { checkOptions, checkWhole } from '../util/options.js';
import { checkOutput } from '../util/output.js';
import { DEFAULT_SEED } from '../util/random.js';
import { bootstrapDifference, type MetricIntervals } from './bootstrap.js';
import { averageProbabilities, fitWeights } from './ensemble.js';
import type { Exam, LeftOut } from './exam.js';
import { type Figures, figuresOf, targetsOf } from './figures.js';
import { type McNemar, mcnemar } from './mcnemar.js';
import { argMaxRows } from './metrics.js';
import { askModels, openModels, openSameExams } from './opened-models.js';
import { inputsOf, type SeenPapers } from './own-data.js';
import { writePredictions } from './predictions.js';

export interface EnsembleModelsOptions extends PlacementOptions {
  /** The folders that train wrote: two or more. */
  models: readonly string[];
  /** A prepared folder; the data that all models were trained on if absent. */
  data?: string | undefined;
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
}

export type EnsembleModelsEvent =
  | ({ type: 'reading' } & ReadProgress)
  | { type: 'predicting'; name: string; done: number; total: number }
  /** Drawing the samples of the intervals: of each member, of the ensemble, and of what lies between it and the best. */
  | { type: 'intervals'; done: number; total: number };

export type EnsemblePart = 'validation' | 'test';

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
  seen?: Record<EnsemblePart, SeenPapers>;
  figures: Record<EnsemblePart, Figures>;
}

export interface Ensemble {
  labels: string[];
  source: string;
  papers: Record<EnsemblePart, number>;
  leftOut: Record<EnsemblePart, LeftOut>;
  seed: number;
  device: string;
  precision: Precision;
  members: EnsembleMember[];
  /** Of the most probable class by the weighted mean; the weights were fitted on the validation papers. */
  figures: Record<EnsemblePart, Figures>;
  /** The name of the member that is best on the validation papers: in accuracy, then in log loss. */
  best: string;
  againstBest: Record<EnsemblePart, AgainstBest>;
}

export interface AgainstBest {
  /** Each figure of the ensemble minus that of the best member. */
  difference: MetricIntervals;
  /** The ensemble is the first. */
  mcnemar: McNemar;
}

/**
 * The mean of several saved models' probabilities, with weights fitted on the validation papers, judged beside each
 * member alone.
 *
 * @throws ArxivNativeError BAD_OPTION, BAD_MODEL, BAD_INPUT (as compareModels), UNSUPPORTED, OUT_OF_MEMORY, NON_FINITE,
 *   IO, CANCELLED, ADDON
 */
export async function ensembleModels(
  options: EnsembleModelsOptions,
  hooks: EnsembleModelsHooks = {},
): Promise<Ensemble> {
  checkEnsembleOptions(options);
  const { data, output, force = false, seed = DEFAULT_SEED } = options;
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
  const [validation, test] = await openSameExams(models, { data, splits }, reading);
  const exams = { validation: validation!, test: test! };
  const examples = eachPart(part => exams[part][0]!.examples);
  const asked = await askModels(models, [examples.validation, examples.test], options, {
    signal,
    onProgress: (name, done, total) => onProgress?.({ type: 'predicting', name, done, total }),
  });
  const members = asked.map(({ parts }) => ({ validation: parts[0]!, test: parts[1]! }));
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
  const total = members.length + 2;
  onProgress?.({ type: 'intervals', done: 0, total });
  const figures: Record<EnsemblePart, Figures>[] = [];
  for (const answers of [...members, ensemble]) {
    figures.push(
      await eachInTurn(part => figuresOf(examples[part], labels, answers[part], { seed, signal })),
    );
    onProgress?.({ type: 'intervals', done: figures.length, total });
  }
  const best = bestOf(figures.slice(0, -1));
  const againstBest = await eachInTurn(async part => {
    const targets = targetsOf(examples[part]);
    const [first, second] = [ensemble[part], members[best]![part]];
    return {
      difference: await bootstrapDifference(first, second, targets, labels, { seed, signal }),
      mcnemar: mcnemar(first.predicted, second.predicted, targets),
    };
  });
  onProgress?.({ type: 'intervals', done: total, total });
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
    figures: figures.at(-1)!,
    best: models[best]!.name,
    againstBest,
  };
  if (output !== undefined) {
    await writePredictions(output, { examples: examples.test, labels, ...ensemble.test }, { force, signal });
  }
  return result;
}

function eachPart<T>(of: (part: EnsemblePart) => T): Record<EnsemblePart, T> {
  return { validation: of('validation'), test: of('test') };
}

async function eachInTurn<T>(of: (part: EnsemblePart) => Promise<T>): Promise<Record<EnsemblePart, T>> {
  return { validation: await of('validation'), test: await of('test') };
}

function seenBy(validation: Exam, test: Exam): Pick<EnsembleMember, 'seen'> {
  return validation.seen && test.seen ? { seen: { validation: validation.seen, test: test.seen } } : {};
}

/** The test papers have no say in it. */
function bestOf(figures: readonly Record<EnsemblePart, Figures>[]): number {
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
