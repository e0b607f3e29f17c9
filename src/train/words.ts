import type { Dataset } from '../data/dataset.js';
import { type BaselineProgress, scoreBaseline, trainWords } from '../evaluate/baseline/baseline.js';
import { compact } from '../evaluate/baseline/compact.js';
import { wordLogits } from '../evaluate/blend.js';
import { targetsOf } from '../evaluate/figures.js';
import { scoreLogits } from '../evaluate/score.js';
import { SparseClassifier } from '../model/sparse-classifier.js';
import type { Words } from '../model/words.js';
import { isCancelled } from '../util/cancel.js';
import type { Recipe } from './recipe.js';
import type { TrainHooks, WordsFigures } from './types.js';

/** What a model will know of words, before it is known how much they are worth beside its encoder. */
export interface TrainedWords {
  classifier: SparseClassifier;
  features: number;
  /** What they say of the validation papers: logits, papers × labels, row-major. */
  validation: Float32Array;
  /** Of words alone. */
  validationAccuracy: number;
}

/**
 * Learns from the words of the training papers what a recipe wants a model to know of them; undefined if that is
 * nothing. Equal for equal data, and kept in the cache, where the baseline finds it.
 *
 * @param data without copies of papers: they are no part of its fingerprint, by which the cache knows it
 * @throws ArxivNativeError CANCELLED soon after the signal comes
 */
export async function learnWords(
  { words }: Pick<Recipe, 'words'>,
  data: Dataset,
  { onProgress, signal }: TrainHooks,
): Promise<TrainedWords | undefined> {
  if (words === 'none') return undefined;
  const { classifier: whole } = await trainWords(data, {
    signal,
    onProgress: progress => onProgress?.({ type: 'words', ...progress }),
  });
  const classifier = new SparseClassifier(compact(whole.model));
  const validation = wordLogits(
    classifier,
    data.validation.map(({ paper }) => paper),
  );
  return {
    classifier,
    features: classifier.model.idf.length,
    validation,
    validationAccuracy: scoreLogits(validation, targetsOf(data.validation), data.labels).metrics.accuracy,
  };
}

/**
 * What words alone, learnt from the same papers, say of the test papers: no figure means much without it. Undefined if
 * the signal comes before it is known.
 */
export async function wordsAlone(
  data: Dataset,
  { onProgress, signal }: TrainHooks,
): Promise<WordsFigures | undefined> {
  const hooks = {
    signal,
    onProgress: (progress: BaselineProgress) => onProgress?.({ type: 'words', ...progress }),
  };
  try {
    const { classifier } = await trainWords(data, hooks);
    const { accuracy, macro, logLoss } = (await scoreBaseline(classifier, data.test, hooks)).metrics;
    return { accuracy, macroF1: macro.f1, logLoss };
  } catch (error) {
    if (isCancelled(error)) return undefined;
    throw error;
  }
}

/** What training.json says of words. */
export function wordsRecord({ features, validationAccuracy, scales }: TrainedWords & Words) {
  return { features, scales, validationAccuracy };
}
