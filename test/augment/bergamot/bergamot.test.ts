import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bergamot } from '../../../src/augment/bergamot/bergamot.js';
import { findModelFiles } from '../../../src/augment/bergamot/model-files.js';
import type { Translation, Translator } from '../../../src/augment/translator.js';
import { BERGAMOT_MODELS, hasBergamotModels } from '../../support/bergamot-models.js';
import { compiled } from '../../support/cli.js';

const options = { threads: 1, offline: true, whole: false, seed: 1, modelDir: BERGAMOT_MODELS };
const scratch = mkdtempSync(join(tmpdir(), 'bergamot-'));
afterAll(() => rmSync(scratch, { recursive: true }));
beforeAll(compiled);

async function translate(translator: Translator, texts: string[]): Promise<Translation[]> {
  const results: Translation[] = [];
  await translator.translate(texts, (i, translation) => {
    results[i] = translation;
  });
  return results;
}

describe.skipIf(!hasBergamotModels)('bergamot, on real models (skipped where they are absent)', () => {
  it('translates each text for itself, whatever stands beside it', async () => {
    const translator = await bergamot.open({ ...options, from: 'en', to: 'pt' }, {});
    try {
      expect(translator.identity).toMatch(/^bergamot \S+, en-pt [0-9a-f]{16}, method \d+$/);
      const texts = [
        'We propose a new method.',
        'The error is XQ1. It grows.',
        'We propose a new method and show it. '.repeat(70).trim(),
      ];
      const [method, error, long] = await translate(translator, texts);
      expect(method).toEqual({ text: 'Propomos um novo método.' });
      expect(error).toMatchObject({ text: expect.stringContaining('XQ1') });
      expect(long).toEqual({ failure: 'a text of more than 512 tokens' });
      expect(await translate(translator, [texts[0]!])).toEqual([method]);
      const signal = AbortSignal.timeout(50);
      const many = Array.from({ length: 200 }, (_, i) => `${texts[0]} ${i}`);
      await expect(translator.translate(many, () => {}, signal)).rejects.toMatchObject({
        code: 'CANCELLED',
      });
    } finally {
      await translator.close();
    }
    await expect(translate(translator, ['Too late.'])).rejects.toMatchObject({ code: 'TRANSLATOR' });
  });
});

it.skipIf(!hasBergamotModels).each([0.5, 0])(
  'names the folder of a model of which %d is left',
  async part => {
    const folder = join(scratch, `cut-${part}`, 'en-pt');
    cpSync(join(BERGAMOT_MODELS, 'en-pt'), folder, { recursive: true });
    const { model } = (await findModelFiles(folder))!;
    truncateSync(model, statSync(model).size * part);
    const translator = await bergamot.open(
      { ...options, modelDir: dirname(folder), from: 'en', to: 'pt' },
      {},
    );
    try {
      await expect(translate(translator, ['We.'])).rejects.toMatchObject({
        code: 'BAD_MODEL',
        message: expect.stringContaining(folder),
        remedy: expect.stringContaining('copy them again'),
      });
    } finally {
      await translator.close();
    }
  },
);

it('ends in a message where the files are no model', async () => {
  const folder = join(scratch, 'en-pt');
  mkdirSync(folder);
  for (const name of ['model.a.intgemm.alphas.bin', 'lex.a.bin', 'vocab.a.spm']) {
    writeFileSync(join(folder, name), 'nothing of the kind');
  }
  const translator = await bergamot.open({ ...options, modelDir: scratch, from: 'en', to: 'pt' }, {});
  try {
    await expect(translate(translator, ['We.'])).rejects.toMatchObject({ code: 'BAD_MODEL' });
  } finally {
    await translator.close();
  }
});

it('refuses to translate whole abstracts', async () => {
  await expect(bergamot.survey({ ...options, whole: true, from: 'en', to: 'pt' }, {})).rejects.toMatchObject({
    code: 'BAD_OPTION',
    message: expect.stringContaining('--whole'),
    remedy: expect.stringContaining('opus-mt'),
  });
});
