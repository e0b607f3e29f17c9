import { describe, expect, it } from 'vitest';
import { argMaxRows, evaluate, probabilitiesOf } from '../../src/evaluate/metrics.js';

const rowOf = (...logits: number[]) => [...probabilitiesOf(Float32Array.from(logits), logits.length)];

describe('probabilitiesOf', () => {
  it('gives probabilities of a row', () => {
    const [a, b] = rowOf(0, Math.log(3));
    expect(a).toBeCloseTo(0.25, 7);
    expect(b).toBeCloseTo(0.75, 7);
  });

  it('treats each row by itself', () => {
    const rows = probabilitiesOf(Float32Array.of(1, 1, 5, 5 + Math.log(4)), 2);
    expect([...rows].map(p => Number(p.toFixed(6)))).toEqual([0.5, 0.5, 0.2, 0.8]);
  });

  it('does not overflow', () => {
    expect(rowOf(1e4, 1e4 - 1000)).toEqual([1, 0]);
  });

  it.each([Number.NaN, Infinity, -Infinity])('refuses %d among the logits', bad => {
    expect(() => rowOf(0, bad)).toThrow(expect.objectContaining({ code: 'NON_FINITE' }));
  });
});

describe('argMaxRows', () => {
  it('takes the first of equals', () => {
    expect([...argMaxRows([0.1, 0.9, 0.5, 0.5], 2)]).toEqual([1, 0]);
  });
});

describe('evaluate', () => {
  // Truth and predictions: a→a, a→a, a→b, b→b, b→a, c→b. Class c is never predicted.
  const probabilities = [
    [0.8, 0.1, 0.1],
    [0.6, 0.3, 0.1],
    [0.3, 0.5, 0.2],
    [0.2, 0.7, 0.1],
    [0.5, 0.4, 0.1],
    [0.1, 0.65, 0.25],
  ].flat();
  const metrics = evaluate(probabilities, [0, 0, 0, 1, 1, 2], ['a', 'b', 'c']);

  it('counts what was taken for what', () => {
    expect(metrics.confusion).toEqual([
      [2, 1, 0],
      [1, 1, 0],
      [0, 1, 0],
    ]);
    expect(metrics.accuracy).toBeCloseTo(3 / 6, 15);
    expect(metrics.papers).toBe(6);
  });

  it('gives precision, recall and F1 a class, 0 where there is no denominator', () => {
    expect(metrics.perClass).toEqual([
      { label: 'a', precision: 2 / 3, recall: 2 / 3, f1: 4 / 6, support: 3 },
      { label: 'b', precision: 1 / 3, recall: 1 / 2, f1: 2 / 5, support: 2 },
      { label: 'c', precision: 0, recall: 0, f1: 0, support: 1 },
    ]);
  });

  it('averages over classes and over papers', () => {
    expect(metrics.macro.precision).toBeCloseTo(1 / 3, 12);
    expect(metrics.macro.recall).toBeCloseTo((2 / 3 + 1 / 2) / 3, 12);
    expect(metrics.macro.f1).toBeCloseTo((2 / 3 + 2 / 5) / 3, 12);
    expect(metrics.weighted.precision).toBeCloseTo((3 * (2 / 3) + 2 * (1 / 3)) / 6, 12);
    expect(metrics.weighted.recall).toBeCloseTo(metrics.accuracy, 12);
    expect(metrics.weighted.f1).toBeCloseTo((3 * (2 / 3) + 2 * (2 / 5)) / 6, 12);
  });

  it('gives the mean negative log-likelihood', () => {
    const expected = -[0.8, 0.6, 0.3, 0.7, 0.4, 0.25].reduce((total, p) => total + Math.log(p), 0) / 6;
    expect(metrics.logLoss).toBeCloseTo(expected, 12);
  });

  it('stays finite when the label was given no chance', () => {
    expect(evaluate([1, 0], [1], ['a', 'b']).logLoss).toBeCloseTo(52 * Math.LN2, 10);
  });

  it('refuses numbers that do not fit together', () => {
    expect(() => evaluate([1, 0], [1, 0], ['a', 'b'])).toThrow(RangeError);
  });
});
