import { describe, expect, it } from 'vitest';
import { ask, blend, fitBlend, wordLogits } from '../../src/evaluate/blend.js';
import { probabilitiesOf } from '../../src/evaluate/metrics.js';
import { SparseClassifier } from '../../src/model/sparse-classifier.js';
import type { Scales } from '../../src/model/words.js';
import { tinyEncoder } from '../support/shape.js';
import { FakeModel } from '../train/fake-engine.js';
import { simulated } from './expected.js';

const logarithms = (probabilities: ArrayLike<number>) => Float32Array.from(probabilities, Math.log);

describe('blend', () => {
  // By hand: √(1/4) · (4/5)², √(3/4) · (1/5)².
  const encoder = logarithms([1, 3]);
  const words = logarithms([4, 1]);
  const product = [0.5 * 0.64, Math.sqrt(0.75) * 0.04];
  const scales = { encoder: 0.5, words: 2 };

  it('is the product of the powers of the probabilities', () => {
    const blended = probabilitiesOf(blend(encoder, words, scales), 2);
    for (const k of [0, 1]) expect(blended[k]).toBeCloseTo(product[k]! / (product[0]! + product[1]!), 6);
  });

  it('has a temperature applied to it as a whole', () => {
    const hot = probabilitiesOf(blend(encoder, words, scales), 2, 2);
    const roots = product.map(Math.sqrt);
    for (const k of [0, 1]) expect(hot[k]).toBeCloseTo(roots[k]! / (roots[0]! + roots[1]!), 6);
  });
});

describe('fitBlend', () => {
  const { probabilities, targets } = simulated('encoder', 200, 3);
  const encoder = logarithms(probabilities);
  const noise = logarithms(simulated('words', 200, 3).probabilities);
  /** Words that know something of half of the papers. */
  const words = noise.slice();
  targets.forEach((target, paper) => {
    if (paper % 2 === 0) words[3 * paper + target]! += 3;
  });
  /** What is to be as small as can be: log loss, and the prior. */
  const objective = (first: Float32Array, second: Float32Array, scales: Scales) => {
    const said = probabilitiesOf(blend(first, second, scales), 3);
    const losses = Array.from(targets, (target, paper) => -Math.log(said[3 * paper + target]!));
    const prior = (scales.encoder - 0.5) ** 2 + (scales.words - 0.5) ** 2;
    return losses.reduce((a, b) => a + b) + prior / 2;
  };

  it('finds the scales of the smallest log loss', async () => {
    const scales = await fitBlend(encoder, words, targets, 3);
    const least = objective(encoder, words, scales);
    for (const step of [-0.01, 0.01]) {
      const others = [
        { ...scales, encoder: scales.encoder + step },
        { ...scales, words: scales.words + step },
      ];
      for (const other of others) expect(objective(encoder, words, other)).toBeGreaterThan(least);
    }
  });

  it('leaves out what is worse than nothing, on either side', async () => {
    const contrary = words.map(logit => -logit);
    const { encoder: a, words: none } = await fitBlend(encoder, contrary, targets, 3);
    expect(none).toBe(0);
    const { encoder: zero, words: b } = await fitBlend(contrary, encoder, targets, 3);
    expect(zero).toBe(0);
    expect(b).toBeCloseTo(a, 6);
    const least = objective(encoder, contrary, { encoder: a, words: 0 });
    for (const other of [
      { encoder: a + 0.01, words: 0 },
      { encoder: a - 0.01, words: 0 },
      { encoder: a, words: 0.01 },
    ]) {
      expect(objective(encoder, contrary, other)).toBeGreaterThan(least);
    }
    const [c, d] = [contrary, contrary.slice()];
    expect(await fitBlend(c, d, targets, 3)).toEqual({ encoder: 0, words: 0 });
  });

  it('stays close to a half each where few papers agree with both', async () => {
    const scales = await fitBlend(Float32Array.of(9, 0), Float32Array.of(9, 0), [0], 2);
    for (const scale of Object.values(scales)) expect(scale).toBeCloseTo(0.5, 1);
  });

  it('refuses what is no number', async () => {
    await expect(
      fitBlend(
        encoder.map(() => NaN),
        words,
        targets,
        3,
      ),
    ).rejects.toThrow('not finite');
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
    const said = await ask(
      { model, words: { classifier, scales: { encoder: 3, words: 0.5 } } },
      batch,
      papers,
    );
    expect([...said]).toEqual([1, 2, -1, 4]);
  });

  it('fails as the engine does', async () => {
    const failing = { ...model, predict: () => Promise.reject(new Error('no memory')) } as never;
    await expect(
      ask({ model: failing, words: { classifier, scales: { encoder: 1, words: 1 } } }, batch, papers),
    ).rejects.toThrow('no memory');
  });
});
