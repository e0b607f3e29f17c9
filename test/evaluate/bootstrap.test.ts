import { describe, expect, it } from 'vitest';
import { bootstrap, bootstrapDifference, bootstrapMetrics, quantile } from '../../src/evaluate/bootstrap.js';
import { evaluate } from '../../src/evaluate/metrics.js';
import { seededRandom } from '../../src/util/random.js';
import { expected, letters, simulated } from './expected.js';

const labels = letters(4);
const { probabilities, targets } = simulated('papers', 300, 4);
const worse = simulated('other papers', 300, 4).probabilities;
const options = { seed: 1, resamples: 400 };

describe('quantile', () => {
  it("is NumPy's", () => {
    const { values, shares, quantiles } = expected.quantiles;
    const sorted = Float64Array.from(values);
    for (const [i, share] of shares.entries()) expect(quantile(sorted, share)).toBeCloseTo(quantiles[i]!, 12);
  });
});

describe('bootstrapMetrics', () => {
  const intervals = bootstrapMetrics({ probabilities }, targets, labels, options);

  it('has the figures of the papers, each within its interval', () => {
    const metrics = evaluate(probabilities, targets, labels);
    for (const key of ['accuracy', 'logLoss', 'brier'] as const) {
      expect(intervals[key].value).toBeCloseTo(metrics[key], 12);
      expect(intervals[key].low).toBeLessThan(metrics[key]);
      expect(intervals[key].high).toBeGreaterThan(metrics[key]);
    }
    for (const key of ['precision', 'recall', 'f1'] as const) {
      expect(intervals.macro[key].value).toBe(metrics.macro[key]);
      expect(intervals.weighted[key].value).toBe(metrics.weighted[key]);
      for (const [k, each] of metrics.perClass.entries()) {
        expect(intervals.perClass[k]!.label).toBe(each.label);
        expect(intervals.perClass[k]![key].value).toBe(each[key]);
        expect(intervals.perClass[k]![key].low).toBeLessThan(each[key]);
      }
    }
  });

  it('gives the same for the same seed, and another for another', () => {
    expect(bootstrapMetrics({ probabilities }, targets, labels, options)).toEqual(intervals);
    const other = bootstrapMetrics({ probabilities }, targets, labels, { ...options, seed: 2 });
    expect(other.logLoss.low).not.toBe(intervals.logLoss.low);
  });

  it('judges the classes that were chosen', () => {
    const predicted = Int32Array.from(targets);
    const { accuracy, logLoss } = bootstrapMetrics({ probabilities, predicted }, targets, labels, options);
    expect(accuracy).toEqual({ value: 1, low: 1, high: 1 });
    expect(logLoss).toEqual(intervals.logLoss);
  });

  it('of one paper knows nothing but this paper', () => {
    const { accuracy } = bootstrapMetrics({ probabilities: [0.2, 0.8] }, [1], ['a', 'b'], options);
    expect(accuracy).toEqual({ value: 1, low: 1, high: 1 });
  });
});

describe('bootstrap', () => {
  it('draws as many papers as there are, each equally often in the long run', () => {
    const drawn = new Float64Array(10);
    bootstrap(
      10,
      counts => {
        expect(counts.reduce((sum, count) => sum + count)).toBe(10);
        counts.forEach((count, paper) => {
          drawn[paper]! += count;
        });
        return [0];
      },
      { seed: 1, resamples: 4000 },
    );
    for (const count of drawn) expect(Math.abs(count - 4001)).toBeLessThan(250);
  });

  it('covers the truth 95 times in 100', () => {
    const random = seededRandom('coverage');
    const truth = 0.7;
    const ROUNDS = 400;
    let covered = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const right = Float64Array.from({ length: 150 }, () => (random() < truth ? 1 : 0));
      const accuracy = (counts: Uint16Array) => {
        let sum = 0;
        for (let paper = 0; paper < counts.length; paper++) sum += counts[paper]! * right[paper]!;
        return [sum / counts.length];
      };
      const [interval] = bootstrap(right.length, accuracy, { seed: round, resamples: 300 });
      if (interval!.low <= truth && truth <= interval!.high) covered += 1;
    }
    // Four standard deviations around 95 %; of few papers these intervals are known to be slightly short.
    expect(covered / ROUNDS).toBeGreaterThan(0.905);
    expect(covered / ROUNDS).toBeLessThan(0.985);
  });
});

describe('bootstrapDifference', () => {
  it('sees what a model is better in', () => {
    const first = { probabilities };
    const second = { probabilities: worse };
    const difference = bootstrapDifference(first, second, targets, labels, options);
    const [a, b] = [evaluate(probabilities, targets, labels), evaluate(worse, targets, labels)];
    expect(difference.accuracy.value).toBeCloseTo(a.accuracy - b.accuracy, 12);
    expect(difference.accuracy.low).toBeGreaterThan(0);
    expect(difference.logLoss.high).toBeLessThan(0);
    const turned = bootstrapDifference(second, first, targets, labels, options);
    expect(turned.macro.f1.low).toBeCloseTo(-difference.macro.f1.high, 12);
  });

  it('is paired: equal models never differ', () => {
    const { logLoss } = bootstrapDifference({ probabilities }, { probabilities }, targets, labels, options);
    expect(logLoss).toEqual({ value: 0, low: 0, high: 0 });
  });
});
