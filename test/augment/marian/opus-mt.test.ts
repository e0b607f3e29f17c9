import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { opusMt } from '../../../src/augment/marian/opus-mt.js';
import { requireRuntime } from '../../../src/augment/marian/runtime.js';
import { MarianTokenizer } from '../../../src/augment/marian/tokenizer.js';
import type { Translation, Translator, TranslatorOptions } from '../../../src/augment/translator.js';
import { startHub } from '../../model/hub-server.js';
import { compiled } from '../../support/cli.js';
import { casesOf, copyModel, fixture, scratch } from './fixtures.js';

beforeAll(compiled);

let models: string;
beforeEach(() => {
  models = scratch();
  // No translation of this model's would end within its own greatest length, 24.
  copyModel('even', join(models, 'en-es'), { max_length: 33 });
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(models, { recursive: true });
});

function options(change: Partial<TranslatorOptions> = {}): TranslatorOptions {
  return {
    from: 'en',
    to: 'es',
    modelDir: models,
    threads: 1,
    offline: true,
    whole: false,
    seed: 42,
    ...change,
  };
}

async function translated(
  texts: string[],
  change: Partial<TranslatorOptions> = {},
): Promise<{ translations: Translation[]; identity: string }> {
  const translator = await opusMt.open(options(change), {});
  try {
    return { translations: await all(translator, texts), identity: translator.identity };
  } finally {
    await translator.close();
  }
}

async function all(translator: Translator, texts: string[]): Promise<Translation[]> {
  const translations: Translation[] = [];
  await translator.translate(texts, (i, translation) => {
    expect(translations[i]).toBeUndefined();
    translations[i] = translation;
  });
  expect(Object.keys(translations)).toHaveLength(texts.length);
  return translations;
}

/** Texts of the fixtures' ids that come back as these ids, and what transformers makes of them. */
async function known(settings: { num_beams: number }): Promise<{ text: string; translation: string }[]> {
  const tokenizer = await MarianTokenizer.open(fixture('even'));
  return casesOf('even')
    .filter(each => JSON.stringify(each.settings) === JSON.stringify(settings))
    .flatMap(({ inputs, outputs }) =>
      inputs.map((ids, i) => ({
        ids,
        text: tokenizer.decode(ids),
        translation: tokenizer.decode(outputs[i]!),
        isWhole: outputs[i]!.length < 23,
      })),
    )
    .filter(({ ids, text, isWhole }) => isWhole && tokenizer.encode(text).join() === ids.join());
}

