import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MarianTokenizer } from '../../../src/augment/marian/tokenizer.js';
import { fixture, scratch } from './fixtures.js';

const { encodings, decodings } = JSON.parse(
  readFileSync(join(fixture('even'), 'tokens.json'), 'utf8'),
) as Record<string, { text: string; ids: number[] }[]>;

describe("a Marian model's tokenizer", () => {
  it.each(encodings!)('gives the ids that Rust does: $text', async ({ text, ids }) => {
    expect((await MarianTokenizer.open(fixture('even'))).encode(text)).toEqual(ids);
  });

  it.each(decodings!)('gives the text that Rust does: $text', async ({ text, ids }) => {
    expect((await MarianTokenizer.open(fixture('even'))).decode(ids)).toBe(text.trim());
  });

  it('knows the largest id', async () => {
    expect((await MarianTokenizer.open(fixture('even'))).vocabSize).toBe(48);
  });

  describe('that is unfit', () => {
    let folder: string;
    beforeEach(() => {
      folder = scratch();
      cpSync(join(fixture('even'), 'tokenizer.json'), join(folder, 'tokenizer.json'));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it.each([
      ['{}', /a model of type undefined; expected Unigram/],
      ['{"model": {"type": "WordPiece", "vocab": {}}}', /a model of type "WordPiece"/],
      ['{"model": {"type": "Unigram", "vocab": []}}', /not a usable tokenizer/],
      ['[', /not JSON/],
    ])('is refused: %s', async (content, message) => {
      writeFileSync(join(folder, 'tokenizer.json'), content);
      await expect(MarianTokenizer.open(folder)).rejects.toThrow(message);
      await expect(MarianTokenizer.open(folder)).rejects.toMatchObject({ code: 'BAD_MODEL' });
    });

    it('is missed', async () => {
      rmSync(join(folder, 'tokenizer.json'));
      await expect(MarianTokenizer.open(folder)).rejects.toThrow(/tokenizer.json: there is no such file/);
    });
  });
});
