import { describe, expect, it } from 'vitest';
import {
  bootstrap,
  bootstrapCategories,
  bootstrapDifference,
  bootstrapMetrics,
} from '../../src/evaluate/bootstrap.js';
import { quantile } from '../../src/evaluate/distribution.js';
import { type Agreement, evaluate } from '../../src/evaluate/metrics.js';
import { seededRandom } from '../../src/util/random.js';
import { expected, letters, simulated } from './expected.js';

const labels = letters(4);
const { probabilities, targets } = simulated('papers', 300, 4);
const worse = simulated('other papers', 300, 4).probabilities;
const options = { seed: 1, resamples: 400 };
const intervals = await bootstrapMetrics({ probabilities }, targets, labels, options);

/** A class index a paper, as many of each as its place says. */
const classes = (...counts: number[]) => Int32Array.from(counts.flatMap((n, k) => Array<number>(n).fill(k)));
/** Of models whose classes alone matter here. */
const chosen = (predicted: Int32Array) => ({
  probabilities: new Float64Array(2 * predicted.length).fill(0.5),
  predicted,
});

describe('quantile', () => {
  it("is NumPy's", () => {
    const { values, shares, quantiles } = expected.quantiles;
    const sorted = Float64Array.from(values);
    for (const [i, share] of shares.entries()) expect(quantile(sorted, share)).toBeCloseTo(quantiles[i]!, 12);
  });
});

describe('bootstrapMetrics', () => {
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

  it('gives the same for the same seed, and another for another', async () => {
    expect(await bootstrapMetrics({ probabilities }, targets, labels, options)).toEqual(intervals);
    const other = await bootstrapMetrics({ probabilities }, targets, labels, { ...options, seed: 2 });
    expect(other.logLoss.low).not.toBe(intervals.logLoss.low);
  });

  it('judges the classes that were chosen', async () => {
    const predicted = Int32Array.from(targets);
    const said = { probabilities, predicted };
    const { accuracy, logLoss } = await bootstrapMetrics(said, targets, labels, options);
    expect(accuracy).toEqual({ value: 1, low: 1, high: 1 });
    expect(logLoss).toEqual(intervals.logLoss);
  });

  it('leaves out what a sample says nothing of', async () => {
    // One sample in twenty has none of three papers among a hundred.
    const rare = classes(97, 3);
    const right = await bootstrapMetrics(chosen(rare), rare, ['many', 'few'], options);
    for (const figure of ['precision', 'recall', 'f1'] as const) {
      expect(right.perClass[1]![figure]).toEqual({ value: 1, low: 1, high: 1 });
    }
    // Of this class there are papers in every sample, and mistakes in most.
    const missed = await bootstrapMetrics(chosen(classes(98, 2)), rare, ['many', 'few'], options);
    expect(missed.perClass[1]!.precision).toEqual({ value: 1, low: 1, high: 1 });
    expect(missed.perClass[1]!.recall).toMatchObject({ value: 2 / 3, low: 0, high: 1 });
    expect(missed.perClass[0]!.recall).toEqual({ value: 1, low: 1, high: 1 });
  });

  it('has no width where no sample says anything', async () => {
    const { perClass } = await bootstrapMetrics(chosen(classes(5, 0)), classes(5, 0), ['a', 'b'], options);
    expect(perClass[1]).toEqual({
      label: 'b',
      precision: { value: 0, low: 0, high: 0 },
      recall: { value: 0, low: 0, high: 0 },
      f1: { value: 0, low: 0, high: 0 },
    });
    const [onlyGiven] = (await bootstrapMetrics(chosen(classes(0, 5)), classes(5, 0), ['a', 'b'], options))
      .perClass;
    expect(onlyGiven!.precision).toEqual({ value: 0, low: 0, high: 0 });
    expect(onlyGiven!.recall).toEqual({ value: 0, low: 0, high: 0 });
  });

  it('of one paper knows nothing but this paper', async () => {
    const { accuracy } = await bootstrapMetrics({ probabilities: [0.2, 0.8] }, [1], ['a', 'b'], options);
    expect(accuracy).toEqual({ value: 1, low: 1, high: 1 });
  });
});

