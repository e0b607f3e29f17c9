import { describe, expect, it } from 'vitest';
import { checkPretrainOptions, encoderSizes, settingsOf } from '../../../src/train/pretrain/options.js';
import type { PretrainOptions } from '../../../src/train/pretrain/types.js';

const options = (changes: object): PretrainOptions => ({ corpus: ['a.jsonl'], steps: 1, ...changes });

describe('checkPretrainOptions', () => {
  it.each([
    [{}, undefined],
    [{ steps: undefined, hours: 0.5, encoder: 'e', revision: 'main' }, undefined],
    [{ corpus: [] }, '"corpus" must name at least one file of papers'],
    [{ corpus: 'a.jsonl' }, '"corpus" must name'],
    [{ hours: 1 }, 'how long?'],
    [{ steps: undefined }, 'how long?'],
    [{ steps: 1.5 }, '"steps" must be a whole number >= 1, not 1.5'],
    [{ maxLength: 2 }, '"maxLength" must be a whole number >= 3, not 2'],
    [{ maskRate: 1.5 }, '"maskRate" must be a number above 0 and below 1, not 1.5'],
    [{ learningRate: Number.NaN }, '"learningRate" must be'],
    [{ categoryWeight: -1 }, '"categoryWeight" must be a number of at least 0, not -1'],
    [{ teacher: 't', teacherWeight: 0 }, '"teacherWeight" must be a number above 0, not 0'],
    [{ teacher: 't', teacherLength: 2 }, '"teacherLength" must be a whole number >= 3, not 2'],
    [{ teacherLength: 9 }, 'are of a teacher'],
    [{ headLearningRateFactor: 0 }, '"headLearningRateFactor" must be a number above 0, not 0'],
    [{ saveAs: 'int8' }, '"saveAs" must be one of fp32, bf16, fp16'],
    [{ encoder: 'e', config: 'small' }, '"encoder" has its own sizes'],
    [{ revision: 'main' }, '"revision" is of an encoder on the Hub'],
    [{ stepz: 1 }, 'there is no option "stepz"'],
  ])('%j', (changes, message) => {
    const check = () => checkPretrainOptions(options(changes));
    if (message === undefined) check();
    else expect(check).toThrow(message);
  });
});

describe('encoderSizes', () => {
  it("knows the package's own, and lets a vocabulary of another size stand in", () => {
    const small = encoderSizes(options({}));
    expect(small).toMatchObject({ vocabSize: 16000, maxPositions: 512 });
    expect(encoderSizes(options({ vocabSize: 999 }))).toEqual({ ...small, vocabSize: 999 });
  });

  it.each([
    ['smal', 'there are no sizes "smal"'],
    ['./none.json', './none.json: there is no such file'],
    ['package.json', 'must have "hiddenSize"'],
    [{ hiddenSize: 10, layers: 1, attentionHeads: 3, intermediateSize: 8, maxPositions: 8 }, 'must divide'],
    [{ hiddenSize: 12, layers: 1, attentionHeads: 3, maxPositions: 8 }, 'intermediateSize'],
  ])('refuses %j', (config, message) => {
    expect(() => encoderSizes(options({ config }))).toThrow(message);
  });
});

it('an encoder that exists is changed more gently than a new one learns', () => {
  expect(settingsOf(options({ encoder: 'e' })).learningRate).toBeLessThan(
    settingsOf(options({})).learningRate,
  );
  expect(settingsOf(options({ encoder: 'e', learningRate: 0.1 })).learningRate).toBe(0.1);
});
