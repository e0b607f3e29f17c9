import { describe, expect, it } from 'vitest';
import { distribution } from '../../src/evaluate/distribution.js';
import { seededRandom } from '../../src/util/random.js';

const of = (...values: number[]) => distribution(Uint32Array.from(values));

describe('a distribution', () => {
  it('has the percentiles that numpy.percentile gives', () => {
    // numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [5, 25, 50, 75, 95, 99])
    const { p5, p25, median, p75, p95, p99 } = of(3, 1, 4, 1, 5, 9, 2, 6);
    const expected = [1, 1.75, 3.5, 5.25, 7.95, 8.79];
    [p5, p25, median, p75, p95, p99].forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 10);
    });
  });

  it('has extremes and a mean, and sorts by size, not as text', () => {
    expect(of(100, 9, 20)).toMatchObject({ min: 9, max: 100, mean: 43, median: 20 });
  });

  it('of one value, and of equal values, is that value', () => {
    for (const values of [[7], [7, 7, 7]]) {
      const { histogram, ...figures } = of(...values);
      expect(new Set(Object.values(figures))).toEqual(new Set([7]));
      expect(histogram).toEqual([{ from: 7, to: 8, papers: values.length }]);
    }
    expect(of(0, 0).histogram).toEqual([{ from: 0, to: 1, papers: 2 }]);
  });

  it('leaves what it was given as it was', () => {
    const values = Uint32Array.of(3, 1, 2);
    distribution(values);
    expect([...values]).toEqual([3, 1, 2]);
  });
});

describe('a histogram', () => {
  it.each([1, 10, 250, 40_000])('of numbers up to %d counts each once, in bins that touch', most => {
    const random = seededRandom(`histogram ${most}`);
    const values = Uint32Array.from({ length: 5000 }, () => Math.floor(random() * (most + 1)));
    const { histogram } = distribution(values);
    expect(histogram.length).toBeLessThanOrEqual(31);
    const width = histogram[0]!.to! - histogram[0]!.from;
    expect([1, 2, 5]).toContain(Number(String(width)[0]));
    expect(histogram.reduce((sum, { papers }) => sum + papers, 0)).toBe(values.length);
    for (const [i, { from, to, papers }] of histogram.entries()) {
      const inside = values.filter(value => value >= from && value < (to ?? Infinity)).length;
      expect(papers).toBe(inside);
      if (i > 0) expect(from).toBe(histogram[i - 1]!.to);
    }
  });

  it('gathers a long tail in its last bin, which is open', () => {
    const { histogram } = of(...Array.from({ length: 999 }, (_, i) => 10 + (i % 20)), 1_000_000);
    expect(histogram.length).toBeLessThanOrEqual(31);
    expect(histogram.at(-1)).toEqual({ from: 29, to: null, papers: 50 });
    expect(histogram[0]).toEqual({ from: 10, to: 11, papers: 50 });
  });
});