describe('opus-mt', () => {
  it('refuses a sentence that the model cannot take, and a translation that does not end', async () => {
    copyModel('even', join(models, 'en-es'), { max_length: 2 });
    const { translations } = await translated(['the deep networks', 'model '.repeat(32), '', 'a'.repeat(31)]);
    const endless = { failure: 'a translation that did not end within 2 tokens' };
    expect(translations).toEqual([
      endless,
      { failure: 'a text of more than 32 tokens, which the model cannot take' },
      endless,
      endless,
    ]);
  });

  it('names the file of a model that is cut short, and a remedy', async () => {
    const folder = join(models, 'en-es');
    const [file] = readdirSync(folder, { recursive: true })
      .map(name => join(folder, String(name)))
      .filter(name => /encoder.*\.onnx$/.test(name));
    truncateSync(file!, statSync(file!).size / 2);
    await expect(translated(['the deep networks'])).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining(file!),
      remedy: expect.stringMatching(/Copy or export the model again/),
    });
  });

  it('names its model by content and its settings, wherever it lies', async () => {
    const { identity } = await translated([]);
    expect(identity).toMatch(/^opus-mt en-es [0-9a-f]{16}, 4 beams, onnxruntime \S+, method \d+$/);
    const elsewhere = join(models, 'elsewhere');
    mkdirSync(elsewhere);
    renameSync(join(models, 'en-es'), join(elsewhere, 'en-es'));
    const drawn = await translated([], { modelDir: elsewhere, temperature: 0.7 });
    expect(drawn.identity).toBe(identity.replace('4 beams', 'temperature 0.7, seed 42'));
    copyModel('even', join(elsewhere, 'en-es'), { length_penalty: 0.5 });
    const changed = await translated([], { modelDir: elsewhere, beams: 1 });
    expect(changed.identity).toMatch(/greedy/);
    expect(changed.identity.slice(0, 30)).not.toBe(identity.slice(0, 30));
  });

  it('is named by the search that takes the place of its own drawing', async () => {
    copyModel('even', join(models, 'en-es'), { max_length: 33, do_sample: true, num_beams: 1, top_k: 5 });
    const text = ['the deep networks'];
    const drawn = await translated(text);
    expect(drawn.identity).toContain(', temperature 1, seed 42,');
    const searched = await translated(text, { beams: 4 });
    expect(searched.identity).toContain(', 4 beams,');
    copyModel('even', join(models, 'en-es'), { max_length: 33 });
    expect(searched.translations).toEqual((await translated(text, { beams: 4 })).translations);
  });

  it('says what is missing', async () => {
    await expect(opusMt.survey(options({ to: 'pt' }), {})).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('no folder en-pt'),
    });
    rmSync(join(models, 'en-es', 'decoder_model_merged.onnx'));
    await expect(opusMt.open(options(), {})).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining('decoder_model_merged.onnx'),
    });
  });

  it('names the command that installs onnxruntime-node', () => {
    const missing = () => {
      throw new Error('Cannot find module');
    };
    expect(() => requireRuntime(missing)).toThrow(
      expect.objectContaining({
        code: 'TRANSLATOR',
        remedy: expect.stringContaining('npm install onnxruntime-node@'),
      }),
    );
  });

  it('refuses a file that is no model, in words', async () => {
    writeFileSync(join(models, 'en-es', 'decoder_model_merged.onnx'), 'not a model');
    await expect(translated(['deep'])).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining('decoder_model_merged.onnx'),
    });
    copyModel('even', join(models, 'en-es'));
    const encoder = readFileSync(join(fixture('even'), 'encoder_model.onnx'));
    writeFileSync(join(models, 'en-es', 'decoder_model_merged.onnx'), encoder);
    await expect(translated(['deep'])).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining('has no input encoder_attention_mask'),
    });
  });

  it('ends soon after the signal, and leaves no process behind', async () => {
    const translator = await opusMt.open(options({ beams: 4 }), {});
    const controller = new AbortController();
    const texts = Array.from({ length: 4000 }, (_, i) => `the deep networks ${'model '.repeat(i % 20)}`);
    const work = translator.translate(texts, () => controller.abort(), controller.signal);
    await expect(work).rejects.toMatchObject({ code: 'CANCELLED' });
    await translator.close();
  });

  it('is fetched from the Hub: its size first, then its files, and not twice', async () => {
    const home = join(models, 'home');
    const hub = await startHub('Xenova/opus-mt-en-es', fixture('even'));
    for (const name of ['encoder_model.onnx', 'decoder_model_merged.onnx']) {
      hub.files.set(`onnx/${name}`, hub.files.get(name)!);
      hub.files.delete(name);
    }
    hub.files.set('tokenizer_config.json', Buffer.from('{}'));
    vi.stubEnv('HF_ENDPOINT', hub.url);
    vi.stubEnv('HF_HOME', home);
    vi.stubEnv('HF_HUB_CACHE', undefined);
    try {
      const online = options({ modelDir: undefined, offline: false });
      const survey = await opusMt.survey(online, {});
      const wanted = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'];
      const files = [...wanted, 'onnx/encoder_model.onnx', 'onnx/decoder_model_merged.onnx'];
      const size = files.reduce((sum, name) => sum + hub.files.get(name)!.length, 0);
      expect(survey).toMatchObject({ model: 'Xenova/opus-mt-en-es', download: size });
      expect(hub.asked('GET')).toEqual([]);

      const translator = await opusMt.open(online, {});
      expect(translator.identity).toContain(`Xenova/opus-mt-en-es ${hub.commit.slice(0, 16)}`);
      const [first] = await all(translator, ['the deep networks']);
      await translator.close();
      expect(first).toEqual((await translated(['the deep networks'], {})).translations[0]);
      expect(hub.asked('GET').sort()).toEqual(files.map(name => name.split('/').at(-1)!).sort());

      expect((await opusMt.survey(online, {})).download).toBe(0);
      await expect(opusMt.survey({ ...online, to: 'pt' }, {})).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining('Xenova/opus-mt-en-pt'),
        remedy: expect.stringContaining('--model-dir'),
      });
    } finally {
      await hub.close();
    }
    // And without a connection.
    const again = await opusMt.open(options({ modelDir: undefined, offline: true }), {});
    await again.close();
    expect(readdirSync(join(home, 'hub'))).toEqual(['models--Xenova--opus-mt-en-es']);
  });

  it.each([1, 4])('translates with %d beams, as transformers does, in a process of its own', async beams => {
    const pairs = await known({ num_beams: beams });
    copyModel('even', join(models, 'en-es'));
    expect(pairs.length).toBeGreaterThan(0);
    const { translations } = await translated(
      pairs.map(({ text }) => text),
      { beams },
    );
    expect(translations).toEqual(pairs.map(({ translation }) => ({ text: translation })));
  });
});
