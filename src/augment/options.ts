import { availableParallelism } from 'node:os';
import { ArxivNativeError } from '../errors.js';
import { checkChoice, checkOptions, checkWhole, type OptionTypes, show } from '../util/options.js';
import { DEFAULT_SEED } from '../util/random.js';
import { TRANSLATORS, type TranslatorName } from './translators.js';

/** How copies are translated. */
export interface TranslationOptions {
  /** `bergamot` if absent. */
  translator?: TranslatorName | undefined;
  /** Languages to go through (ISO 639-1), a copy each; `['es']` if absent. */
  pivot?: readonly string[] | undefined;
  /** A folder of models with a folder `en-es`, `es-en` and so on in it, instead of those that are fetched. */
  modelDir?: string | undefined;
  /** Cores to use; by default as many as the process may. */
  threads?: number | undefined;
  /** Each abstract in one pass, as the predecessor did, and not sentence by sentence. */
  whole?: boolean | undefined;
  /** Hypotheses of beam search, for a translator that searches. */
  beams?: number | undefined;
  /** Sample at this temperature, for a translator that can. */
  temperature?: number | undefined;
  /** Decides which papers are drawn, and what is sampled; 42 if absent. */
  seed?: number | undefined;
  /** Fetch nothing. */
  offline?: boolean | undefined;
}

export interface AugmentOptions extends TranslationOptions {
  /** A folder of splits: one that `prepare` wrote, or of train.jsonl, validation.jsonl and test.jsonl. */
  data: string;
  /** The field that holds the label, where `data` was not prepared before; the first category if absent. */
  labelColumn?: string | undefined;
  /** The class whose training papers are copied. */
  category: string;
  /** How many of them, drawn by the seed; all where there are fewer. */
  samples: number;
  /** Replace copies that are there. */
  force?: boolean | undefined;
}

/** The options, each with the value that counts. */
export interface TranslationSettings {
  translator: TranslatorName;
  pivots: string[];
  modelDir: string | undefined;
  threads: number;
  whole: boolean;
  beams: number | undefined;
  temperature: number | undefined;
  seed: number;
  offline: boolean;
}

const TYPES: OptionTypes<AugmentOptions> = {
  data: 'string',
  labelColumn: 'string',
  category: 'string',
  samples: 'number',
  translator: 'string',
  pivot: 'any',
  modelDir: 'string',
  threads: 'number',
  whole: 'boolean',
  beams: 'number',
  temperature: 'number',
  seed: 'number',
  offline: 'boolean',
  force: 'boolean',
};

export const TRANSLATOR_NAMES = Object.keys(TRANSLATORS) as TranslatorName[];

/** Holds the options against their types and ranges. Throws BAD_OPTION. */
export function checkAugmentOptions(options: AugmentOptions): void {
  checkOptions(options, TYPES, 'augment');
  for (const name of ['data', 'category', 'samples'] as const) {
    if (options[name] !== undefined) continue;
    throw new ArxivNativeError('BAD_OPTION', `augment: there is no "${name}"`, {
      remedy: 'It needs a folder of splits, a class, and how many of its papers are to be copied.',
    });
  }
  checkWhole('samples', options.samples, 1, 'augment');
  settingsOf(options);
}

/** @throws BAD_OPTION */
export function settingsOf(options: TranslationOptions): TranslationSettings {
  const { translator = 'bergamot', pivot = ['es'], temperature, beams, seed = DEFAULT_SEED } = options;
  const { threads = availableParallelism() } = options;
  checkChoice('translator', translator, TRANSLATOR_NAMES, 'augment');
  checkWhole('threads', threads, 1, 'augment');
  checkWhole('beams', beams, 1, 'augment');
  checkWhole('seed', seed, 0, 'augment');
  if (temperature !== undefined && !(temperature > 0 && Number.isFinite(temperature))) {
    throw bad(`"temperature" must be a number above 0, not ${show(temperature)}`);
  }
  if (temperature !== undefined && beams !== undefined) {
    throw bad('"beams" is for a search and "temperature" for sampling', 'Leave one of the two out.');
  }
  return {
    translator,
    pivots: checkedPivots(pivot),
    modelDir: options.modelDir,
    threads,
    whole: options.whole ?? false,
    beams,
    temperature,
    seed,
    offline: options.offline ?? false,
  };
}

function checkedPivots(pivot: unknown): string[] {
  const fit =
    Array.isArray(pivot) &&
    pivot.length > 0 &&
    pivot.every(each => typeof each === 'string' && /^[a-z]{2,3}(_[a-z]+)?$/.test(each));
  if (!fit) throw bad(`"pivot" must be a list of languages such as es and pt, not ${show(pivot)}`);
  if (pivot.includes('en'))
    throw bad('"pivot" is the language to go through: the papers are in English (en)');
  return [...new Set(pivot as string[])];
}

function bad(message: string, remedy?: string): ArxivNativeError {
  return new ArxivNativeError('BAD_OPTION', `augment: ${message}`, remedy ? { remedy } : {});
}
