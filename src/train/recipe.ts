import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArxivNativeError } from '../errors.js';
import { misfitOfHead, readsPairs } from '../model/fit.js';
import { hereFirst } from '../model/shipped.js';
import type { HeadShape, TrainingShape } from '../native.js';
import type { Lengths } from '../text/pack.js';
import { fileError } from '../util/files.js';
import { didYouMean } from '../util/options.js';
import { DEFAULT_RECIPE } from './default-recipe.js';
import { checkRecipe, RECIPES, recipeKeys } from './recipe-schema.js';

/** The sizes of a small BERT with random weights; its vocabulary is made from the training texts. */
export interface RandomEncoder {
  vocabSize: number;
  hiddenSize: number;
  layers: number;
  attentionHeads: number;
  intermediateSize: number;
  maxPositions: number;
}

/** How a classifier is trained; recipes/recipe.schema.json says what each key means. */
export interface Recipe {
  description: string;
  encoder: string | RandomEncoder;
  head: HeadShape['type'];
  hidden: number[];
  activation: HeadShape['activation'];
  dropout: number[];
  embeddingDropout: number;
  crossAttentionHeads: number;
  crossAttentionDropout: number;
  lengths: Lengths;
  words: 'none' | 'tfidf';
  frozenLayersOf12: number;
  freezeEmbeddings: boolean;
  grouping: TrainingShape['grouping'];
  learningRate: number;
  headLearningRateFactor: number;
  weightDecay: number;
  headWeightDecayFactor: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  clipNorm: number;
  loss: TrainingShape['loss'];
  focalGamma: number;
  labelSmoothing: number;
  classWeights: 'none' | 'balanced' | Record<string, number>;
  augment: 'none' | { category: string; samples: number };
  batchSize: number;
  epochs: number;
  patience: number;
  warmup: number;
}

/** A recipe as it is written: it may leave to another what it does not say. */
export type RecipeSource = Partial<Recipe> & { extends?: string };

/** What a call may set beside the recipe; each takes the place of the recipe's own value, or of a missing one. */
export interface RecipeOverrides {
  encoder?: string | undefined;
  epochs?: number | undefined;
  batchSize?: number | undefined;
  learningRate?: number | undefined;
  patience?: number | undefined;
  maxTitle?: number | undefined;
  maxAbstract?: number | undefined;
  /** Of title and abstract together: the heads `cls` and `mean`. */
  maxJoined?: number | undefined;
  classWeights?: Recipe['classWeights'] | undefined;
  words?: Recipe['words'] | undefined;
  /**
   * Whether synthetic copies train beside the papers; if absent, where the recipe asks for some. True takes those that
   * lie beside the splits whatever the recipe says; false makes none, and leaves out those that are there.
   */
  augment?: boolean | undefined;
}

/** The names of the recipes that come with the package. */
export function recipeNames(): string[] {
  return readdirSync(RECIPES)
    .filter(file => file.endsWith('.json') && file !== 'recipe.schema.json')
    .map(file => file.slice(0, -'.json'.length))
    .sort();
}

/**
 * A complete recipe from a name (`v5.0`), a path of a JSON file or an object, with all that it extends filled in and
 * the call's own values in place of its own.
 *
 * @throws ArxivNativeError BAD_OPTION (unknown recipe or key, a value out of range, a key missing), IO
 */
export function loadRecipe(from: string | RecipeSource, overrides: RecipeOverrides = {}): Recipe {
  const source = typeof from === 'string' ? describe(from, process.cwd()) : 'the recipe';
  const layers =
    typeof from === 'string'
      ? layersOf(locate(from, process.cwd()), [])
      : expand(from, source, process.cwd(), []);
  return complete(override(merged(layers), overrides), source);
}

/** A recipe, and where each of its values is written. */
export interface TracedRecipe {
  /** As it was asked for. */
  name: string;
  /** Absolute. */
  file: string;
  /** The recipes that it extends, the nearest first: names, and paths of those that are not the package's. */
  extends: string[];
  /** Complete. */
  recipe: Recipe;
  /** For each key the one among `name` and `extends` that holds its value. */
  origins: Record<keyof Recipe, string>;
}

/**
 * A complete recipe from a name or the path of a JSON file, and what of it comes from where.
 *
 * @throws ArxivNativeError as {@link loadRecipe} does
 */
export function traceRecipe(from: string): TracedRecipe {
  const file = locate(from, process.cwd());
  const layers = layersOf(file, []);
  const recipe = complete(merged(layers), describe(from, process.cwd()));
  const names = layers.map((layer, i) => (i === 0 ? from : nameOfFile(layer.file!)));
  const origin = (key: string) => names[layers.findIndex(({ own }) => Object.hasOwn(own, key))]!;
  const origins = Object.fromEntries(recipeKeys().map(key => [key, origin(key)])) as TracedRecipe['origins'];
  return { name: from, file, extends: names.slice(1), recipe, origins };
}

/** All recipes that come with the package. */
export function listRecipes(): TracedRecipe[] {
  return recipeNames().map(traceRecipe);
}

function nameOfFile(file: string): string {
  return dirname(file) === resolve(fileURLToPath(RECIPES)) ? basename(file, '.json') : file;
}

