import type { Example } from '../data/dataset.js';
import type { LoadedModel } from '../model/load.js';
import { probabilitiesOf } from './metrics.js';
import { logitsOf, type ScoreHooks } from './score.js';
import { TokenizedExamples } from './tokenized-examples.js';

/** What a saved model says of papers. */
export interface ModelAnswers {
  /** Of the encoder and, in a model that has them, words: papers × classes, row-major. */
  logits: Float32Array;
  /** papers × classes, row-major; by the model's own temperature if none is given. */
  probabilities: (temperature?: number | undefined) => Float64Array;
}

/**
 * Asks a saved model of every paper: whoever judges one does it by this.
 *
 * @throws ArxivNativeError CANCELLED soon after the signal comes, NON_FINITE, and what else the engine throws
 */
export async function answersOfModel(
  { saved, model }: Pick<LoadedModel, 'saved' | 'model'>,
  examples: readonly Example[],
  hooks: ScoreHooks,
): Promise<ModelAnswers> {
  const { labels, lengths, thresholds, tokenizer, words } = saved;
  const papers = new TokenizedExamples(tokenizer, examples, lengths);
  const logits = await logitsOf({ model, words }, papers, labels.length, hooks);
  return {
    logits,
    probabilities: (temperature = thresholds.temperature) =>
      probabilitiesOf(logits, labels.length, temperature),
  };
}
