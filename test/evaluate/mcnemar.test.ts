import { describe, expect, it } from 'vitest';
import { mcnemar } from '../../src/evaluate/mcnemar.js';
import { expected } from './expected.js';

describe('mcnemar', () => {
  it('counts who is right', () => {
    const { pValue, ...counts } = mcnemar([0, 1, 0, 1, 0, 2], [0, 0, 1, 1, 1, 0], [0, 1, 0, 2, 0, 0]);
    expect(counts).toEqual({ both: 1, onlyFirst: 3, onlySecond: 1, neither: 1 });
    expect(pValue).toBeCloseTo((2 * (1 + 4)) / 16, 12);
  });

  it.each(expected.mcnemar)('finds $onlyFirst against $onlySecond as likely as SciPy does', test => {
    const targets = new Int32Array(test.onlyFirst + test.onlySecond + 7);
    const first = targets.map((_, paper) => (paper < test.onlyFirst ? 0 : 1));
    const second = targets.map((_, paper) => (paper < targets.length - 7 ? 1 - first[paper]! : 1));
    const { pValue, ...counts } = mcnemar(first, second, targets);
    expect(counts).toEqual({ both: 0, onlyFirst: test.onlyFirst, onlySecond: test.onlySecond, neither: 7 });
    expect(Math.abs(pValue - test.pValue)).toBeLessThan(1e-10 * test.pValue + Number.MIN_VALUE);
  });

  it('refuses predictions of other papers', () => {
    expect(() => mcnemar([0], [0, 1], [0, 1])).toThrow(RangeError);
  });
});
