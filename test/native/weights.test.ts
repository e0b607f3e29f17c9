import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadEngine } from '../../src/engine.js';
import { openEncoder } from '../../src/model/encoder.js';
import { tinyModel } from './tiny-model.js';

const addon = loadEngine();

/** Logits with the fixture's encoder and a head that depends on the seed alone. */
async function logits(fixture: string): Promise<Float32Array> {
  const { shape, tensors } = await openEncoder(
    fileURLToPath(new URL(`../fixtures/weights/${fixture}`, import.meta.url)),
  );
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
