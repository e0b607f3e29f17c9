import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { isCancelled } from '../util/cancel.js';
import { fileError, writeFileSynced, writeWhole } from '../util/files.js';
import { DEFAULT_SEED } from '../util/random.js';
import { defaultFolder, train } from './train.js';
import type { TrainHooks, TrainingRecord, TrainOptions, TrainResult } from './types.js';

/** Of one figure over the seeds. */
export interface Spread {
  mean: number;
  /** Standard deviation of a sample (n − 1); 0 for one seed. */
  deviation: number;
  /** One a seed, in their order. */
  values: number[];
}

export interface SeedsResult {
  /** Absolute; it holds a model a seed, `seed-42` and so on, and seeds.json, which is this result without its models. */
  folder: string;
  seeds: number[];
  models: TrainResult[];
  /** Undefined if an interruption left a seed without a test: then nothing is compared. */
  figures: SeedFigures | undefined;
}

/** Over the test papers, but for the first. */
export interface SeedFigures {
  validationAccuracy: Spread;
  accuracy: Spread;
  macroF1: Spread;
  logLoss: Spread;
  /** By label. */
  recall: Record<string, Spread>;
}

const SUMMARY = 'seeds.json';

/**
 * Trains `count` models that differ only in their seed, `options.seed` and those after it, each in a folder of its own,
 * on the same splits (those of `splitSeed`, or else of the first seed). With `resume` the models that are complete stay
 * and the others go on or begin.
 *
 * @throws ArxivNativeError BAD_OPTION, before anything is trained also where one of the folders is taken; and what
 * `train` throws
 */
export async function trainSeeds(
  options: TrainOptions,
  count: number,
  hooks: TrainHooks = {},
): Promise<SeedsResult> {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new ArxivNativeError('BAD_OPTION', `seeds (--seeds) must be a whole number >= 1, not ${count}`);
  }
  if (options.savePredictions !== undefined) {
    throw new ArxivNativeError('BAD_OPTION', 'the predictions of several seeds do not go into one file', {
      remedy: 'Leave --save-predictions out, or train with one --seed after another.',
    });
  }
  const { seed: first = DEFAULT_SEED, out = `${defaultFolder(options)}-seeds` } = options;
  const folder = resolve(out);
  const seeds = Array.from({ length: count }, (_, i) => first + i);
  const place = (seed: number) => join(folder, `seed-${seed}`);
  refuseTaken(folder, seeds.map(place), options);
  const models: TrainResult[] = [];
  for (const [i, seed] of seeds.entries()) {
    if (i > 0 && hooks.signal?.aborted) return { folder, seeds, models, figures: undefined };
    hooks.onProgress?.({ type: 'seed', seed, number: i + 1, count });
    const result = await train({ splitSeed: first, ...options, seed, out: place(seed) }, hooks).catch(
      error => {
        // Interrupted before its first step: what the seeds before it gave stands.
        if (i > 0 && isCancelled(error)) return undefined;
        throw error;
      },
    );
    if (result === undefined) return { folder, seeds, models, figures: undefined };
    models.push(result);
    if (result.unfinished !== undefined) return { folder, seeds, models, figures: undefined };
  }
  const figures = compare(models.map(({ training }) => training));
  const file = join(folder, SUMMARY);
  const text = `${JSON.stringify({ seeds, figures }, null, 2)}\n`;
  await writeWhole(file, part => writeFileSynced(part, text)).catch(error => {
    throw fileError(error, `writing ${file}`);
  });
  return { folder, seeds, models, figures };
}

/** The last seed's folder may be taken as well as the first's: better known before hours of training. */
function refuseTaken(
  folder: string,
  places: string[],
  { force = false, resume = false }: TrainOptions,
): void {
  if (existsSync(join(folder, 'config.json'))) {
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${folder} is a model; the seeds' models go into a folder of theirs`,
      {
        remedy: 'Choose another folder with --out.',
      },
    );
  }
  if (force || resume) return;
  const names = [join(folder, SUMMARY), ...places.flatMap(place => [place, `${place}.training`])];
  const taken = names.find(name => existsSync(name));
  if (taken === undefined) return;
  throw new ArxivNativeError('BAD_OPTION', `${taken} exists already`, {
    remedy:
      'Go on with these seeds by --resume, begin them anew by --force, or choose another folder with --out.',
  });
}

function compare(trainings: TrainingRecord[]): SeedFigures {
  const over = (figure: (training: TrainingRecord) => number) => spread(trainings.map(figure));
  return {
    validationAccuracy: over(({ validation }) => validation!.accuracy),
    accuracy: over(({ test }) => test!.accuracy),
    macroF1: over(({ test }) => test!.macro.f1),
    logLoss: over(({ test }) => test!.logLoss),
    recall: Object.fromEntries(
      trainings[0]!.data.labels.map((label, k) => [label, over(({ test }) => test!.perClass[k]!.recall)]),
    ),
  };
}

export function spread(values: number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length === 1 ? 0 : Math.sqrt(squares / (values.length - 1)), values };
}
