import { describe, expect, it } from 'vitest';
import { averageProbabilities, fitWeights } from '../../src/evaluate/ensemble.js';
import { evaluate } from '../../src/evaluate/metrics.js';
import { expected, letters, parts, simulated } from './expected.js';

const { targets, ...theirs } = expected.ensemble;
const members = theirs.members.map(rows => parts(rows, 1024));
const loss = (probabilities: Float64Array) => evaluate(probabilities, targets, letters(4)).logLoss;

describe('fitWeights', () => {
  it('finds what SciPy finds', () => {
    const weights = fitWeights(members, targets, 4);
    for (const [m, weight] of weights.entries()) expect(weight).toBeCloseTo(theirs.weights[m]!, 3);
    expect(Math.abs(loss(averageProbabilities(members, weights)) - theirs.logLoss)).toBeLessThan(1e-8);
  });

  it('gives weights of at least 0 that sum to 1, and a mean no worse than any member', () => {
    for (let round = 0; round < 20; round++) {
      const { probabilities, targets } = simulated(`truth ${round}`, 60, 3);
      const others = [1, 2, 3].map(other => simulated(`other ${round} ${other}`, 60, 3).probabilities);
      const all = [probabilities, ...others];
      const weights = fitWeights(all, targets, 3);
      expect(weights.reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 12);
      expect(Math.min(...weights)).toBeGreaterThanOrEqual(0);
      const of = (p: Float64Array) => evaluate(p, targets, letters(3)).logLoss;
      const best = Math.min(...all.map(of), of(averageProbabilities(all, [0.25, 0.25, 0.25, 0.25])));
      expect(of(averageProbabilities(all, weights))).toBeLessThanOrEqual(best + 1e-7);
    }
  });

  it('shares equally between equals, and survives a model that rules the truth out', () => {
    const [first] = members;
    expect(fitWeights([first!, first!], targets, 4)).toEqual([0.5, 0.5]);
    expect(fitWeights([first!], targets, 4)).toEqual([1]);
    const [sure, wrong] = fitWeights(
      [
        [0.9, 0.1],
        [0, 1],
      ],
      [0],
      2,
    );
    expect(sure).toBeCloseTo(1, 6);
    expect(wrong).toBeCloseTo(0, 6);
  });

  it('refuses models of other papers', () => {
    expect(() => fitWeights([members[0]!, [0.5, 0.5, 0, 0]], targets, 4)).toThrow(RangeError);
  });
});

describe('averageProbabilities', () => {
  it('weighs', () => {
    expect([...averageProbabilities([[1, 0], Float32Array.of(0.5, 0.5)], [0.25, 0.75])]).toEqual([
      0.625, 0.375,
    ]);
  });
});
