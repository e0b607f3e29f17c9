import { distance } from 'fastest-levenshtein';
import { ArxivNativeError } from '../errors.js';

/** Of each option what it must be; `any` where its own reader judges it. */
export type OptionTypes<Options> = {
  readonly [Name in keyof Required<Options>]: 'string' | 'number' | 'boolean' | 'any';
};

/**
 * Refuses options that a program in plain JavaScript may pass: names that do not exist and values of another type. A
 * string must not be empty; undefined is no value.
 *
 * @param caller the function that they were passed to
 * @throws BAD_OPTION that names the option, and for an unknown one the nearest
 */
export function checkOptions<Options>(options: Options, types: OptionTypes<Options>, caller: string): void {
  if (options === null || typeof options !== 'object') {
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${caller}: the options must be an object, not ${show(options)}`,
    );
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(types, name)) {
      throw new ArxivNativeError('BAD_OPTION', `${caller}: there is no option "${name}"`, {
        remedy: didYouMean(name, Object.keys(types)),
      });
    }
    const type = types[name as keyof Options];
    if (value === undefined || type === 'any' || (typeof value === type && value !== '')) continue;
    const expected = type === 'string' ? 'a string that is not empty' : `a ${type}`;
    throw new ArxivNativeError('BAD_OPTION', `${caller}: "${name}" must be ${expected}, not ${show(value)}`);
  }
}

/** @throws BAD_OPTION for a value that is none of those there are, naming the nearest */
export function checkChoice(
  name: string,
  value: string | undefined,
  choices: readonly string[],
  caller: string,
): void {
  if (value === undefined || choices.includes(value)) return;
  throw new ArxivNativeError(
    'BAD_OPTION',
    `${caller}: "${name}" must be one of ${choices.join(', ')}, not ${show(value)}`,
    { remedy: didYouMean(value, choices) },
  );
}

/** @throws BAD_OPTION for a value that is no whole number or too small a one */
export function checkWhole(name: string, value: number | undefined, least: number, caller: string): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return;
  throw new ArxivNativeError(
    'BAD_OPTION',
    `${caller}: "${name}" must be a whole number >= ${least}, not ${show(value)}`,
  );
}

/** As many as a person still reads. */
const MOST_NAMES = 24;

/** "Did you mean …?" where one name is near, else a list of them. */
export function didYouMean(word: string, names: readonly string[]): string {
  const ranked = names
    .map(name => ({ name, steps: steps(word.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.steps - b.steps);
  const nearest = ranked[0];
  if (nearest !== undefined && nearest.steps <= nearest.name.length / 2) {
    return `Did you mean "${nearest.name}"?`;
  }
  const shown = names.length > MOST_NAMES ? [...names.slice(0, MOST_NAMES), '…'] : names;
  return `It can be one of: ${shown.join(', ')}.`;
}

/** From what was typed to what was meant: none where it is the beginning of it. */
function steps(word: string, name: string): number {
  return word !== '' && name.startsWith(word) ? 0 : distance(word, name);
}

/** A value as it may stand in a message. */
export function show(value: unknown): string {
  // NaN and Infinity have no JSON.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
