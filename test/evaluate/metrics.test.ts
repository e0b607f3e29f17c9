import { describe, expect, it } from 'vitest';
import { calibrationBins, calibrationError } from '../../src/evaluate/calibration.js';
import { argMaxRows, evaluate, probabilitiesOf } from '../../src/evaluate/metrics.js';
import { expected, letters, parts } from './expected.js';

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

  it('divides by the temperature first', () => {
    const [a, b] = probabilitiesOf(Float32Array.of(0, 2 * Math.log(3)), 2, 2);
    expect(a).toBeCloseTo(0.25, 7);
    expect(b).toBeCloseTo(0.75, 7);
    expect([...probabilitiesOf(Float32Array.of(5, 1e4), 2, 1e-300)]).toEqual([0, 1]);
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

  it('takes another rule than the most probable class, which leaves the probabilities what they are', () => {
    const predicted = Int32Array.of(0, 0, 0, 1, 1, 2);
    const { accuracy, logLoss, brier, calibrationError } = evaluate(
      probabilities,
      [0, 0, 0, 1, 1, 2],
      ['a', 'b', 'c'],
      {
        predicted,
      },
    );
    expect(accuracy).toBe(1);
    expect([logLoss, brier, calibrationError]).toEqual([
      metrics.logLoss,
      metrics.brier,
      metrics.calibrationError,
    ]);
  });

  it('says how often the prediction is among the categories of the paper, where they are known', () => {
    const targets = [0, 0, 0, 1, 1, 2];
    // Wrong are the third (b for a), the fifth (a for b) and the sixth (b for c).
    const known = [['a'], [], ['a', 'b'], ['b', 'a'], ['b', 'c'], ['c', 'd', 'b']];
    expect(evaluate(probabilities, targets, ['a', 'b', 'c'], { categories: known }).categories).toEqual({
      papers: 5,
      share: 4 / 5,
      wrong: 3,
      wrongShare: 2 / 3,
    });
    const none = { categories: targets.map(() => []) };
    expect(evaluate(probabilities, targets, ['a', 'b', 'c'], none)).not.toHaveProperty('categories');
    // Of papers with their label alone it is not known whether they have others.
    const alone = { categories: [['a'], ['b']] };
    expect(evaluate([1, 0, 1, 0], [0, 1], ['a', 'b'], alone)).not.toHaveProperty('categories');
    const right = evaluate([1, 0], [0], ['a', 'b'], { categories: [['a', 'c']] });
    expect(right.categories).toEqual({ papers: 1, share: 1, wrong: 0, wrongShare: 0 });
  });

  it.each([
    [
      [1, 0],
      [1, 0],
    ],
    [[], []],
    [[1, 0], [2]],
    [[1, 0], [-1]],
    [[1, 0], [0.5]],
  ])('refuses numbers that do not fit together: %j for %j', (row, targets) => {
    expect(() => evaluate(row, targets, ['a', 'b'])).toThrow(RangeError);
  });
});

describe.each(expected.cases)(
  'of $name, scikit-learn',
  ({ parts: whole, rows, targets, metrics: theirs }) => {
    const classes = rows.length / targets.length;
    const probabilities = parts(rows, whole);
    const ours = evaluate(probabilities, targets, letters(classes));
    const equal = (a: number, b: number) =>
      expect(Math.abs(a - b)).toBeLessThan(1e-12 * Math.max(1, Math.abs(b)));

    it('counts the same', () => {
      expect(ours.confusion).toEqual(theirs.confusion);
      expect(ours.perClass.map(each => each.support)).toEqual(theirs.perClass.map(each => each.support));
    });

    it('has the same figures', () => {
      for (const key of ['accuracy', 'logLoss', 'brier', 'calibrationError'] as const)
        equal(ours[key], theirs[key]);
      for (const key of ['precision', 'recall', 'f1'] as const) {
        equal(ours.macro[key], theirs.macro[key]);
        equal(ours.weighted[key], theirs.weighted[key]);
        for (const [k, each] of ours.perClass.entries()) equal(each[key], theirs.perClass[k]![key]);
      }
    });

    it('has the same reliability diagram', () => {
      const bins = calibrationBins(probabilities, argMaxRows(probabilities, classes), targets);
      expect(bins).toHaveLength(15);
      expect(bins.flatMap(({ papers }, bin) => (papers > 0 ? [bin] : []))).toEqual(
        theirs.bins.map(({ bin }) => bin),
      );
      for (const { bin, papers, accuracy, confidence } of theirs.bins) {
        expect(bins[bin]!.papers).toBe(papers);
        equal(bins[bin]!.accuracy, accuracy);
        equal(bins[bin]!.confidence, confidence);
      }
      equal(calibrationError(bins), theirs.calibrationError);
    });
  },
);
