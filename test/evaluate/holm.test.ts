import { describe, expect, it } from 'vitest';
import { holm } from '../../src/evaluate/holm.js';

describe('holm', () => {
  it('multiplies the smallest by all tests, and gives none a smaller p than one before it', () => {
    const adjusted = holm([0.01, 0.04, 0.03, 0.005]);
    for (const [i, p] of [0.03, 0.06, 0.06, 0.02].entries()) expect(adjusted[i]).toBeCloseTo(p, 12);
  });

  it('leaves one test as it is, and stays within 1', () => {
    expect(holm([0.2])).toEqual([0.2]);
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });
});
