import { ArxivNativeError } from '../../errors.js';
import type { Translation } from '../translator.js';
import { generate } from './generate.js';
import type { Generation } from './generation.js';
import type { MarianModel } from './model.js';
import type { MarianTokenizer } from './tokenizer.js';

/**
 * Translates texts in one batch. One that the model cannot take whole, or whose translation does not end, gives a
 * failure.
 */
export async function translateBatch(
  model: MarianModel,
  tokenizer: MarianTokenizer,
  texts: readonly string[],
  generation: Generation,
  seed: number,
): Promise<Translation[]> {
  const { vocabSize, maxPositions } = model.shape;
  if (tokenizer.vocabSize > vocabSize) {
    throw new ArxivNativeError(
      'BAD_MODEL',
      `the tokenizer knows ${tokenizer.vocabSize} tokens, the model ${vocabSize}: they are not of one model`,
    );
  }
  const inputs = texts.map(text => tokenizer.encode(text));
  const fitting = [...inputs.keys()].filter(i => inputs[i]!.length <= maxPositions);
  const translations: Translation[] = inputs.map(() => ({
    failure: `a text of more than ${maxPositions} tokens, which the model cannot take`,
  }));
  if (fitting.length === 0) return translations;
  const fit = fitting.map(i => inputs[i]!);
  for (const [k, { ids, isWhole }] of (await generate(model, fit, generation, seed)).entries()) {
    translations[fitting[k]!] = isWhole
      ? { text: tokenizer.decode(ids) }
      : { failure: `a translation that did not end within ${generation.maxLength} tokens` };
  }
  return translations;
}
