import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ArxivNativeError } from '../../src/errors.js';
import { safetensorsBytes } from '../../src/model/safetensors.js';
import { SparseClassifier, type SparseModel } from '../../src/model/sparse-classifier.js';
import {
  fromBfloat16,
  readWords,
  toBfloat16,
  WORD_WEIGHTS,
  WORDS,
  type Words,
  wordsShape,
  writeWords,
} from '../../src/model/words.js';
import { seededRandom } from '../../src/util/random.js';
import { damage } from '../support/damage.js';

const folder = mkdtempSync(join(tmpdir(), 'words-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const labels = ['cs.AI', 'cs.CL', 'cs.CV'];
const model: SparseModel = {
  labels,
  vocabulary: { words: ['attention', 'vision', 'größe'], pairs: Int32Array.of(0, 1, 2, 2) },
  idf: Float32Array.of(1, 1.5, 2, 2.5, 3),
  weights: Float32Array.from({ length: 15 }, (_, i) => i / 4 - 2),
  bias: Float32Array.of(0.1, 0.2, -0.3),
};
const words: Words = { classifier: new SparseClassifier(model), scales: { encoder: 0.6, words: 0.8 } };
const shape = wordsShape(words);
const [list, numbers] = [join(folder, WORDS), join(folder, WORD_WEIGHTS)];
const read = () => readWords(folder, shape, labels);

beforeEach(() => writeWords(folder, words));

async function refusal(): Promise<string> {
  const error = await read().then(
    () => new Error('it was read'),
    error => error,
  );
  expect(error).toBeInstanceOf(ArxivNativeError);
  expect(error.code).toBe('BAD_MODEL');
  return error.message;
}

describe('the words of a saved model', () => {
  it('are read as they were written', async () => {
    const opened = await read();
    expect(opened.scales).toEqual(words.scales);
    expect(opened.classifier.model).toEqual(model);
    const text = 'Größe größe: Attention, vision!';
    expect(opened.classifier.logits(text)).toEqual(words.classifier.logits(text));
  });

  it('may be none', async () => {
    const empty = { vocabulary: { words: [], pairs: new Int32Array(0) }, idf: new Float32Array(0) };
    const classifier = new SparseClassifier({ ...model, ...empty, weights: new Float32Array(0) });
    await writeWords(folder, { ...words, classifier });
    const opened = await readWords(folder, { ...shape, words: 0, pairs: 0 }, labels);
    expect(opened.classifier.logits('anything')).toEqual(Float64Array.from(model.bias));
  });

  it.each([WORDS, WORD_WEIGHTS])('are refused by name where %s is cut', async name => {
    const file = join(folder, name);
    const { length } = readFileSync(file);
    for (const left of [0, 4, Math.floor(length / 2), length - 2]) {
      await writeWords(folder, words);
      truncateSync(file, left);
      expect(await refusal()).toContain(file);
    }
  });

  it.each([
    ['not a list', '{}'],
    ['another number of words', '["attention", "vision"]'],
    ['a word twice', '["attention", "vision", "vision"]'],
    ['what is no word', '["attention", "vision", 3]'],
  ])('are refused with %s', async (_, text) => {
    writeFileSync(list, text);
    expect(await refusal()).toBe(`${list} must hold a list of 3 different words`);
  });

  it.each<[string, Partial<SparseModel>, string]>([
    [
      'a pair of words that are not there',
      { vocabulary: { ...model.vocabulary, pairs: Int32Array.of(0, 1, 2, 3) } },
      'a pair is not of words that there are',
    ],
    [
      'a pair twice',
      { vocabulary: { ...model.vocabulary, pairs: Int32Array.of(0, 1, 0, 1) } },
      'a word or pair comes twice',
    ],
    ['an idf of 0', { idf: Float32Array.of(1, 1, 0, 1, 1) }, 'its idf are not all numbers above 0'],
    ['a bias that is no number', { bias: Float32Array.of(0, NaN, 0) }, 'its weights are not finite'],
  ])('are refused with %s', async (_, over, what) => {
    await writeWords(folder, { ...words, classifier: { model: { ...model, ...over } } as SparseClassifier });
    expect(await refusal()).toBe(`${numbers}: ${what}`);
  });

  it('are refused with tensors of other shapes than config.json says', async () => {
    const other = readWords(folder, { ...shape, pairs: 1 }, labels);
    await expect(other).rejects.toThrow('tensor "pairs" is I32 [2,2], expected I32 [1,2]');
    writeFileSync(numbers, safetensorsBytes({}));
    expect(await refusal()).toContain(`${numbers} is malformed: there is no tensor "pairs"`);
  });

  it.each([WORDS, WORD_WEIGHTS])('are read or refused however %s is damaged', async name => {
    const file = join(folder, name);
    const original = readFileSync(file);
    const next = seededRandom(name);
    let refused = 0;
    for (let round = 0; round < 300; round++) {
      writeFileSync(file, damage(original, next));
      try {
        const { classifier } = await read();
        expect(classifier.logits('attention vision größe größe')).toHaveLength(3);
      } catch (error) {
        if ((error as ArxivNativeError).code !== 'BAD_MODEL') throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(75);
  });
});

describe('bfloat16', () => {
  it('is the nearest, of two the even one', () => {
    const one = 2 ** -7; // The distance of two numbers from 1 on.
    const values = Float32Array.of(1, -3, 1 + 0.4 * one, 1 + 0.5 * one, 1 + 1.5 * one, -1 - 0.6 * one, 0);
    const nearest = Float32Array.of(1, -3, 1, 1, 1 + 2 * one, -1 - one, 0);
    expect(fromBfloat16(toBfloat16(values))).toEqual(nearest);
    expect(fromBfloat16(toBfloat16(nearest))).toEqual(nearest);
  });
});
