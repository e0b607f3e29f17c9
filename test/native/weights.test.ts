import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadEngine } from '../../src/engine.js';
import { openEncoder } from '../../src/model/encoder.js';
import { train } from '../../src/train/train.js';
import { fixture } from '../model/weights.js';
import { tinyHead, tinyModel } from './tiny-model.js';

const addon = loadEngine();
const cpu = addon.devices().find(device => device.name === 'cpu')!;

/** Logits with the fixture's encoder and a head that depends on the seed alone. */
async function logits(name: string): Promise<Float32Array> {
  const { shape, tensors } = await openEncoder(fixture(name));
  const model = await addon.createModel(
    tinyModel({ encoder: shape, weights: tensors, mayInitialize: ['head.'] }),
  );
  const offsets = Int32Array.of(0, 2, 11, 15, 22, 25, 35);
  const ids = Int32Array.from({ length: 35 }, (_, i) => (i * 7) % shape.vocabSize);
  const result = await model.predict({ ids, offsets });
  model.dispose();
  return result;
}

describe('the engine reads', () => {
  it.each(['bert-legacy', 'bert-zip', 'bert-sharded', 'bert-sharded-bin'])(
    '%s as it reads the same weights in safetensors, bit for bit',
    async name => {
      const expected = await logits('bert-safetensors');
      expect(new Set(expected).size).toBeGreaterThan(4);
      expect(await logits(name)).toEqual(expected);
    },
  );

  it.each([
    ['bert-fp16', 2 ** -8],
    ['bert-bf16', 2 ** -5],
  ])('%s within the precision it is stored in', async (name, tolerance) => {
    const expected = await logits('bert-safetensors');
    const largest = Math.max(...expected.map(Math.abs));
    const actual = await logits(name);
    expect(actual).not.toEqual(expected);
    for (let i = 0; i < actual.length; i++) {
      expect(Math.abs(actual[i]! - expected[i]!)).toBeLessThan(tolerance * largest);
    }
  });
});

const families: { text: number[] } & Record<string, number[]> = JSON.parse(
  readFileSync(fixture('families.json'), 'utf8'),
);

describe('from its checkpoint the engine computes what transformers does', () => {
  const width = 8;
  const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-identity-'));
  afterAll(() => rmSync(scratch, { recursive: true }));

  it.each(['roberta', 'roberta-bin', 'distilbert', 'distilbert-bin', 'mpnet', 'mpnet-bin'])(
    '%s',
    async name => {
      // A classifier that gives the first token's state as it is.
      const file = join(scratch, 'identity');
      const identity = Float32Array.from({ length: width * (width + 1) }, (_, i) =>
        i < width * width && i % (width + 1) === 0 ? 1 : 0,
      );
      writeFileSync(file, identity);
      const place = { dtype: 'F32' as const, file };
      const head = [
        { ...place, name: 'head.fusion.0.weight', shape: [width, width], offset: 0 },
        { ...place, name: 'head.fusion.0.bias', shape: [width], offset: 4 * width * width },
      ];
      const { shape, tensors } = await openEncoder(fixture(name));
      const { training: _, ...options } = tinyModel({
        encoder: shape,
        head: tinyHead({ type: 'cls', classes: width, hidden: [], dropout: [] }),
        weights: [...tensors, ...head],
        mayInitialize: [],
      });
      const model = await addon.createModel(options);
      const ids = Int32Array.from(families.text);
      const state = await model.predict({ ids, offsets: Int32Array.of(0, ids.length) });
      model.dispose();
      const expected = families[name.replace('-bin', '')]!;
      expect(state).toHaveLength(expected.length);
      state.forEach((value, i) => {
        expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5);
      });
    },
  );
});

describe.runIf(cpu.precisions.includes('bf16'))('a model that only predicts in bf16', () => {
  it('has its weights in another order, and says so to who wants them back', async () => {
    const { training: _, ...options } = tinyModel({ precision: 'bf16' });
    const model = await addon.createModel(options);
    const refused = { code: 'BAD_OPTION', message: expect.stringContaining('not kept') };
    const { name } = model.parameters().find(parameter => parameter.name.endsWith('query.weight'))!;
    await expect(model.read('weight', name)).rejects.toMatchObject(refused);
    await expect(model.save('nowhere', { optimizer: false, metadata: {} })).rejects.toMatchObject(refused);
    await expect(model.load([])).rejects.toMatchObject(refused);
    model.dispose();
  });
});

describe('int8', () => {
  it('is for prediction alone', async () => {
    await expect(addon.createModel(tinyModel({ precision: 'int8' }))).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('int8'),
    });
    await expect(train({ data: 'nowhere', precision: 'int8' as 'bf16' })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('precision'),
    });
  });
});
