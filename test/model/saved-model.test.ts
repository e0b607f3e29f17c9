import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ArxivNativeError } from '../../src/errors.js';
import type { Decision } from '../../src/model/decision.js';
import { encoderTensors } from '../../src/model/families.js';
import { headTensors } from '../../src/model/head-tensors.js';
import {
  commitSavedModel,
  openSavedModel,
  type SavedModelParts,
  stageSavedModel,
  WEIGHTS,
} from '../../src/model/saved-model.js';
import { SparseClassifier } from '../../src/model/sparse-classifier.js';
import type { EncoderShape, HeadShape } from '../../src/native.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { tinyEncoder } from '../support/shape.js';
import { safetensors } from '../train/fake-engine.js';

const scratch = mkdtempSync(join(tmpdir(), 'saved-model-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Config {
  encoder: object;
  head: object;
}

const tokenizer = Tokenizer.train(['a text to learn words from, and some more words'], 100);
const head: HeadShape = {
  type: 'cross-attention',
  classes: 3,
  hidden: [8, 4],
  activation: 'gelu',
  dropout: [0.1, 0.1],
  embeddingDropout: 0.1,
  attentionHeads: 2,
  attentionDropout: 0.1,
};
const parts: SavedModelParts = {
  labels: ['cs.AI', 'cs.CL', 'cs.CV'],
  encoder: tinyEncoder({ vocabSize: tokenizer.vocabSize }),
  head,
  lengths: { title: 16, abstract: 64 },
  thresholds: { method: 'argmax' },
  tokenizer,
  training: { seed: 1 },
};

async function write(
  folder: string,
  { force = false, over = {} as Partial<SavedModelParts> } = {},
): Promise<void> {
  const all = { ...parts, ...over };
  const staged = await stageSavedModel(folder, { force });
  const shapes = new Map([...encoderTensors(all.encoder), ...headTensors(all.head, all.encoder.hiddenSize)]);
  writeFileSync(join(staged.path, WEIGHTS), safetensors(shapes));
  await commitSavedModel(staged, all, '# A model\n');
}

async function failure(promise: Promise<unknown>): Promise<ArxivNativeError> {
  return promise.then(
    () => {
      throw new Error('nothing was thrown');
    },
    error => error,
  );
}

const original = join(scratch, 'original');
beforeAll(() => write(original));

describe('a saved model', () => {
  it('opens as it was written', async () => {
    const { tensors, tokenizer: opened, folder, ...rest } = await openSavedModel(original);
    const { tokenizer: _, ...written } = parts;
    expect(rest).toEqual(written);
    expect(folder).toBe(original);
    expect(opened.encode('some words', 16)).toEqual(tokenizer.encode('some words', 16));
    const norm = tensors.find(tensor => tensor.name === 'head.norm_title.weight');
    expect(norm).toMatchObject({ shape: [8], dtype: 'F32', file: join(original, WEIGHTS) });
  });

  it('opens as an earlier version wrote it, which knew fewer families', async () => {
    const folder = join(scratch, 'earlier');
    cpSync(original, folder, { recursive: true });
    const file = join(folder, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as Config;
    const { relativeAttentionBuckets, attentionOutputDropout, ...earlier } = config.encoder as EncoderShape;
    expect({ relativeAttentionBuckets, attentionOutputDropout }).toEqual({
      relativeAttentionBuckets: 0,
      attentionOutputDropout: 0.1,
    });
    writeFileSync(file, JSON.stringify({ ...config, encoder: earlier }));
    const opened = await openSavedModel(folder);
    expect(opened.encoder).toMatchObject({ ...earlier, relativeAttentionBuckets: 0 });
  });

  it('carries what sets a family apart, and wants the weights of just that', async () => {
    const folder = join(scratch, 'mpnet');
    const encoder = tinyEncoder({
      vocabSize: tokenizer.vocabSize,
      typeVocabSize: 0,
      relativeAttentionBuckets: 32,
    });
    await write(folder, { over: { encoder } });
    const { tensors } = await openSavedModel(folder);
    expect(tensors.map(({ name }) => name)).toContain('encoder.relative_attention_bias.weight');
    const file = join(folder, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as Config;
    writeFileSync(file, JSON.stringify({ ...config, encoder: { ...encoder, relativeAttentionBuckets: 0 } }));
    await expect(openSavedModel(folder)).rejects.toThrow(
      'no place for the tensor encoder.relative_attention_bias',
    );
  });

  it('is a folder of these files, readable as any other', () => {
    expect(readdirSync(original).sort()).toEqual([
      'README.md',
      'config.json',
      'labels.json',
      WEIGHTS,
      'thresholds.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'training.json',
    ]);
    mkdirSync(join(scratch, 'plain'));
    expect(statSync(original).mode).toBe(statSync(join(scratch, 'plain')).mode);
    expect(JSON.parse(readFileSync(join(original, 'config.json'), 'utf8'))).toMatchObject({
      format_version: 1,
    });
    expect(JSON.parse(readFileSync(join(original, 'thresholds.json'), 'utf8'))).toEqual({ method: 'argmax' });
  });

  describe('with words', () => {
    const folder = join(scratch, 'words');
    const scales = { encoder: 0.5, words: 1.25 };
    const classifier = new SparseClassifier({
      labels: parts.labels,
      vocabulary: { words: ['attention', 'vision'], pairs: Int32Array.of(0, 1) },
      idf: Float32Array.of(1, 2, 3),
      weights: Float32Array.from({ length: 9 }, (_, i) => i - 4),
      bias: Float32Array.of(0, 1, 2),
    });
    beforeEach(() => write(folder, { force: true, over: { words: { classifier, scales } } }));
    const config = () => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));

    it('opens as it was written, and only in versions that know of words', async () => {
      const { words } = await openSavedModel(folder);
      expect(words!.scales).toEqual(scales);
      expect(words!.classifier.model).toEqual(classifier.model);
      expect(config()).toMatchObject({ format_version: 2, words: { words: 2, pairs: 1, scales } });
    });

    it.each(['words.json', 'words.safetensors'])('needs its %s', async name => {
      rmSync(join(folder, name));
      expect(await failure(openSavedModel(folder))).toMatchObject({
        code: 'BAD_MODEL',
        message: `${join(folder, name)} is missing`,
      });
    });

    it.each<[string, object, string]>([
      ['in a format that has none', { format_version: 1 }, 'format_version 1 has no words'],
      ['missing from their format', { words: undefined }, 'format_version 2 needs words'],
      [
        'that count for less than nothing',
        { words: { words: 2, pairs: 1, scales: { ...scales, words: -1 } } },
        'words.scales.words must be >= 0',
      ],
      ['fewer than none', { words: { words: -1, pairs: 1, scales } }, 'words.words must be >= 0'],
    ])('is refused with words %s', async (_, over, what) => {
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config(), ...over }));
      const message = `${join(folder, 'config.json')}: ${what}`;
      expect(await failure(openSavedModel(folder))).toMatchObject({ code: 'BAD_MODEL', message });
    });

    it('is replaced as any other', async () => {
      await write(folder, { force: true });
      expect(readdirSync(folder)).not.toContain('words.json');
      expect(config().format_version).toBe(1);
    });
  });

  it.each<Decision>([
    { method: 'argmax', temperature: 1.5 },
    { method: 'thresholds', thresholds: { 'cs.AI': 0.4 } },
    { method: 'thresholds', temperature: 0.8, thresholds: { 'cs.AI': 0, 'cs.CL': 0.25, 'cs.CV': 1 } },
  ])('keeps how a category is chosen: %j', async thresholds => {
    await write(join(scratch, 'decision'), { force: true, over: { thresholds } });
    expect((await openSavedModel(join(scratch, 'decision'))).thresholds).toEqual(thresholds);
  });

  it.each(['concat', 'cls', 'mean'] as const)('may have the %s head', async type => {
    const folder = join(scratch, `head-${type}`);
    const lengths = type === 'concat' ? parts.lengths : { joined: 64 };
    await write(folder, { over: { head: { ...head, type }, lengths } });
    const { tensors } = await openSavedModel(folder);
    expect(tensors.filter(tensor => tensor.name.startsWith('head.fusion.0.'))).toMatchObject([
      { shape: [8, type === 'concat' ? 16 : 8] },
      { shape: [8] },
    ]);
    expect(tensors.some(tensor => tensor.name.includes('pool'))).toBe(type === 'concat');
  });
});

