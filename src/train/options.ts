import { ArxivNativeError } from '../errors.js';
import { checkChoice, checkOptions, type OptionTypes } from '../util/options.js';
import { optionName } from './recipe.js';
import type { TrainOptions } from './types.js';

/** What stands in for a recipe's key is held against the recipes' schema. */
const TYPES: OptionTypes<TrainOptions> = {
  data: 'string',
  labelColumn: 'string',
  out: 'string',
  recipe: 'any',
  augment: 'boolean',
  encoder: 'any',
  revision: 'string',
  epochs: 'any',
  batchSize: 'any',
  learningRate: 'any',
  patience: 'any',
  maxTitle: 'any',
  maxAbstract: 'any',
  maxJoined: 'any',
  classWeights: 'any',
  words: 'any',
  microBatch: 'number',
  seed: 'number',
  splitSeed: 'number',
  device: 'string',
  precision: 'string',
  saveAs: 'string',
  threads: 'number',
  deterministic: 'boolean',
  offline: 'boolean',
  force: 'boolean',
  resume: 'boolean',
  checkpointEvery: 'number',
  logEvery: 'number',
  savePredictions: 'string',
  distillation: 'any',
};

/** Holds the options that belong to no recipe against their types and ranges. Throws BAD_OPTION. */
export function checkTrainOptions(options: TrainOptions): void {
  checkOptions(options, TYPES, 'train');
  const { data, recipe, seed, splitSeed, threads, microBatch, checkpointEvery, logEvery } = options;
  if (data === undefined) {
    throw new ArxivNativeError('BAD_OPTION', 'train: there is no "data"', {
      remedy: 'Give the path of a file of labelled papers, or of a folder with splits.',
    });
  }
  if (recipe !== undefined && typeof recipe !== 'string' && (recipe === null || typeof recipe !== 'object')) {
    throw new ArxivNativeError('BAD_OPTION', 'train: "recipe" must be a name, a path or an object');
  }
  checkChoice('precision', options.precision, ['auto', 'fp32', 'bf16', 'fp16'], 'train');
  checkChoice('saveAs', options.saveAs, ['fp32', 'bf16', 'fp16'], 'train');
  const ranges = Object.entries({
    seed: [seed, 0],
    splitSeed: [splitSeed, 0],
    threads: [threads, 1],
    microBatch: [microBatch, 1],
    checkpointEvery: [checkpointEvery, 1],
    logEvery: [logEvery, 1],
  } as const);
  for (const [name, [value, least]] of ranges) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= least)) continue;
    throw new ArxivNativeError(
      'BAD_OPTION',
      `options: ${optionName(name)} must be a whole number >= ${least}, not ${value}`,
    );
  }
}
