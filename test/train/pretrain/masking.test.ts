import { describe, expect, it } from 'vitest';
import { maskWords } from '../../../src/train/pretrain/masking.js';
import { seededRandom } from '../../../src/util/random.js';

const MASK = 4;
const vocabulary = { size: 1000, maskTokenId: MASK, specialIds: new Set([0, 1, 2, 3, MASK]) };

/** Sequences of so many words between [CLS] and [SEP], all of them word 500 + its place modulo 400. */
function batch(...lengths: number[]) {
  const sequences = lengths.map(length => [2, ...Array.from({ length }, (_, i) => 500 + (i % 400)), 3]);
  const offsets = [0];
  for (const sequence of sequences) offsets.push(offsets.at(-1)! + sequence.length);
  return { ids: Int32Array.from(sequences.flat()), offsets: Int32Array.from(offsets) };
}

const mask = (packed: ReturnType<typeof batch>, rate: number, key = 'k') =>
  maskWords(packed, rate, vocabulary, seededRandom(key));

describe('maskWords', () => {
  it('takes its share of each sequence, at least one word, and never a special token', () => {
    const packed = batch(100, 1, 0, 7);
    const { positions, targets } = mask(packed, 0.15);
    const perSequence = [0, 1, 2, 3].map(
      s => positions.filter(p => p >= packed.offsets[s]! && p < packed.offsets[s + 1]!).length,
    );
    expect(perSequence).toEqual([15, 1, 0, 1]);
    expect([...targets]).toEqual([...positions].map(p => packed.ids[p]));
    expect(Math.min(...targets)).toBeGreaterThanOrEqual(500);
    expect([...positions]).toEqual([...new Set(positions)].sort((a, b) => a - b));
  });

  it('replaces 80 % by the mask and 10 % by any word, and changes nothing else', () => {
    const packed = batch(20_000);
    const { ids, positions, targets } = mask(packed, 0.5);
    const share = (test: (id: number, i: number) => boolean) =>
      [...positions].filter((p, i) => test(ids[p]!, i)).length / positions.length;
    // Four standard deviations of 10,000 draws.
    expect(Math.abs(share(id => id === MASK) - 0.8)).toBeLessThan(0.016);
    const kept = share((id, i) => id === targets[i]);
    expect(Math.abs(kept - 0.1 * (1 + 1 / 995))).toBeLessThan(0.012);
    expect(share(id => id < MASK)).toBe(0);
    const chosen = new Set(positions);
    expect(ids.filter((_, i) => !chosen.has(i))).toEqual(packed.ids.filter((_, i) => !chosen.has(i)));
    // Anywhere in the text.
    expect(positions.reduce((sum, p) => sum + p, 0) / positions.length / 10_000).toBeCloseTo(1, 1);
  });

  it('depends on its random numbers alone', () => {
    expect(mask(batch(50, 20), 0.2)).toEqual(mask(batch(50, 20), 0.2));
    expect(mask(batch(50, 20), 0.2, 'other')).not.toEqual(mask(batch(50, 20), 0.2));
  });
});
