import type { Dataset, Example } from '../../data/dataset.js';
import { SparseClassifier, wordsText } from '../../model/sparse-classifier.js';
import { Tfidf } from '../../text/tfidf.js';
import { cacheFolder } from '../../util/cache-folder.js';
import { throwIfCancelled } from '../../util/cancel.js';
import { checkOptions } from '../../util/options.js';
import { pacer } from '../../util/pace.js';
import { targetsOf } from '../figures.js';
import { evaluate, type Metrics } from '../metrics.js';
import { readCached, writeCached } from './cache.js';
import { fitLogisticRegression } from './logistic-regression.js';

const DOING = 'training the baseline';

export interface BaselineScore {
  metrics: Metrics;
  /** papers × labels, row-major. */
  probabilities: Float32Array;
}

export interface TrainedBaseline {
  classifier: SparseClassifier;
  /** Whether it was trained before and only read. */
  cached: boolean;
}

/** `total` is 0 where it is not known: nobody can say how many steps a fit takes. */
export interface BaselineProgress {
  stage: 'reading' | 'fitting' | 'classifying';
  unit: 'papers' | 'steps';
  done: number;
  total: number;
}

export interface BaselineHooks {
  onProgress?: ((progress: BaselineProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Where trained baselines are kept; by default the project's own cache. */
  cache?: string | undefined;
}

/**
 * TF-IDF of words and pairs of words of title and abstract, and multinomial logistic regression, trained on the
 * training part: what scikit-learn's TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=3) and
 * LogisticRegression(C=4) come to, here fitted further than scikit-learn's own tolerance. Kept in the cache by the
 * data's fingerprint; a cache that cannot be written costs only time.
 *
 * @throws ArxivNativeError CANCELLED soon after the signal comes
 */
export async function trainWords(dataset: Dataset, hooks: BaselineHooks = {}): Promise<TrainedBaseline> {
  checkOptions(hooks, { onProgress: 'any', signal: 'any', cache: 'string' }, 'trainWords()');
  throwIfCancelled(hooks.signal, DOING);
  const cache = hooks.cache ?? cacheFolder(process.env, process.platform);
  const found = await readCached(cache, dataset);
  const classifier = found ? new SparseClassifier(found) : await trainClassifier(dataset, hooks);
  if (!found) await writeCached(cache, dataset, classifier.model);
  return { classifier, cached: found !== undefined };
}

/**
 * Classifies papers, also of an exam that no split has seen, and compares with their labels.
 *
 * @param examples at least one, their labels by the classifier's classes
 * @throws ArxivNativeError CANCELLED soon after the signal comes
 */
export async function scoreBaseline(
  classifier: SparseClassifier,
  examples: readonly Example[],
  { signal, onProgress }: Pick<BaselineHooks, 'signal' | 'onProgress'> = {},
): Promise<BaselineScore> {
  const { labels } = classifier.model;
  const rest = pacer(signal, 'classifying with the baseline');
  const probabilities = new Float32Array(examples.length * labels.length);
  for (const [i, { paper }] of examples.entries()) {
    probabilities.set(classifier.probabilities(wordsText(paper)), i * labels.length);
    onProgress?.({ stage: 'classifying', unit: 'papers', done: i + 1, total: examples.length });
    await rest();
  }
  const categories = examples.map(({ paper }) => paper.categories);
  return { metrics: evaluate(probabilities, targetsOf(examples), labels, { categories }), probabilities };
}

async function trainClassifier(
  { labels, train }: Dataset,
  { signal, onProgress }: BaselineHooks,
): Promise<SparseClassifier> {
  const rest = pacer(signal, DOING);
  const { tfidf, matrix } = await Tfidf.fit(
    train.map(({ paper }) => wordsText(paper)),
    {
      rest,
      onProgress: done => onProgress?.({ stage: 'reading', unit: 'papers', done, total: train.length }),
    },
  );
  const { weights, bias } = await fitLogisticRegression(
    matrix,
    train.map(({ label }) => label),
    { features: tfidf.idf.length, classes: labels.length },
    { rest, onProgress: done => onProgress?.({ stage: 'fitting', unit: 'steps', done, total: 0 }) },
  );
  return new SparseClassifier({ labels, vocabulary: tfidf.vocabulary, idf: tfidf.idf, weights, bias });
}
