import type { Example } from '../../data/dataset.js';
import { argMaxRows } from '../metrics.js';
import type { Answers } from '../opened-models.js';
import type { OwnData } from '../own-data.js';
import { type BaselineHooks, type BaselineProgress, scoreBaseline, trainWords } from './baseline.js';

export type BaselineEvent = { type: 'baseline' } & BaselineProgress;

export interface AskBaselineHooks extends Omit<BaselineHooks, 'onProgress'> {
  onProgress?: ((event: BaselineEvent) => void) | undefined;
}

export interface AskedBaseline {
  /** What it was trained on. */
  source: string;
  /** One a part of the papers. */
  parts: Answers[];
}

/**
 * What words alone say of the papers that models are judged by, learned from the models' own data, or why nobody could
 * ask them.
 *
 * @param owns one a model: the first that is to be had is taken
 * @param parts labelled by the models' classes; together at least one paper
 * @throws ArxivNativeError CANCELLED soon after the signal comes
 */
export async function askBaseline(
  owns: readonly OwnData[],
  parts: readonly (readonly Example[])[],
  { signal, cache, onProgress: report }: AskBaselineHooks,
): Promise<{ baseline?: AskedBaseline; baselineOmitted?: string }> {
  const own = owns.find(each => 'dataset' in each) ?? owns[0]!;
  if ('missing' in own) return { baselineOmitted: own.missing };
  const { labels, source } = own.dataset;
  const onProgress = (progress: BaselineProgress) => report?.({ type: 'baseline', ...progress });
  const { classifier } = await trainWords(own.dataset, { signal, cache, onProgress });
  const { probabilities: all } = await scoreBaseline(classifier, parts.flat(), { signal, onProgress });
  let from = 0;
  const answers = parts.map(({ length }) => {
    const probabilities = all.subarray(from, from + length * labels.length);
    from += probabilities.length;
    return { probabilities, predicted: argMaxRows(probabilities, labels.length) };
  });
  return { baseline: { source, parts: answers } };
}
