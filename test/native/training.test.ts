import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { loadEngine } from '../../src/engine.js';
import { openSafetensors } from '../../src/model/safetensors.js';
import type { EngineModel, ModelOptions } from '../../src/native.js';
import { tinyBatch, tinyHead, tinyModel } from './tiny-model.js';

const addon = loadEngine();
const models: EngineModel[] = [];
const WITHOUT_DROPOUT = { hiddenDropout: 0, attentionOutputDropout: 0, attentionDropout: 0 };
const folder = mkdtempSync(join(tmpdir(), 'arxiv-native-training-'));

async function create(options: ModelOptions = tinyModel()): Promise<EngineModel> {
  const model = await addon.createModel(options);
  models.push(model);
  return model;
}

async function weights(model: EngineModel): Promise<Float32Array[]> {
  return Promise.all(model.parameters().map(({ name }) => model.read('weight', name)));
}

function hash(tensors: Float32Array[]): string {
  const digest = createHash('sha256');
  for (const tensor of tensors) digest.update(tensor);
  return digest.digest('hex');
}

/** Trains on batches first … last - 1 and returns the losses. */
async function train(model: EngineModel, first: number, last: number): Promise<number[]> {
  const losses = [];
  for (let i = first; i < last; i++) losses.push((await model.trainStep(tinyBatch(6, { salt: i % 3 }))).loss);
  return losses;
}

