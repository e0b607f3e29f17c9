import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ArxivNativeError } from '../../errors.js';
import {
  checkChoice,
  checkOptions,
  checkWhole,
  didYouMean,
  type OptionTypes,
  show,
} from '../../util/options.js';
import { DEFAULT_SEED } from '../../util/random.js';
import type { RandomEncoder } from '../recipe.js';
import { checkRecipe, RECIPES } from '../recipe-schema.js';
import type { PretrainOptions, PretrainPlan } from './types.js';

const TYPES: OptionTypes<PretrainOptions> = {
  corpus: 'any',
  config: 'any',
  vocabSize: 'number',
  encoder: 'string',
  revision: 'string',
  offline: 'boolean',
  steps: 'number',
  hours: 'number',
  out: 'string',
  batchTokens: 'number',
  maxLength: 'number',
  learningRate: 'number',
  headLearningRateFactor: 'number',
  warmup: 'number',
  weightDecay: 'number',
  maskRate: 'number',
  categoryWeight: 'number',
  teacher: 'string',
  teacherWeight: 'number',
  teacherLength: 'number',
  dropout: 'number',
  saveAs: 'string',
  seed: 'number',
  device: 'string',
  precision: 'string',
  threads: 'number',
  force: 'boolean',
  resume: 'boolean',
  checkpointEvery: 'number',
  evaluateEvery: 'number',
  logEvery: 'number',
};

const CALLER = 'pretrain';
const DEFAULT_VOCABULARY = 16_000;
/** A text of one word between its two special tokens. */
const SHORTEST = 3;

/** Holds the options against their types and ranges, and each other. Throws BAD_OPTION. */
export function checkPretrainOptions(options: PretrainOptions): void {
  checkOptions(options, TYPES, CALLER);
  const { corpus, encoder, config, vocabSize, revision, steps, hours, saveAs } = options;
  const { teacher, teacherWeight, teacherLength } = options;
  if (!Array.isArray(corpus) || corpus.length === 0 || !corpus.every(file => typeof file === 'string')) {
    throw refuse('"corpus" must name at least one file of papers');
  }
  if (encoder !== undefined && (config !== undefined || vocabSize !== undefined)) {
    throw refuse('"encoder" has its own sizes and vocabulary', 'Leave --config and --vocab-size out.');
  }
  if (teacher === undefined && (teacherWeight ?? teacherLength) !== undefined) {
    throw refuse(
      '"teacherWeight" and "teacherLength" are of a teacher',
      'Name one by --teacher, or leave them out.',
    );
  }
  if (encoder === undefined && revision !== undefined)
    throw refuse('"revision" is of an encoder on the Hub that is gone on with');
  if ((steps === undefined) === (hours === undefined)) {
    throw refuse('how long?', 'Give either --steps or --hours.');
  }
  const shortest = { maxLength: SHORTEST, teacherLength: SHORTEST };
  const least = { steps: 1, batchTokens: 1, ...shortest, warmup: 0, seed: 0, threads: 1 };
  for (const [name, lowest] of Object.entries(least)) {
    checkWhole(name, options[name as keyof typeof least], lowest, CALLER);
  }
  for (const name of ['checkpointEvery', 'evaluateEvery', 'logEvery', 'vocabSize'] as const) {
    checkWhole(name, options[name], 1, CALLER);
  }
  const inRange = (name: keyof PretrainOptions, fits: (value: number) => boolean, expected: string) => {
    const value = options[name] as number | undefined;
    if (value !== undefined && !fits(value))
      throw refuse(`"${name}" must be ${expected}, not ${show(value)}`);
  };
  inRange('hours', value => value > 0 && value < 1e5, 'a number above 0');
  inRange('learningRate', value => value > 0 && value < 1, 'a number above 0 and below 1');
  inRange('headLearningRateFactor', value => value > 0 && value < 1e4, 'a number above 0');
  inRange('weightDecay', value => value >= 0 && value < 1, 'a number from 0 to below 1');
  inRange('maskRate', value => value > 0 && value < 1, 'a number above 0 and below 1');
  inRange('categoryWeight', value => value >= 0 && value < 1e6, 'a number of at least 0');
  inRange('teacherWeight', value => value > 0 && value < 1e6, 'a number above 0');
  inRange('dropout', value => value >= 0 && value < 1, 'a number from 0 to below 1');
  checkChoice('saveAs', saveAs, ['fp32', 'bf16', 'fp16'], CALLER);
}

/** What was asked for, with what stands in for the rest. */
export function settingsOf(options: PretrainOptions): PretrainPlan['settings'] {
  const { steps, hours, encoder } = options;
  return {
    ...(steps !== undefined && { steps }),
    ...(hours !== undefined && { hours }),
    batchTokens: options.batchTokens ?? 8192,
    maxLength: options.maxLength ?? 256,
    learningRate: options.learningRate ?? (encoder === undefined ? 1e-3 : 5e-5),
    headLearningRateFactor: options.headLearningRateFactor ?? 30,
    warmup: options.warmup ?? 500,
    weightDecay: options.weightDecay ?? 0.01,
    maskRate: options.maskRate ?? 0.15,
    categoryWeight: options.categoryWeight ?? 1,
    ...(options.teacher !== undefined && { teacherWeight: options.teacherWeight ?? 10 }),
    dropout: options.dropout ?? 0,
    seed: options.seed ?? DEFAULT_SEED,
  };
}

/**
 * The sizes of a new encoder.
 *
 * @throws BAD_OPTION for a file or name that does not exist, and sizes that are none
 */
export function encoderSizes({
  config = 'small',
  vocabSize,
}: Pick<PretrainOptions, 'config' | 'vocabSize'>): RandomEncoder {
  const source = typeof config === 'string' ? locate(config) : 'the config';
  const written = typeof config === 'string' ? parse(source) : config;
  const { vocabSize: stated = DEFAULT_VOCABULARY, ...sizes } = written as RandomEncoder;
  const encoder = { ...sizes, vocabSize: vocabSize ?? stated };
  checkRecipe({ encoder }, source);
  if (encoder.hiddenSize % encoder.attentionHeads !== 0) {
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${source}: "attentionHeads" must divide "hiddenSize", ${encoder.hiddenSize}`,
    );
  }
  return encoder;
}

/** Whether a text names sizes of a new encoder, and not an encoder. */
export function isSizes(text: string): boolean {
  return text.endsWith('.json');
}

function locate(config: string): string {
  if (config.includes('/') || config.endsWith('.json')) return config;
  const shipped = fileURLToPath(new URL(`encoders/${config}.json`, RECIPES));
  if (existsSync(shipped)) return shipped;
  throw refuse(`there are no sizes "${config}"`, `${didYouMean(config, ['small'])} Or name a JSON file.`);
}

function parse(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${file}: ${code === 'ENOENT' ? 'there is no such file' : message}`,
      {
        remedy: 'It must hold hiddenSize, layers, attentionHeads, intermediateSize and maxPositions.',
        cause: error,
      },
    );
  }
}

function refuse(what: string, remedy?: string): ArxivNativeError {
  return new ArxivNativeError('BAD_OPTION', `${CALLER}: ${what}`, remedy ? { remedy } : {});
}