describe('writing a saved model', () => {
  it('refuses a folder that is taken, and replaces a model when forced', async () => {
    const folder = join(scratch, 'taken');
    await write(folder);
    const refused = await failure(stageSavedModel(folder, { force: false }));
    expect(refused).toMatchObject({ code: 'BAD_OPTION', message: `${folder} exists already` });
    expect(refused.remedy).toContain('--force');
    await write(folder, { force: true, over: { training: { seed: 2 } } });
    expect((await openSavedModel(folder)).training).toEqual({ seed: 2 });
    expect(readdirSync(scratch).filter(name => name.startsWith('.'))).toEqual([]);
  });

  it('replaces nothing but models', async () => {
    const folder = join(scratch, 'letters');
    mkdirSync(folder);
    writeFileSync(join(folder, 'dear.txt'), 'dear');
    const refused = await failure(stageSavedModel(folder, { force: true }));
    expect(refused).toMatchObject({ code: 'BAD_OPTION' });
    expect(refused.message).toContain('it holds dear.txt');
    expect(await failure(stageSavedModel(join(folder, 'dear.txt'), { force: true }))).toMatchObject({
      code: 'BAD_OPTION',
    });
    expect(readdirSync(folder)).toEqual(['dear.txt']);
  });

  it('replaces no encoder, whose folder looks much the same', async () => {
    const encoder = join(scratch, 'encoder');
    cpSync(original, encoder, { recursive: true });
    writeFileSync(join(encoder, 'config.json'), '{"model_type": "bert"}');
    expect(await failure(stageSavedModel(encoder, { force: true }))).toMatchObject({ code: 'BAD_OPTION' });
    cpSync(join(original, 'config.json'), join(encoder, 'config.json'));
    for (const name of ['labels.json', 'training.json']) rmSync(join(encoder, name));
    const refused = await failure(stageSavedModel(encoder, { force: true }));
    expect(refused.message).toContain('config.json, model.safetensors');
    expect(existsSync(join(encoder, WEIGHTS))).toBe(true);
  });

  it('keeps both of two that were written at once, and says where', async () => {
    const folder = join(scratch, 'twice');
    const staged = await stageSavedModel(folder, { force: false });
    cpSync(join(original, WEIGHTS), join(staged.path, WEIGHTS));
    await write(folder);
    const error = await failure(commitSavedModel(staged, { ...parts, training: { seed: 2 } }, ''));
    expect(error.message).toContain(`${folder}-2`);
    expect((await openSavedModel(folder)).training).toEqual({ seed: 1 });
    expect((await openSavedModel(`${folder}-2`)).training).toEqual({ seed: 2 });
  });

  it('leaves nothing behind when given up', async () => {
    const staged = await stageSavedModel(join(scratch, 'given-up'), { force: false });
    writeFileSync(join(staged.path, WEIGHTS), 'x');
    await staged.discard();
    expect(readdirSync(scratch).filter(name => name.includes('given-up'))).toEqual([]);
  });

  it('keeps and names the weights when the end fails', async () => {
    const staged = await stageSavedModel(join(scratch, 'failing'), { force: false });
    writeFileSync(join(staged.path, WEIGHTS), 'weights');
    mkdirSync(join(staged.path, 'labels.json'));
    const error = await failure(commitSavedModel(staged, parts, ''));
    expect(error).toMatchObject({ code: 'IO' });
    expect(error.remedy).toContain(join(staged.path, WEIGHTS));
    await staged.discard();
    expect(readFileSync(join(staged.path, WEIGHTS), 'utf8')).toBe('weights');
  });

  it('says so where it cannot be', async () => {
    const error = await failure(stageSavedModel('/dev/null/model', { force: false }));
    expect(error).toMatchObject({ code: 'IO' });
    expect(error.message).toContain('/dev/null/model');
  });
});

