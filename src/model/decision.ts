import { ArxivNativeError } from '../errors.js';
import { didYouMean, show } from '../util/options.js';

/**
 * How a category is chosen from a paper's probabilities. `thresholds` has numbers from 0 to 1 for some or all labels:
 * among those whose probability reaches their threshold the most probable is chosen, and where none does the most
 * probable of all.
 */
export type DecisionRule =
  | { method: 'argmax' }
  | { method: 'thresholds'; thresholds: Record<string, number> };

/** What thresholds.json of a saved model says. */
export type Decision = DecisionRule & {
  /** Divides the logits before they become probabilities; above 0, and 1 where it is absent. */
  temperature?: number;
};

/** Which keys a method has. */
const KEYS = new Map<unknown, string[]>([
  ['argmax', ['method', 'temperature']],
  ['thresholds', ['method', 'temperature', 'thresholds']],
]);

/**
 * Checks what was read from a thresholds.json.
 *
 * @throws ArxivNativeError BAD_MODEL that names the file and the key
 */
export function checkDecision(value: unknown, labels: readonly string[], file: string): Decision {
  const refuse = (what: string) =>
    new ArxivNativeError('BAD_MODEL', `${file} ${what}`, {
      remedy: 'Update arxiv-native if a newer one wrote it; otherwise put {"method": "argmax"} there.',
    });
  const { method, temperature, thresholds } = (value ?? {}) as Record<string, unknown>;
  const keys = KEYS.get(method);
  if (keys === undefined) {
    const known = [...KEYS.keys()].map(name => `"${name}"`).join(', ');
    throw refuse(`has no method that this version knows (${known})`);
  }
  const unknown = Object.keys(value as object).find(key => !keys.includes(key));
  if (unknown !== undefined) throw refuse(`has a key ${show(unknown)} that "${method}" does not know`);
  if (temperature !== undefined && !(isNumber(temperature) && temperature > 0)) {
    throw refuse(`must have a number above 0 as its temperature, not ${show(temperature)}`);
  }
  if (method === 'argmax') return value as Decision;
  if (thresholds === null || typeof thresholds !== 'object' || Array.isArray(thresholds)) {
    throw refuse(`must have a threshold a label under "thresholds", not ${show(thresholds)}`);
  }
  for (const [label, threshold] of Object.entries(thresholds)) {
    if (!labels.includes(label)) throw refuse(`has a threshold for ${show(label)}, which is no label`);
    if (isNumber(threshold) && threshold >= 0 && threshold <= 1) continue;
    throw refuse(`must have a number from 0 to 1 as threshold of ${show(label)}, not ${show(threshold)}`);
  }
  return value as Decision;
}

/**
 * A model's rule with these thresholds in place of its own; without any, the most probable class. The temperature stays.
 *
 * @param thresholds between 0 and 1, by label
 * @param caller the function that they were passed to
 * @throws ArxivNativeError BAD_OPTION that names the label, and for an unknown one the nearest
 */
export function withThresholds(
  { temperature }: Decision,
  thresholds: unknown,
  labels: readonly string[],
  caller: string,
): Decision {
  if (thresholds === null || typeof thresholds !== 'object' || Array.isArray(thresholds)) {
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${caller}: "thresholds" must be an object of numbers by class, not ${show(thresholds)}`,
    );
  }
  for (const [label, threshold] of Object.entries(thresholds)) {
    if (!labels.includes(label)) {
      throw new ArxivNativeError('BAD_OPTION', `${caller}: the model has no class ${show(label)}`, {
        remedy: didYouMean(label, labels),
      });
    }
    if (isNumber(threshold) && threshold > 0 && threshold < 1) continue;
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${caller}: the threshold of ${show(label)} must be a number between 0 and 1, not ${show(threshold)}`,
      { remedy: 'Neither 0 nor 1 is one: every paper reaches the one, and hardly any the other.' },
    );
  }
  const rule: DecisionRule = { method: 'thresholds', thresholds: { ...thresholds } };
  return { ...rule, ...(temperature !== undefined && { temperature }) };
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}