afterEach(() => {
  for (const model of models.splice(0)) model.dispose();
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(['fp32', 'bf16', 'fp16'] as const)('training in %s', precision => {
  it('learns three batches by heart', async () => {
    const options = tinyModel({ precision, head: tinyHead({ hidden: [32], dropout: [0.1] }) });
    options.training.labelSmoothing = 0;
    const losses = await train(await create(options), 0, 90);
    const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
    expect(mean(losses.slice(0, 3))).toBeGreaterThan(1);
    expect(mean(losses.slice(-12))).toBeLessThan(0.3);
  });

  it('ends with the same weights for the same seed, bit for bit, and with others for another', async () => {
    const [a, b, c] = [7, 7, 8].map(seed => create(tinyModel({ precision, seed })));
    for (const model of [a, b, c]) await train((await model)!, 0, 5);
    const [first, again, other] = await Promise.all([a, b, c].map(async model => weights((await model)!)));
    expect(hash(first!)).toBe(hash(again!));
    expect(hash(first!)).not.toBe(hash(other!));
  });
});

describe('dropout', () => {
  // With nothing between the last hidden state and the classifier, the classifier's gradient is zero where the state
  // was dropped, and proportional to the state elsewhere.
  const p = 0.3;
  const options = tinyModel({
    head: tinyHead({ type: 'cls', hidden: [], dropout: [], embeddingDropout: p }),
  });
  options.encoder = { ...options.encoder, ...WITHOUT_DROPOUT, hiddenSize: 512 };
  const batch = tinyBatch(1, { perPaper: 1 });

  it('zeroes that share of the elements and scales the others by its inverse', async () => {
    const model = await create(options);
    const plain = await create({ ...options, head: { ...options.head, embeddingDropout: 0 } });
    await plain.backward(batch);
    const reference = await plain.read('gradient', 'head.fusion.0.weight');
    let dropped = 0;
    const rounds = 40;
    const ratios: number[] = [];
    for (let i = 0; i < rounds; i++) {
      await model.backward(batch);
      const gradient = (await model.read('gradient', 'head.fusion.0.weight')).subarray(0, 512);
      gradient.forEach((g, j) => {
        if (g === 0) dropped++;
        else ratios.push(g / reference[j]!);
      });
    }
    // Four standard deviations of a binomial share of 20,480.
    expect(Math.abs(dropped / (rounds * 512) - p)).toBeLessThan(
      4 * Math.sqrt((p * (1 - p)) / (rounds * 512)),
    );
    const middle = ratios.sort((a, b) => a - b)[ratios.length >> 1]!;
    // The logits, and with them the error that is propagated, shift a little with each mask.
    expect(middle).toBeCloseTo(1 / (1 - p), 1);
  });

  it('draws another mask at each step, and the same ones again from the same seed', async () => {
    const masks = async (model: EngineModel) => {
      const all = [];
      for (let i = 0; i < 3; i++) {
        await model.backward(batch);
        const gradient = await model.read('gradient', 'head.fusion.0.weight');
        all.push([...gradient.subarray(0, 512)].map(g => g === 0));
      }
      return all;
    };
    const first = await masks(await create(options));
    expect(await masks(await create(options))).toEqual(first);
    expect(first[0]).not.toEqual(first[1]);
    // Independent masks agree on p² + (1 - p)² = 58 % of the elements.
    const agreement = first[0]!.filter((bit, j) => bit === first[1]![j]).length / 512;
    expect(Math.abs(agreement - 0.58)).toBeLessThan(0.1);
  });
});

describe('dropout in the encoder', () => {
  const places = ['hiddenDropout', 'attentionOutputDropout', 'attentionDropout'] as const;

  it.each(places)('has a place of its own: %s', async place => {
    const head = tinyHead({ dropout: [0, 0], embeddingDropout: 0, attentionDropout: 0 });
    const losses = async (p: number) => {
      const options = tinyModel({ head });
      const model = await create({
        ...options,
        encoder: { ...options.encoder, ...WITHOUT_DROPOUT, [place]: p },
      });
      return [(await model.backward(tinyBatch(6))).loss, (await model.backward(tinyBatch(6))).loss];
    };
    const [first, again] = await losses(0);
    expect(again).toBe(first);
    const [dropped, otherwise] = await losses(0.3);
    expect(new Set([first, dropped, otherwise]).size).toBe(3);
  });
});

describe('accumulation', () => {
  it('gives the whole batch’s gradients whatever the micro-batch', async () => {
    const options = tinyModel();
    options.encoder = { ...options.encoder, ...WITHOUT_DROPOUT };
    options.head = tinyHead({ dropout: [0, 0], embeddingDropout: 0, attentionDropout: 0 });
    options.training.classWeights = [2, 1, 0.5, 1];
    const gradients = async (microBatch: number) => {
      const model = await create(options);
      const { loss } = await model.backward({ ...tinyBatch(6), microBatch });
      return { loss, gradient: await model.read('gradient', 'encoder.layer.0.intermediate.dense.weight') };
    };
    const [whole, parts] = [await gradients(6), await gradients(4)];
    expect(parts.loss).toBeCloseTo(whole.loss, 5);
    const largest = Math.max(...whole.gradient.map(Math.abs));
    for (let i = 0; i < whole.gradient.length; i++) {
      expect(Math.abs(whole.gradient[i]! - parts.gradient[i]!)).toBeLessThan(1e-4 * largest);
    }
  });
});

describe('frozen parts', () => {
  it('have no gradients, and what lies before them none either', async () => {
    const options = tinyModel();
    options.training.frozenLayers = 1;
    options.training.freezeEmbeddings = true;
    const model = await create(options);
    await model.backward(tinyBatch(2));
    for (const { name, trainable } of model.parameters()) {
      const frozen = /^embeddings|layer\.0\./.test(name);
      expect([name, trainable]).toEqual([name, !frozen]);
      const gradient = model.read('gradient', name);
      if (frozen) await expect(gradient).rejects.toThrow(`${name} has no gradient`);
      else expect((await gradient).length).toBeGreaterThan(0);
    }
  });
});

describe('saving and loading', () => {
  it('replaces all weights or none', async () => {
    const model = await create();
    const before = hash(await weights(model));
    const other = await create(tinyModel({ seed: 8 }));
    const file = join(folder, 'other.safetensors');
    await other.save(file, { optimizer: false, metadata: {} });
    const { tensors } = await openSafetensors(file);
    await expect(model.load(tensors.slice(0, -1))).rejects.toMatchObject({ code: 'BAD_MODEL' });
    await expect(model.load(tensors, 4)).rejects.toMatchObject({ code: 'BAD_MODEL' });
    expect(hash(await weights(model))).toBe(before);
    await model.load(tensors);
    expect(hash(await weights(model))).toBe(hash(await weights(other)));
  });

  it('goes on from a checkpoint bit for bit', async () => {
    const straight = await create();
    await train(straight, 0, 8);
    const first = await create();
    await train(first, 0, 4);
    const file = join(folder, 'checkpoint.safetensors');
    await first.save(file, { optimizer: true, metadata: { note: 'a "quoted"\nnote' } });
    const { tensors, metadata } = await openSafetensors(file);
    expect(metadata).toMatchObject({ optimizer_steps: '4', note: 'a "quoted"\nnote' });
    const resumed = await create();
    await resumed.load(tensors, 4);
    await train(resumed, 4, 8);
    expect(hash(await weights(resumed))).toBe(hash(await weights(straight)));
  });

  it('writes what is named, by other names and in 16 bits', async () => {
    const model = await create();
    const name = 'embeddings.LayerNorm.weight';
    const word = 'embeddings.word_embeddings.weight';
    const exact = await model.read('weight', word);
    for (const dtype of ['BF16', 'F16', 'F32'] as const) {
      const file = join(folder, `${dtype}.safetensors`);
      const names = { [name]: 'bert.norm', [word]: 'bert.words' };
      await model.save(file, { optimizer: false, metadata: {}, dtype, names });
      const { tensors } = await openSafetensors(file);
      expect(tensors.map(each => [each.name, each.dtype])).toEqual([
        ['bert.words', dtype],
        ['bert.norm', dtype],
      ]);
      const other = await create({ ...tinyModel({ seed: 9 }), weights: [{ ...tensors[0]!, name: word }] });
      const read = await other.read('weight', word);
      const off = Math.max(...read.map((value, i) => Math.abs(value - exact[i]!)));
      expect(off > 0).toBe(dtype !== 'F32');
      expect(off).toBeLessThan(0.001);
    }
    const odd = model.save(join(folder, 'odd'), { optimizer: false, metadata: {}, dtype: 'I8' as never });
    await expect(odd).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  it('says that the disk is full, and which file it was writing', async t => {
    if (!existsSync('/dev/full')) t.skip('this system has no /dev/full');
    const model = await create();
    await expect(model.save('/dev/full', { optimizer: false, metadata: {} })).rejects.toMatchObject({
      code: 'IO',
      message: 'writing /dev/full failed: the disk is full',
    });
  });

  it('names the weight that is missing, and a file that cannot be read', async () => {
    await expect(create(tinyModel({ mayInitialize: ['head.'] }))).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: 'the weights lack embeddings.word_embeddings.weight',
    });
    const source = {
      name: 'embeddings.word_embeddings.weight',
      dtype: 'F32' as const,
      shape: [100, 32],
      offset: 0,
    };
    const gone = create(tinyModel({ weights: [{ ...source, file: '/no/such/file' }] }));
    await expect(gone).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('/no/such/file'),
    });
    const short = create(
      tinyModel({ weights: [{ ...source, file: join(import.meta.dirname, 'tiny-model.ts') }] }),
    );
    await expect(short).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining('truncated'),
    });
  });
});