describe('a damaged model', () => {
  const folder = join(scratch, 'damaged');
  beforeEach(() => {
    rmSync(folder, { recursive: true, force: true });
    cpSync(original, folder, { recursive: true });
  });

  function change(file: string, edit: (content: never) => unknown): void {
    const path = join(folder, file);
    writeFileSync(path, JSON.stringify(edit(JSON.parse(readFileSync(path, 'utf8')) as never)));
  }

  it('that is not there at all is refused', async () => {
    const error = await failure(openSavedModel(join(scratch, 'nowhere')));
    expect(error).toMatchObject({ code: 'BAD_MODEL' });
    expect(error.message).toContain('there is no model folder');
    expect(await failure(openSavedModel(join(original, WEIGHTS)))).toMatchObject({ code: 'BAD_MODEL' });
  });

  it.each([
    'config.json',
    WEIGHTS,
    'tokenizer.json',
    'tokenizer_config.json',
    'labels.json',
    'thresholds.json',
    'training.json',
  ])('without %s is refused', async name => {
    rmSync(join(folder, name));
    const error = await failure(openSavedModel(folder));
    expect(error).toMatchObject({ code: 'BAD_MODEL', message: `${join(folder, name)} is missing` });
    expect(error.remedy).toBeTruthy();
  });

  it.each(['config.json', WEIGHTS, 'tokenizer.json', 'labels.json', 'thresholds.json', 'training.json'])(
    'whose %s was cut off is refused',
    async name => {
      const path = join(folder, name);
      truncateSync(path, Math.floor(statSync(path).size / 2));
      const error = await failure(openSavedModel(folder));
      expect(error).toMatchObject({ code: 'BAD_MODEL' });
      expect(error.message).toContain(name);
    },
  );

  it.each<[string, string, (config: Config) => unknown, string]>([
    [
      'fewer layers',
      'config.json',
      c => ({ ...c, encoder: { ...c.encoder, layers: 1 } }),
      'no place for the tensor',
    ],
    [
      'more layers',
      'config.json',
      c => ({ ...c, encoder: { ...c.encoder, layers: 3 } }),
      'there is no tensor',
    ],
    [
      'layers without end',
      'config.json',
      c => ({ ...c, encoder: { ...c.encoder, layers: 1e9 } }),
      'encoder.layers must be <= 1000',
    ],
    ['a list', 'config.json', c => [c], 'the content must be of type object'],
    [
      'layers as text',
      'config.json',
      c => ({ ...c, encoder: { ...c.encoder, layers: '2' } }),
      'encoder.layers must be of type integer',
    ],
    ['another width', 'config.json', c => ({ ...c, encoder: { ...c.encoder, hiddenSize: 16 } }), 'expected'],
    [
      'another head',
      'config.json',
      c => ({ ...c, head: { ...c.head, type: 'concat' } }),
      'no place for the tensor',
    ],
    [
      'more classes',
      'config.json',
      c => ({ ...c, head: { ...c.head, classes: 4 } }),
      'a list of 4 different labels',
    ],
    [
      'odd heads of its own',
      'config.json',
      c => ({ ...c, head: { ...c.head, attentionHeads: 3 } }),
      '3 cross-attention heads do not divide',
    ],
    [
      'a dropout too few',
      'config.json',
      c => ({ ...c, head: { ...c.head, dropout: [0.1] } }),
      '"dropout" has 1 number for the 2 layers',
    ],
    [
      'a smaller vocabulary',
      'config.json',
      c => ({ ...c, encoder: { ...c.encoder, vocabSize: 9 } }),
      'expected 9',
    ],
    [
      'odd heads',
      'config.json',
      c => ({ ...c, encoder: { ...c.encoder, attentionHeads: 3 } }),
      'do not divide',
    ],
    [
      'long texts',
      'config.json',
      c => ({ ...c, lengths: { title: 16, abstract: 65 } }),
      'abstract length 65 is more than the 64 tokens',
    ],
    [
      'other lengths',
      'config.json',
      c => ({ ...c, lengths: { joined: 16 } }),
      '"lengths" has joined, but the cross-attention head needs abstract and title',
    ],
    ['a newer format', 'config.json', c => ({ ...c, format_version: 2 }), 'format_version 2'],
    ['an unknown key', 'config.json', c => ({ ...c, colour: 'red' }), 'colour'],
    [
      'a key of another type',
      'config.json',
      c => ({ ...c, encoder: { ...c.encoder, layers: '2' } }),
      'encoder.layers',
    ],
    ['no object', 'config.json', () => [], 'config.json'],
    ['labels twice', 'labels.json', () => ['cs.AI', 'cs.AI', 'cs.CV'], 'different labels'],
    ['an unknown method', 'thresholds.json', () => ({ method: 'magic' }), 'thresholds.json has no method'],
    [
      'no method',
      'thresholds.json',
      () => null,
      'no method that this version knows ("argmax", "thresholds")',
    ],
    [
      'a key of no method',
      'thresholds.json',
      () => ({ method: 'argmax', thresholds: {} }),
      'a key "thresholds" that "argmax" does not know',
    ],
    ['a temperature of 0', 'thresholds.json', () => ({ method: 'argmax', temperature: 0 }), 'above 0'],
    ['a temperature as text', 'thresholds.json', () => ({ method: 'argmax', temperature: '1' }), 'not "1"'],
    ['no thresholds', 'thresholds.json', () => ({ method: 'thresholds' }), 'not undefined'],
    [
      'thresholds in a list',
      'thresholds.json',
      () => ({ method: 'thresholds', thresholds: [0.4] }),
      'must have a threshold a label under "thresholds", not [0.4]',
    ],
    [
      'a threshold for nothing',
      'thresholds.json',
      () => ({ method: 'thresholds', thresholds: { 'cs.RO': 0.4 } }),
      'has a threshold for "cs.RO", which is no label',
    ],
    [
      'a threshold above 1',
      'thresholds.json',
      () => ({ method: 'thresholds', thresholds: { 'cs.AI': 40 } }),
      'from 0 to 1 as threshold of "cs.AI", not 40',
    ],
    [
      'a threshold that is none',
      'thresholds.json',
      () => ({ method: 'thresholds', thresholds: { 'cs.AI': null } }),
      'not null',
    ],
  ])('with %s is refused', async (_, file, edit, message) => {
    change(file, edit as never);
    const error = await failure(openSavedModel(folder));
    expect(error).toMatchObject({ code: 'BAD_MODEL' });
    expect(error.message).toContain(message);
    expect(error.message).toContain(folder);
    expect(error.remedy).toBeTruthy();
  });
});