describe('bootstrap', () => {
  it('draws as many papers as there are, each equally often in the long run', async () => {
    const drawn = new Float64Array(10);
    await bootstrap(
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

  it('covers the truth 95 times in 100', async () => {
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
      const [interval] = await bootstrap(right.length, accuracy, { seed: round, resamples: 300 });
      if (interval!.low <= truth && truth <= interval!.high) covered += 1;
    }
    // Four standard deviations around 95 %; of few papers these intervals are known to be slightly short.
    expect(covered / ROUNDS).toBeGreaterThan(0.905);
    expect(covered / ROUNDS).toBeLessThan(0.985);
  });

  it('lets the event loop have its turn, and stops soon after the signal', async () => {
    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort(), 30);
    let drawn = 0;
    const count = () => [++drawn];
    const endless = { seed: 1, resamples: 10_000_000, signal: interrupt.signal };
    await expect(bootstrap(100, count, endless)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(drawn).toBeLessThan(10_000_000);
  });
});

describe('bootstrapDifference', () => {
  it('sees what a model is better in', async () => {
    const first = { probabilities };
    const second = { probabilities: worse };
    const difference = await bootstrapDifference(first, second, targets, labels, options);
    const [a, b] = [evaluate(probabilities, targets, labels), evaluate(worse, targets, labels)];
    expect(difference.accuracy.value).toBeCloseTo(a.accuracy - b.accuracy, 12);
    expect(difference.accuracy.low).toBeGreaterThan(0);
    expect(difference.logLoss.high).toBeLessThan(0);
    const turned = await bootstrapDifference(second, first, targets, labels, options);
    expect(turned.macro.f1.low).toBeCloseTo(-difference.macro.f1.high, 12);
  });

  it('leaves out the samples that say nothing of one of the two', async () => {
    const targets = classes(97, 3);
    // The second gives the class to the three, and to three of the others.
    const [first, second] = [chosen(classes(97, 3)), chosen(classes(94, 6))];
    const { perClass } = await bootstrapDifference(first, second, targets, ['many', 'few'], options);
    expect(perClass[1]!.recall).toEqual({ value: 0, low: 0, high: 0 });
    expect(perClass[1]!.precision.value).toBe(0.5);
    // Samples without papers of the class define the second's precision, 0, but not the first's.
    expect(perClass[1]!.precision.low).toBeGreaterThanOrEqual(0);
    const [never] = [chosen(classes(100, 0))];
    const against = await bootstrapDifference(first, never, targets, ['many', 'few'], options);
    expect(against.perClass[1]!.precision).toEqual({ value: 1, low: 1, high: 1 });
  });

  it('is paired: equal models never differ', async () => {
    const same = { probabilities };
    const { logLoss } = await bootstrapDifference(same, same, targets, labels, options);
    expect(logLoss).toEqual({ value: 0, low: 0, high: 0 });
  });
});

describe('bootstrapCategories', () => {
  const papers = (agreement: Agreement | undefined, count: number) => Array(count).fill(agreement);

  it('is of the papers whose categories are known: a share varies as the binomial distribution says', async () => {
    const found = [...papers('label', 240), ...papers('another category', 120), ...papers('no category', 40)];
    const { share, wrongShare } = await bootstrapCategories([...found, ...papers(undefined, 99)], options);
    expect([share.value, wrongShare.value]).toEqual([0.9, 0.75]);
    const width = (p: number, n: number) => 2 * 1.96 * Math.sqrt((p * (1 - p)) / n);
    expect((share.high - share.low) / width(0.9, 400)).toBeCloseTo(1, 1);
    expect((wrongShare.high - wrongShare.low) / width(0.75, 160)).toBeCloseTo(1, 1);
  });

  it('leaves out samples without a wrong answer, and has a value where there is none', async () => {
    const { wrongShare } = await bootstrapCategories([...papers('label', 5), 'another category'], options);
    expect(wrongShare).toEqual({ value: 1, low: 1, high: 1 });
    const right = await bootstrapCategories(papers('label', 5), options);
    expect(right).toEqual({
      share: { value: 1, low: 1, high: 1 },
      wrongShare: { value: 0, low: 0, high: 0 },
    });
  });
});
