import { describe, expect, it } from 'vitest';
import { bestTokens } from '../../../src/augment/marian/logits.js';
import { seededRandom } from '../../../src/util/random.js';

const random = seededRandom('logits');
const row = Float32Array.from({ length: 5000 }, () => 24 * random() - 12);

/** In double precision, by the definition. */
function expected(logits: Float32Array, banned: number[], count: number, renormalize: boolean) {
  const counted = [...logits.keys()].filter(token => !renormalize || !banned.includes(token));
  const normalizer = Math.log(counted.reduce((sum, token) => sum + Math.exp(logits[token]!), 0));
  return [...logits.keys()]
    .filter(token => !banned.includes(token))
    .map(token => ({ token, logProbability: logits[token]! - normalizer }))
    .sort((a, b) => b.logProbability - a.logProbability)
    .slice(0, count);
}

describe('the best tokens', () => {
  const [first, second] = expected(row, [], 2, false).map(({ token }) => token) as [number, number];

  it.each([
    ['none banned', [], 8, false],
    ['the best banned', [first, 17], 8, false],
    ['the best banned, the rest counted for all', [first, second], 8, true],
    ['only one', [], 1, false],
  ] as const)('are those of the definition: %s', (_, banned, count, renormalize) => {
    const found = bestTokens(row.slice(), banned, count, renormalize);
    const right = expected(row, [...banned], count, renormalize);
    expect(found.map(({ token }) => token)).toEqual(right.map(({ token }) => token));
    for (const [i, { logProbability }] of found.entries()) {
      expect(logProbability).toBeCloseTo(right[i]!.logProbability, 8);
    }
  });

  it('are fewer where fewer are allowed', () => {
    const few = Float32Array.of(1, 2, Number.NEGATIVE_INFINITY, 0);
    expect(bestTokens(few, [0], 8, false).map(({ token }) => token)).toEqual([1, 3]);
  });

  it('are none of what is no number', () => {
    expect(bestTokens(new Float32Array(4).fill(Number.NaN), [], 2, false)).toEqual([]);
  });
});
