import { expect, it } from 'vitest';
import { defectOf } from '../../src/augment/quality.js';

const original = 'We propose a new method, and show that it works well.';

it.each([
  ['We suggest a novel method and prove that it works.', undefined],
  ['', 'empty'],
  [' … ', 'empty'],
  ['we propose a NEW method -- and show that it works well', 'identical to the original'],
  ['We propose a method.', 'much shorter than the original'],
  ['We propose '.repeat(10), 'much longer than the original'],
])('%s', (copy, defect) => {
  expect(defectOf(original, copy)).toBe(defect);
});
