import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEncoder } from '../../src/model/encoder.js';
import { encoderTensors } from '../../src/model/families.js';
import { described, expectedIn, fixture } from './weights.js';

const MINILM = fileURLToPath(new URL('../../../shared/models/minilm-l6', import.meta.url));
/** Where ../shared/models/get-mpnet-base puts it. */
const MPNET = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'arxiv-native-models/mpnet-base');

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'encoder-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A copy of the tiny BERT with other fields in its config.json; `undefined` removes one. */
function withConfig(changes: Record<string, unknown>, from = 'bert-safetensors'): string {
  const config = JSON.parse(readFileSync(fixture(`${from}/config.json`), 'utf8')) as object;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...changes }));
  for (const name of ['model.safetensors', 'vocab.txt'])
    copyFileSync(fixture(`${from}/${name}`), join(folder, name));
  return folder;
}

describe('openEncoder', () => {
  it.each([
    [
      'bert-legacy',
      'bert.encoder.layer.0.attention.self.query.weight',
      'cls.predictions.transform.dense.bias',
    ],
    ['roberta', 'roberta.encoder.layer.0.attention.self.query.weight', 'lm_head.dense.bias'],
    ['distilbert', 'distilbert.transformer.layer.0.attention.q_lin.weight', 'vocab_transform.bias'],
    ['mpnet', 'mpnet.encoder.layer.0.attention.attn.q.weight', 'lm_head.dense.bias'],
  ])('says what the tensors of %s are called in a model of masked words', async (name, query, dense) => {
    const { storedNames, shape } = await openEncoder(fixture(name));
    expect(storedNames.get('encoder.layer.0.attention.self.query.weight')).toBe(query);
    expect(storedNames.get('head.transform.dense.bias')).toBe(dense);
    expect([...storedNames.values()].filter(stored => /gamma|beta/.test(stored))).toEqual([]);
    expect(storedNames.size).toBe(encoderTensors(shape).size + 5);
  });

  it.each([
    'bert-legacy',
    'bert-zip',
    'bert-safetensors',
    'bert-fp16',
    'bert-bf16',
    'bert-sharded',
    'bert-sharded-bin',
    'roberta',
    'roberta-bin',
    'distilbert',
    'distilbert-bin',
    'mpnet',
    'mpnet-bin',
  ])('finds the same encoder in %s as PyTorch put there', async name => {
    const encoder = await openEncoder(fixture(name));
    expect(described(encoder.tensors)).toEqual(expectedIn(name));
    expect(encoder.tensors.map(tensor => tensor.name)).toEqual([...encoderTensors(encoder.shape).keys()]);
    expect(encoder).toMatchObject({ id: fixture(name), folder: fixture(name) });
    expect(encoder.revision).toBeUndefined();
  });

  it('reads the sizes of each family', async () => {
    const bert = {
      vocabSize: 20,
      hiddenSize: 8,
      layers: 2,
      attentionHeads: 2,
      intermediateSize: 12,
      maxPositions: 10,
      typeVocabSize: 2,
      layerNormEps: 1e-12,
      activation: 'gelu',
      hiddenDropout: 0.1,
      attentionOutputDropout: 0.1,
      attentionDropout: 0.1,
      initializerRange: 0.02,
      positionOffset: 0,
      padTokenId: 0,
      relativeAttentionBuckets: 0,
    };
    const roberta = { ...bert, typeVocabSize: 1, layerNormEps: 1e-5, positionOffset: 2, padTokenId: 1 };
    expect((await openEncoder(fixture('bert-legacy'))).shape).toEqual(bert);
    expect((await openEncoder(fixture('roberta'))).shape).toEqual(roberta);
    expect((await openEncoder(fixture('distilbert'))).shape).toEqual({
      ...bert,
      typeVocabSize: 0,
      attentionOutputDropout: 0,
    });
    expect((await openEncoder(fixture('mpnet'))).shape).toEqual({
      ...roberta,
      typeVocabSize: 0,
      relativeAttentionBuckets: 32,
    });
  });

  it('passes over fields that the classes of a family do not read', async () => {
    const changes = { type_vocab_size: 2, layer_norm_eps: 0.1, pad_token_id: 3 };
    expect((await openEncoder(withConfig(changes, 'mpnet'))).shape).toMatchObject({
      typeVocabSize: 0,
      layerNormEps: 0.1,
      positionOffset: 2,
      padTokenId: 1,
    });
    expect((await openEncoder(withConfig(changes, 'distilbert'))).shape).toMatchObject({
      typeVocabSize: 0,
      layerNormEps: 1e-12,
      positionOffset: 0,
      padTokenId: 3,
    });
  });

  it("takes each family's own way of naming and joining tokens from its vocabulary", async () => {
    const joined = async (name: string) =>
      (await openEncoder(fixture(name))).tokenizer.encodeJoined('a b', 'ab', 20);
    expect(await joined('distilbert-bin')).toEqual([2, 5, 6, 3, 1, 3]);
    expect(await joined('mpnet')).toEqual([0, 4, 5, 2, 2, 3, 2]);
    // Ġb is no token, ab is one, and the space before a word belongs to it.
    expect(await joined('roberta')).toEqual([0, 4, 13, 5, 2, 2, 14, 2]);
  });

  it("takes BERT's defaults for what an old config.json does not say", async () => {
    const silent = {
      model_type: undefined,
      hidden_act: undefined,
      layer_norm_eps: undefined,
      pad_token_id: undefined,
    };
    const { shape } = await openEncoder(withConfig(silent));
    expect(shape).toMatchObject({ activation: 'gelu', layerNormEps: 1e-12, padTokenId: 0 });
  });

  it.each([
    ['gelu_new', 'gelu_tanh'],
    ['gelu_pytorch_tanh', 'gelu_tanh'],
    ['relu', 'relu'],
  ])('knows hidden_act %s as %s', async (name, activation) => {
    expect((await openEncoder(withConfig({ hidden_act: name }))).shape.activation).toBe(activation);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an unknown family', { model_type: 'gpt2' }, /model_type "gpt2" is not one that is known/],
    ['a family named like a method', { model_type: 'toString' }, /model_type "toString"/],
    ['a missing size', { hidden_size: undefined }, /hidden_size is missing, expected a whole number/],
    ['a size that is text', { vocab_size: '20' }, /vocab_size is "20"/],
    ['layers without end', { num_hidden_layers: 1e9 }, /num_hidden_layers is 1000000000.*to 1000/],
    ['a trained classifier', { format_version: 1 }, /trained classifier of this package/],
    ['no layers', { num_hidden_layers: 0 }, /num_hidden_layers is 0/],
    ['half a head', { num_attention_heads: 1.5 }, /num_attention_heads is 1.5/],
    [
      'heads that do not divide',
      { num_attention_heads: 3 },
      /num_attention_heads is 3, expected a divisor .* 8/,
    ],
    ['an unknown activation', { hidden_act: 'silu' }, /hidden_act is "silu", expected one of gelu, gelu_new/],
    ['a dropout of 1', { hidden_dropout_prob: 1 }, /hidden_dropout_prob is 1/],
    ['a padding token beyond the vocabulary', { pad_token_id: 20 }, /pad_token_id is 20/],
    [
      'relative positions',
      { position_embedding_type: 'relative_key' },
      /position_embedding_type is "relative_key"/,
    ],
    ['a decoder', { is_decoder: true }, /is_decoder/],
    [
      'another width than the weights',
      { hidden_size: 16 },
      /"embeddings.word_embeddings.weight" has shape \[20, 8\].*\[20, 16\]/,
    ],
    [
      'another vocabulary than the weights',
      { vocab_size: 21 },
      /word_embeddings.weight" has shape \[20, 8\].*\[21, 8\]/,
    ],
    [
      'more layers than the weights',
      { num_hidden_layers: 3 },
      /"encoder.layer.2.attention.self.query.weight" and 15 more is missing/,
    ],
  ])('refuses %s and names it', async (_what, changes, message) => {
    const opening = openEncoder(withConfig(changes));
    await expect(opening).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(message),
      remedy: expect.stringMatching(/\S/),
    });
    await expect(opening).rejects.toThrow(folder);
  });

  it('gives the tokenizer, and refuses one that has more tokens than the encoder', async () => {
    const { tokenizer } = await openEncoder(fixture('bert-zip'));
    expect(tokenizer.encode('b a', 8)).toEqual([2, 6, 5, 3]);
    appendFileSync(join(withConfig({}), 'vocab.txt'), 'one-more\n');
    await expect(openEncoder(folder)).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining('has 21 tokens, its config.json says 20'),
    });
  });

  it('lists the known families for an unknown one', async () => {
    await expect(openEncoder(withConfig({ model_type: 'gpt2' }))).rejects.toMatchObject({
      remedy: expect.stringContaining('bert, roberta, distilbert, mpnet.'),
    });
  });

  it('names the file that a folder lacks', async () => {
    await expect(openEncoder(folder)).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining('config.json'),
    });
    copyFileSync(fixture('bert-zip/config.json'), join(folder, 'config.json'));
    await expect(openEncoder(folder)).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining('no tokenizer.json, no vocab.txt'),
    });
    copyFileSync(fixture('bert-zip/vocab.txt'), join(folder, 'vocab.txt'));
    await expect(openEncoder(folder)).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining('holds no weights'),
      remedy: expect.stringContaining('model.safetensors'),
    });
    writeFileSync(join(folder, 'config.json'), '[1]');
    await expect(openEncoder(folder)).rejects.toMatchObject({
      message: expect.stringContaining('expected a JSON object'),
    });
  });

  it('calls what is neither a folder nor an id by its name', async () => {
    for (const name of ['./absent', '/absent/folder', 'a/b/c', 'a b', '', '../no-such-folder']) {
      await expect(openEncoder(name)).rejects.toMatchObject({
        code: 'BAD_MODEL',
        message: expect.stringContaining('no such folder, and no id of the Hub'),
      });
    }
  });

  it.skipIf(!existsSync(MINILM))(
    'opens a real encoder (skipped where ../shared/models is absent)',
    async () => {
      const { shape, tensors } = await openEncoder(MINILM);
      expect(shape).toMatchObject({
        vocabSize: 30522,
        hiddenSize: 384,
        layers: 6,
        attentionHeads: 12,
        maxPositions: 512,
      });
      expect(tensors).toHaveLength(5 + 6 * 16);
      expect(new Set(tensors.map(tensor => tensor.dtype))).toEqual(new Set(['F16']));
      const { size } = statSync(tensors[0]!.file);
      for (const tensor of tensors) {
        expect(tensor.offset + 2 * tensor.shape.reduce((a, b) => a * b, 1)).toBeLessThanOrEqual(size);
      }
    },
  );

  it.skipIf(!existsSync(MPNET))('opens a real MPNet (skipped where it was not fetched)', async () => {
    const { shape, tensors, tokenizer } = await openEncoder(MPNET);
    expect(shape).toMatchObject({
      vocabSize: 30527,
      hiddenSize: 768,
      layers: 12,
      typeVocabSize: 0,
      layerNormEps: 1e-5,
      positionOffset: 2,
      padTokenId: 1,
      relativeAttentionBuckets: 32,
    });
    expect(tensors).toHaveLength(5 + 12 * 16);
    // "a" and "b" as its tokenizer in Python has them; a mask takes the space before it.
    expect(tokenizer.encodeJoined('a', 'b', 16)).toEqual([0, 1041, 2, 2, 1042, 2]);
    expect(tokenizer.encode('x  <mask> y', 16)).toEqual([0, 1064, 30526, 1065, 2]);
    expect(tokenizer.encode('a <PAD> b', 16)).toEqual([0, 1041, 1030, 11691, 1032, 1042, 2]);
  });
});
