import { expect, it } from 'vitest';
import type { AugmentResult } from '../../src/augment/augment.js';
import { augmentSummaryText } from '../../src/cli/augment-text.js';

it.each([
  [5, 5, false],
  [4, 5, true],
])('of %d kept and %d dropped copies: warning %s', (copies, dropped, warns) => {
  const result = {
    drawn: Array(9).fill('id'),
    samples: 9,
    category: 'cs.AI',
    copies,
    pivots: ['es'],
    dropped: { empty: dropped - 1, cut: 1 },
    file: '/data/augmented.jsonl',
  } as unknown as AugmentResult;
  const text = augmentSummaryText(result);
  expect(text.includes(`warning: only ${copies} of ${copies + dropped} copies were worth keeping`)).toBe(
    warns,
  );
});
