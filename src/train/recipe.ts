import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArxivNativeError } from '../errors.js';
import type { HeadShape, TrainingShape } from '../native.js';
import type { Lengths } from '../text/pack.js';
import { fileError } from '../util/files.js';
import { checkRecipe, didYouMean, RECIPES, recipeKeys } from './recipe-schema.js';

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
  batchSize: number;
  epochs: number;
  patience: number;
  warmup: number;
}

/** A recipe as it is written: it may leave to another what it does not say. */
export type RecipeSource = Partial<Recipe> & { extends?: string };

/** What a call may set beside the recipe; each takes the place of the recipe's own value. */
export interface RecipeOverrides {
  encoder?: string | undefined;
  epochs?: number | undefined;
  batchSize?: number | undefined;
  learningRate?: number | undefined;
  patience?: number | undefined;
  maxTitle?: number | undefined;
  maxAbstract?: number | undefined;
  /** Of title and abstract together: the `cls` head's. */
  maxJoined?: number | undefined;
}

export const DEFAULT_RECIPE = 'v5.0';

/** The names of the recipes that come with the package. */
export function recipeNames(): string[] {
  return readdirSync(RECIPES)
    .filter(file => file.endsWith('.json') && file !== 'recipe.schema.json')
    .map(file => file.slice(0, -'.json'.length))
    .sort();
}

/**
 * A complete recipe from a name (`v5.0`), a path of a JSON file or an object, with all that it extends filled in.
 *
 * @throws ArxivNativeError BAD_OPTION (unknown recipe or key, a value out of range, a key missing), IO
 */
export function loadRecipe(from: string | RecipeSource): Recipe {
  const source = typeof from === 'string' ? describe(from, process.cwd()) : 'the recipe';
  const written =
    typeof from === 'string'
      ? flatten(locate(from, process.cwd()), [])
      : expand(from, source, process.cwd(), []);
  return complete(written, source);
}

/** The recipe with the call's own values in place of its own. */
export function overrideRecipe(recipe: Recipe, overrides: RecipeOverrides): Recipe {
  const { maxTitle, maxAbstract, maxJoined, ...direct } = overrides;
  const given = Object.fromEntries(Object.entries(direct).filter(([, value]) => value !== undefined));
  checkRecipe(given, 'options');
  return complete({ ...recipe, ...given, lengths: overrideLengths(recipe, overrides) }, 'options');
}

function overrideLengths(recipe: Recipe, { maxTitle, maxAbstract, maxJoined }: RecipeOverrides): Lengths {
  const [unfit, fit] =
    recipe.head === 'cls'
      ? [{ maxTitle, maxAbstract }, 'maxJoined']
      : [{ maxJoined }, 'maxTitle and maxAbstract'];
  for (const [option, value] of Object.entries(unfit)) {
    if (value === undefined) continue;
    throw new ArxivNativeError('BAD_OPTION', `${option} has no meaning for the ${recipe.head} head`, {
      remedy: `Use ${fit}.`,
    });
  }
  if ('joined' in recipe.lengths) return { joined: maxJoined ?? recipe.lengths.joined };
  return { title: maxTitle ?? recipe.lengths.title, abstract: maxAbstract ?? recipe.lengths.abstract };
}

function complete(written: RecipeSource, source: string): Recipe {
  checkRecipe(written, source);
  const missing = recipeKeys().find(key => !(key in written));
  if (missing !== undefined) {
    throw new ArxivNativeError('BAD_OPTION', `${source}: there is no "${missing}"`, {
      remedy: `Add it, or extend a recipe that has it, as with "extends": "${DEFAULT_RECIPE}".`,
    });
  }
  const recipe = written as Recipe;
  if (recipe.dropout.length !== recipe.hidden.length) {
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${source}: "dropout" has ${recipe.dropout.length} numbers for the ${recipe.hidden.length} layers of "hidden"`,
      { remedy: 'Give one a layer.' },
    );
  }
  const keys = Object.keys(recipe.lengths).sort().join(' and ');
  const expected = recipe.head === 'cls' ? 'joined' : 'abstract and title';
  if (keys !== expected) {
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${source}: "lengths" has ${keys}, but the ${recipe.head} head needs ${expected}`,
    );
  }
  return recipe;
}

function flatten(file: string, chain: string[]): RecipeSource {
  if (chain.includes(file)) {
    throw new ArxivNativeError('BAD_OPTION', `${file} extends itself: ${[...chain, file].join(' → ')}`);
  }
  return expand(parse(file), file, dirname(file), [...chain, file]);
}

function expand(written: RecipeSource, source: string, folder: string, chain: string[]): RecipeSource {
  checkRecipe(written, source);
  const { extends: parent, ...own } = written;
  delete (own as Record<string, unknown>).$schema;
  return parent === undefined ? own : { ...flatten(locate(parent, folder), chain), ...own };
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
    const remedy = existsSync(resolve(folder, recipe))
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
    throw fileError(error, `reading the recipe ${file}`);
  }
  try {
    return JSON.parse(text) as RecipeSource;
  } catch (error) {
    const position = /position (\d+)/.exec((error as Error).message)?.[1];
    const line = position === undefined ? '' : `:${text.slice(0, Number(position)).split('\n').length}`;
    throw new ArxivNativeError('BAD_OPTION', `${file}${line}: not valid JSON: ${(error as Error).message}`);
  }
}
