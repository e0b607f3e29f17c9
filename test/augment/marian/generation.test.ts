import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generationFor, readMarianConfig } from '../../../src/augment/marian/generation.js';
import { copyModel, scratch } from './fixtures.js';

let folder: string;
beforeEach(() => {
  folder = scratch();
  copyModel('even', folder, {}, ['config.json', 'generation_config.json']);
});
afterEach(() => rmSync(folder, { recursive: true }));

function change(file: string, fields: Record<string, unknown>): void {
  const path = join(folder, file);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...fields }));
}

describe("a Marian model's configuration", () => {
  it('is read from both files', async () => {
    const { shape, generation } = await readMarianConfig(folder);
    expect(shape).toMatchObject({ layers: 1, heads: 2, headSize: 8, vocabSize: 48, maxPositions: 32 });
    expect(generation).toMatchObject({ start: 47, end: 0, pad: 47, forcedEnd: 0, maxLength: 24, beams: 4 });
    expect(generation.banned).toEqual([[47]]);
  });

  it('is read from config.json alone where that is all there is', async () => {
    rmSync(join(folder, 'generation_config.json'));
    change('config.json', { num_beams: 6, max_length: 12, bad_words_ids: [[47], [0]] });
    const { generation } = await readMarianConfig(folder);
    expect(generation).toMatchObject({ start: 47, end: 0, beams: 6, maxLength: 12 });
    // The end token is never banned.
    expect(generation.banned).toEqual([[47]]);
  });

  it('lets no sequence grow beyond the positions that there are', async () => {
    change('generation_config.json', { max_length: 512 });
    expect((await readMarianConfig(folder)).generation.maxLength).toBe(33);
  });

  it.each([
    [{ do_sample: true, num_beams: 4 }, /drawing \(do_sample\) with 4 beams/],
    [{ do_sample: true, num_beams: 1, top_k: 0 }, /drawing from all tokens/],
  ])(
    'is refused where it draws as nothing here does, unless an option says otherwise: %j',
    async (fields, message) => {
      change('generation_config.json', fields);
      const { generation } = await readMarianConfig(folder);
      expect(() => generationFor(generation, {}, folder)).toThrow(message);
      expect(generationFor(generation, { beams: 2 }, folder)).toMatchObject({
        beams: 2,
        temperature: undefined,
      });
      change('generation_config.json', { top_k: 7 });
      const { generation: other } = await readMarianConfig(folder);
      expect(generationFor(other, { temperature: 0.5 }, folder)).toMatchObject({ temperature: 0.5, topK: 7 });
    },
  );

  it('may say that all tokens are drawn from where none is drawn', async () => {
    change('generation_config.json', { top_k: 0 });
    const { generation } = await readMarianConfig(folder);
    expect(generationFor(generation, {}, folder)).toMatchObject({ beams: 4, temperature: undefined });
  });

  it.each([
    ['config.json', { model_type: 'bart' }, /model_type is "bart"/],
    ['config.json', { decoder_attention_heads: 3 }, /no multiple of 3 heads/],
    ['config.json', { decoder_layers: 'six' }, /decoder_layers is "six"/],
    ['generation_config.json', { eos_token_id: [0, 3] }, /eos_token_id is \[0,3\]; expected one id/],
    ['generation_config.json', { pad_token_id: 48 }, /pad_token_id is 48; expected one id below 48/],
    ['generation_config.json', { bad_words_ids: [[99]] }, /bad_words_ids is \[\[99\]\]/],
    ['generation_config.json', { early_stopping: 'soon' }, /early_stopping is "soon"/],
    ['generation_config.json', { num_beams: 0 }, /num_beams is 0; expected .* at least 1/],
    ['generation_config.json', { repetition_penalty: 1.2 }, /repetition_penalty 1.2 is not supported/],
    ['generation_config.json', { num_beam_groups: 2 }, /num_beam_groups 2 is not supported/],
  ])('is refused by file and field: %s %j', async (file, fields, message) => {
    change(file, fields);
    await expect(readMarianConfig(folder)).rejects.toMatchObject({ code: 'BAD_MODEL' });
    await expect(readMarianConfig(folder)).rejects.toThrow(message);
    await expect(readMarianConfig(folder)).rejects.toThrow(file);
  });
});