describe('what cannot be trained on', () => {
  it('refuses ids, labels and lengths out of range', async () => {
    const model = await create();
    const batch = tinyBatch(2);
    const refused = (changes: object, message: string) =>
      expect(model.trainStep({ ...batch, ...changes })).rejects.toMatchObject({ code: 'BAD_INPUT', message });
    await refused(
      { ids: batch.ids.map(() => 100) },
      "token id 100 is outside the encoder's vocabulary of 100",
    );
    await refused({ labels: Int32Array.of(0, 4) }, 'label 4 is no class');
    await refused({ labels: Int32Array.of(0) }, '1 labels for 2 papers');
    await refused(
      { offsets: Int32Array.of(0, 3, 3, 5, 7) },
      'sequence 1 is empty or its offsets lie outside the token buffer',
    );
    await refused(
      { offsets: Int32Array.of(0, 3, 6, 9) },
      'a batch of 3 sequences; this head reads 2 a paper',
    );
    const long = { ids: new Int32Array(80).fill(1), offsets: Int32Array.of(0, 2, 68, 70, 72) };
    await refused(long, 'sequence 1 has 66 tokens; the encoder has positions for 64');
  });

  it('reports a loss that is no number and stays usable', async () => {
    const model = await create();
    const batch = tinyBatch(4);
    await model.trainStep({ ...batch, learningRateScale: 1e30 });
    await expect(model.trainStep(batch)).rejects.toMatchObject({ code: 'NON_FINITE' });
    expect(await model.predict(batch)).toHaveLength(16);
  });

  it('reports that the memory does not suffice, and how to mend it', async () => {
    const options = tinyModel();
    options.encoder = { ...options.encoder, vocabSize: 2 ** 40 };
    await expect(create(options)).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      remedy: 'Use a smaller encoder, or another device than cpu.',
    });
  });

  it('does not train a model that was made for prediction', async () => {
    const { training: _, ...options } = tinyModel();
    const model = await create(options);
    await expect(model.trainStep(tinyBatch(2))).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });
});