function override(written: RecipeSource, overrides: RecipeOverrides): RecipeSource {
  const { epochs, batchSize, learningRate, patience, classWeights, words } = overrides;
  const encoder = overrides.encoder === undefined ? undefined : hereFirst(overrides.encoder);
  const augment = overrides.augment === false ? ('none' as const) : undefined;
  const given = present({ encoder, epochs, batchSize, learningRate, patience, classWeights, words, augment });
  const { maxTitle, maxAbstract, maxJoined } = overrides;
  const lengths = present({ title: maxTitle, abstract: maxAbstract, joined: maxJoined });
  if (Object.keys(lengths).length === 0) {
    checkRecipe(given, 'options', nameOfKey);
    return { ...written, ...given };
  }
  checkRecipe({ ...given, lengths }, 'options', nameOfKey);
  refuseOtherLengths(written.head, { maxTitle, maxAbstract, maxJoined });
  return { ...written, ...given, lengths: { ...written.lengths, ...lengths } as Lengths };
}

function refuseOtherLengths(head: Recipe['head'] | undefined, options: Record<string, unknown>): void {
  const [unfit, fit] =
    head !== undefined && !readsPairs(head)
      ? [['maxTitle', 'maxAbstract'], ['maxJoined']]
      : [['maxJoined'], ['maxTitle', 'maxAbstract']];
  const stranger = unfit.find(option => options[option] !== undefined);
  if (stranger === undefined) return;
  throw new ArxivNativeError('BAD_OPTION', `${optionName(stranger)} has no meaning for the ${head} head`, {
    remedy: `Use ${fit.map(optionName).join(' and ')}.`,
  });
}

/** An option as messages call it: by its name in a program, and on the command line. */
export function optionName(option: string): string {
  const flag =
    option === 'learningRate' ? 'lr' : option.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
  return `${option} (--${flag})`;
}

/** The option that sets the recipe's key at this path. */
function nameOfKey([key = '', ...deeper]: string[]): string {
  const part = deeper[0] ?? '';
  if (key === 'lengths') return optionName(`max${part.charAt(0).toUpperCase()}${part.slice(1)}`);
  return [optionName(key), ...deeper].join('.');
}

function present<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** Each part was held against the schema where it was written; here they are held against each other. */
function complete(written: RecipeSource, source: string): Recipe {
  const missing = recipeKeys().find(key => !(key in written));
  if (missing !== undefined) {
    throw new ArxivNativeError('BAD_OPTION', `${source}: there is no "${missing}"`, {
      remedy: `Add it, or extend a recipe that has it, as with "extends": "${DEFAULT_RECIPE}".`,
    });
  }
  const recipe = written as Recipe;
  const misfit = misfitOfHead({ ...recipe, type: recipe.head }, recipe.lengths);
  if (misfit) throw new ArxivNativeError('BAD_OPTION', `${source}: ${misfit.what}`);
  return recipe;
}

/** What one recipe says itself. */
interface Layer {
  /** Absolute; absent for an object. */
  file?: string;
  own: RecipeSource;
}

/** A recipe's own keys first, then those of what it extends. */
function layersOf(file: string, chain: string[]): Layer[] {
  if (chain.includes(file)) {
    throw new ArxivNativeError('BAD_OPTION', `${file} extends itself: ${[...chain, file].join(' → ')}`);
  }
  const [own, ...rest] = expand(parse(file), file, dirname(file), [...chain, file]);
  return [{ ...own!, file }, ...rest];
}

function expand(written: RecipeSource, source: string, folder: string, chain: string[]): Layer[] {
  checkRecipe(written, source);
  const { extends: parent, ...own } = written;
  delete (own as Record<string, unknown>).$schema;
  return [{ own }, ...(parent === undefined ? [] : layersOf(locate(parent, folder), chain))];
}

function merged(layers: readonly Layer[]): RecipeSource {
  return Object.assign({}, ...layers.map(({ own }) => own).reverse());
}

function isPath(recipe: string): boolean {
  return recipe.includes('/') || recipe.endsWith('.json');
}

function describe(recipe: string, folder: string): string {
  return isPath(recipe) ? resolve(folder, recipe) : `recipe ${recipe}`;
}

function locate(recipe: string, folder: string): string {
  if (isPath(recipe)) return resolve(folder, recipe);
  const names = recipeNames();
  if (!names.includes(recipe)) {
    const remedy =
      recipe !== '' && existsSync(resolve(folder, recipe))
        ? `To use the file of this name, write ./${recipe}.`
        : didYouMean(recipe, names);
    throw new ArxivNativeError('BAD_OPTION', `there is no recipe "${recipe}"`, { remedy });
  }
  return fileURLToPath(new URL(`${recipe}.json`, RECIPES));
}

function parse(file: string): RecipeSource {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw fileError(error, `reading the recipe ${file}`);
    throw new ArxivNativeError('BAD_OPTION', `there is no recipe file ${file}`, {
      remedy: `Name a file that exists, or one of these recipes: ${recipeNames().join(', ')}.`,
    });
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, '')) as RecipeSource;
  } catch (error) {
    const position = /position (\d+)/.exec((error as Error).message)?.[1];
    const line = position === undefined ? '' : `:${text.slice(0, Number(position)).split('\n').length}`;
    throw new ArxivNativeError('BAD_OPTION', `${file}${line}: not valid JSON: ${(error as Error).message}`);
  }
}
