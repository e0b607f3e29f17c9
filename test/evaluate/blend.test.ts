import { describe, expect, it } from 'vitest';
import { ask, blend, fitBlend, wordLogits } from '../../src/evaluate/blend.js';
import { probabilitiesOf } from '../../src/evaluate/metrics.js';
import { SparseClassifier } from '../../src/model/sparse-classifier.js';
import { tinyEncoder } from '../support/shape.js';
import { FakeModel } from '../train/fake-engine.js';
import { simulated } from './expected.js';

const logarithms = (probabilities: ArrayLike<number>) => Float32Array.from(probabilities, Math.log);

describe('blend', () => {
  // By hand: 0.75 · (1/4, 3/4) + 0.25 · (4/5, 1/5).
  const encoder = logarithms([1, 3]);
  const words = logarithms([4, 1]);
  const byHand = [0.3875, 0.6125];

  it('is the weighted mean of the probabilities', () => {
    const blended = probabilitiesOf(blend(encoder, words, 2, 0.25), 2);
    for (const k of [0, 1]) expect(blended[k]).toBeCloseTo(byHand[k]!, 6);
  });

  it('has a temperature applied to it as a whole', () => {
    const hot = probabilitiesOf(blend(encoder, words, 2, 0.25), 2, 2);
    const roots = byHand.map(Math.sqrt);
    for (const k of [0, 1]) expect(hot[k]).toBeCloseTo(roots[k]! / (roots[0]! + roots[1]!), 6);
  });

  it.each([0, 1])('is one of the two alone with a weight of %d', weight => {
    const alone = probabilitiesOf(weight === 0 ? encoder : words, 2);
    const blended = probabilitiesOf(blend(encoder, words, 2, weight), 2);
    for (const k of [0, 1]) expect(blended[k]).toBeCloseTo(alone[k]!, 6);
  });

  it('stays finite where probabilities are too small for numbers', () => {
    const sure = Float32Array.of(3000, 0);
    for (const weight of [0, 0.5, 1]) {
      const [high, low] = blend(sure, sure, 2, weight);
      expect(high).toBeCloseTo(0, 9);
      expect(low).toBeCloseTo(-3000, 9);
    }
  });

  it('refuses what is no number', () => {
    expect(() => blend(Float32Array.of(NaN, 1), words, 2, 0.5)).toThrow('not finite');
  });
});

describe('fitBlend', () => {
  it('finds the weight of the smallest log loss', () => {
    const { probabilities, targets } = simulated('encoder', 200, 3);
    const encoder = logarithms(probabilities);
    const words = logarithms(simulated('words', 200, 3).probabilities);
    // What words are right about is the truth of half of these papers.
    targets.forEach((target, paper) => {
      if (paper % 2 === 0) words[3 * paper + target]! += 3;
    });
    const loss = (weight: number) => {
      const said = probabilitiesOf(blend(encoder, words, 3, weight), 3);
      return targets.reduce((sum, target, paper) => sum - Math.log(said[3 * paper + target]!), 0);
    };
    const weight = fitBlend(encoder, words, targets, 3);
    expect(weight).toBeGreaterThan(0.05);
    expect(weight).toBeLessThan(0.95);
    for (const other of [weight - 0.02, weight + 0.02]) expect(loss(weight)).toBeLessThan(loss(other));
  });
});

describe('ask', () => {
  const classifier = new SparseClassifier({
    labels: ['a', 'b'],
    vocabulary: { words: ['deep', 'words'], pairs: new Int32Array(0) },
    idf: Float32Array.of(1, 1),
    weights: Float32Array.of(2, -2, -2, 2),
    bias: Float32Array.of(0, 0),
  });
  const papers = [
    { title: 'Deep', abstract: 'unknown' },
    { title: '', abstract: 'Words.' },
  ];
  const encoder = tinyEncoder();
  const head = { type: 'concat', classes: 2, hidden: [], dropout: [] } as never;
  const model = new FakeModel({ encoder, head });
  model.onPredict = () => [0, 1, 0, 1];
  const batch = { ids: Int32Array.of(1, 2, 3, 4), offsets: Int32Array.of(0, 1, 2, 3, 4) };

  it('gives what the engine says where a model has no words', async () => {
    expect([...(await ask({ model }, batch, papers))]).toEqual([0, 1, 0, 1]);
  });

  it('gives the blend of each paper where it has', async () => {
    expect([...wordLogits(classifier, papers)]).toEqual([2, -2, -2, 2]);
    const said = await ask({ model, words: { classifier, weight: 0.4 } }, batch, papers);
    const expected = blend(Float32Array.of(0, 1, 0, 1), Float32Array.of(2, -2, -2, 2), 2, 0.4);
    expect(said).toEqual(expected);
  });

  it('fails as the engine does', async () => {
    const failing = { ...model, predict: () => Promise.reject(new Error('no memory')) } as never;
    await expect(ask({ model: failing, words: { classifier, weight: 0.4 } }, batch, papers)).rejects.toThrow(
      'no memory',
    );
  });
});
