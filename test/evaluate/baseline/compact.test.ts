import { describe, expect, it } from 'vitest';
import { compact } from '../../../src/evaluate/baseline/compact.js';
import { SparseClassifier, type SparseModel } from '../../../src/model/sparse-classifier.js';

/** So many words, and as many pairs of each with the next, the later the more telling. */
function modelOf(words: number): SparseModel {
  const features = 2 * words - 1;
  const names = Array.from({ length: words }, (_, i) => `word${i}`);
  return {
    labels: ['a', 'b'],
    vocabulary: { words: names, pairs: Int32Array.from({ length: 2 * (words - 1) }, (_, i) => (i + 1) >> 1) },
    idf: Float32Array.from({ length: features }, (_, i) => 1 + (i % 100) / 32),
    weights: Float32Array.from({ length: 2 * features }, (_, i) => (i % 2 === 0 ? 1 : -1) * (i >> 1)),
    bias: Float32Array.of(0.3, -0.3),
  };
}

describe('compact', () => {
  it('keeps all features of a small vocabulary', () => {
    const { weights: _, ...small } = modelOf(100);
    expect(compact(modelOf(100))).toMatchObject(small);
  });

  it('keeps the most telling of a large one, and the words that kept pairs consist of', () => {
    const model = modelOf(20_000);
    const { vocabulary, idf, weights } = compact(model);
    // 30 % of 39,999 features are 12,000: the last pairs; of words those that are in them.
    expect(vocabulary.pairs.length / 2).toBe(12_000);
    expect(vocabulary.words).toEqual(model.vocabulary.words.slice(-12_001));
    expect([...vocabulary.pairs.slice(-2)]).toEqual([11_999, 12_000]);
    expect(idf.at(-1)).toBe(model.idf.at(-1));
    expect(weights.at(-2)).toBeCloseTo(model.weights.at(-2)!, -3);
    const text = 'word19998 word19999';
    const [all, less] = [model, compact(model)].map(each => new SparseClassifier(each).logits(text));
    for (const k of [0, 1]) expect(less![k]! / all![k]!).toBeCloseTo(1, 2);
  });

  it('is not changed by being compacted again', () => {
    const once = compact(modelOf(100));
    expect(compact(once)).toEqual(once);
  });
});
