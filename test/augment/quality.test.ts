import { expect, it } from 'vitest';
import { defectOf, defectOfSentences, defectOfUnknown } from '../../src/augment/quality.js';

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

it.each([
  [
    ['It works.', original],
    ['Works well, it does so.', 'We suggest a novel method and prove that it works.'],
    undefined,
  ],
  [[original, 'It works.'], ['We.', 'It works.'], 'a sentence much shorter than the original'],
  [
    ['It works.', original],
    ['It works.', `${original} ${original}`],
    'a sentence much longer than the original',
  ],
  [['It works.', original], ['It works. '.repeat(5), original], 'a sentence much longer than the original'],
])('%s as %s', (originals, copies, defect) => {
  expect(defectOfSentences(originals, copies)).toBe(defect);
});

it.each([
  ['We show *XQ1 by *GPT-*4 here', '*', undefined],
  ['We show XQ1 by GPT-4 *muestrasdeaquí', '*', 'words that the translator does not know'],
  [`We show ${'XQ1 by GPT-4 '.repeat(20)}*muestrasdeaquí`, '*', undefined],
  ['We show XQ1 by GPT-4 *muestrasdeaquí', undefined, undefined],
])('%s, marked by %s', (copy, mark, defect) => {
  expect(defectOfUnknown('Here we show XQ1 by GPT-4', copy, mark)).toBe(defect);
});
