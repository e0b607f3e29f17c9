import { describe, expect, it } from 'vitest';
import { truncation } from '../../src/evaluate/truncation.js';

describe('truncation', () => {
  it('counts what is longer than the limit, by class and in all', () => {
    // Class 0: 10 (8 tokens and the two around them), 12; class 1: 22, 2 (an empty text).
    const found = truncation('title', 11, Uint32Array.of(10, 12, 22, 2), Uint32Array.of(0, 0, 1, 1), 2);
    expect(found).toEqual({
      text: 'title',
      limit: 11,
      perClass: [
        { papers: 2, cut: 1 / 2, lost: 1 / 18 },
        { papers: 2, cut: 1 / 2, lost: 11 / 20 },
      ],
      all: { papers: 4, cut: 2 / 4, lost: 12 / 38 },
    });
  });

  it('takes nothing from texts as long as the limit, nor from none', () => {
    const { all, perClass } = truncation('abstract', 5, Uint32Array.of(5, 2), Uint32Array.of(0, 0), 2);
    expect(all).toEqual({ papers: 2, cut: 0, lost: 0 });
    expect(perClass[1]).toEqual({ papers: 0, cut: 0, lost: 0 });
    expect(truncation('title', 5, Uint32Array.of(2), Uint32Array.of(0), 1).all.lost).toBe(0);
  });
});
