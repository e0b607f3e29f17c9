import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import { ArxivNativeError } from '../errors.js';
import { didYouMean, show } from '../util/options.js';
import { expectation } from '../util/schema-error.js';

/** Where the package's recipes and their schema lie, both in the repository and when installed. */
export const RECIPES = new URL('../../recipes/', import.meta.url);

interface Schema {
  properties: Record<string, Schema>;
}

let compiled: { schema: Schema; validate: ValidateFunction } | undefined;

function recipeSchema(): { schema: Schema; validate: ValidateFunction } {
  if (compiled === undefined) {
    const schema = JSON.parse(readFileSync(new URL('recipe.schema.json', RECIPES), 'utf8')) as Schema;
    // allErrors is off: the first mistake is the one to mend first.
    compiled = { schema, validate: new Ajv({ allowUnionTypes: true }).compile(schema) };
  }
  return compiled;
}

/** The keys that a complete recipe holds. */
export function recipeKeys(): string[] {
  return Object.keys(recipeSchema().schema.properties).filter(key => key !== '$schema' && key !== 'extends');
}

/**
 * Holds a recipe, or a part of one, against the schema.
 *
 * @param source names where it comes from in the message: a file, a recipe's name
 * @param name how the message calls the key at a path
 * @throws ArxivNativeError BAD_OPTION with the key's path; for an unknown key also the nearest that exists
 */
export function checkRecipe(recipe: unknown, source: string, name = quote): void {
  const { schema, validate } = recipeSchema();
  if (validate(recipe)) return;
  const error = validate.errors![0]!;
  const path = error.instancePath.split('/').slice(1).map(unescapePointer);
  if (error.keyword === 'additionalProperties') {
    const key = String(error.params.additionalProperty);
    const known = Object.keys(schemaAt(schema, path).properties);
    throw new ArxivNativeError('BAD_OPTION', `${source}: unknown key ${quote([...path, key])}`, {
      remedy: didYouMean(key, known),
    });
  }
  const expected = error.keyword === 'pattern' ? namesExpected(path) : expectation(error);
  const value = path.reduce((at, key) => (at as Record<string, unknown>)[key], recipe as unknown);
  const subject = path.length === 0 ? 'a recipe' : name(path);
  throw new ArxivNativeError('BAD_OPTION', `${source}: ${subject} ${expected}, not ${show(value)}`);
}

/** Of the keys that hold a name or an object. */
function namesExpected([key]: string[]): string {
  return key === 'augment'
    ? 'must be "none" or an object of category and samples'
    : 'must be "none", "balanced" or an object of weights by class';
}

function schemaAt(schema: Schema, path: string[]): Schema {
  return path.reduce((at, key) => at.properties[key]!, schema);
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}

function quote(path: string[]): string {
  return `"${path.join('.')}"`;
}
