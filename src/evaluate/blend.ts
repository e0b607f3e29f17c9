import { wordsText } from '../model/sparse-classifier.js';
import type { Words } from '../model/words.js';
import type { EngineModel, PackedBatch } from '../native.js';
import { fitWeights } from './ensemble.js';
import { checkFinite, probabilitiesOf } from './metrics.js';

/** What classifies: an encoder in the engine and, in a model that has them, words. */
export interface BlendedModel {
  model: EngineModel;
  words?: Words | undefined;
}

/** The texts of a batch, for the words. */
type Papers = readonly { title: string; abstract: string }[];

/**
 * What a model says of a batch: everything that wants a saved model's probabilities, or is training one, asks here.
 * Where the model has words these are the logarithms of the blended probabilities ({@link blend}), so that their softmax
 * gives those back, and a temperature, which divides them, applies to the blend and not to the encoder alone.
 *
 * @param papers those of the batch
 * @param cancel `cancel[0] = 1` abandons it
 * @returns logits, papers × classes, row-major
 */
export async function ask(
  { model, words }: BlendedModel,
  batch: PackedBatch,
  papers: Papers,
  cancel?: Uint8Array,
): Promise<Float32Array> {
  const running = model.predict(batch, cancel);
  if (words === undefined) return running;
  // While the engine works. Should that throw, the engine's failure must not count as unhandled.
  running.catch(() => {});
  const said = wordLogits(words.classifier, papers);
  return blend(await running, said, words.classifier.model.labels.length, words.weight);
}

/** What words alone say: logits, papers × classes, row-major. */
export function wordLogits(classifier: Words['classifier'], papers: Papers): Float32Array {
  const classes = classifier.model.labels.length;
  const logits = new Float32Array(papers.length * classes);
  for (const [i, paper] of papers.entries()) logits.set(classifier.logits(wordsText(paper)), i * classes);
  return logits;
}

/**
 * The logarithms of (1 − weight) · softmax(encoder) + weight · softmax(words), row by row.
 *
 * @param weight of the words, from 0 to 1
 * @throws ArxivNativeError NON_FINITE if one of the encoder's logits is
 */
export function blend(
  encoder: Float32Array,
  words: Float32Array,
  classes: number,
  weight: number,
): Float32Array {
  checkFinite(encoder);
  const blended = new Float32Array(encoder.length);
  for (let start = 0; start < encoder.length; start += classes) {
    const end = start + classes;
    // In logarithms, for a probability that is too small for a number would make one of minus infinity.
    const a = Math.log(1 - weight) - logSumExp(encoder, start, end);
    const b = Math.log(weight) - logSumExp(words, start, end);
    for (let k = start; k < end; k++) {
      const [x, y] = [a + encoder[k]!, b + words[k]!];
      blended[k] = Math.max(x, y) + Math.log1p(Math.exp(-Math.abs(x - y)));
    }
  }
  return blended;
}

/**
 * The weight of the words with which the blend has the smallest log loss on these papers.
 *
 * @param encoder logits, papers × classes, row-major
 * @param words the same
 * @param targets one class index a paper; at least one paper
 */
export function fitBlend(
  encoder: Float32Array,
  words: Float32Array,
  targets: ArrayLike<number>,
  classes: number,
): number {
  const members = [encoder, words].map(logits => probabilitiesOf(logits, classes));
  return fitWeights(members, targets, classes)[1]!;
}

function logSumExp(logits: Float32Array, start: number, end: number): number {
  let largest = -Infinity;
  for (let k = start; k < end; k++) largest = Math.max(largest, logits[k]!);
  let sum = 0;
  for (let k = start; k < end; k++) sum += Math.exp(logits[k]! - largest);
  return largest + Math.log(sum);
}
