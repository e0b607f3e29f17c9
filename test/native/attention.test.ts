import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadEngine } from '../../src/engine.js';
import { openTensors } from '../../src/model/tensor-file.js';
import type { EngineModel, ModelOptions, TrainBatch } from '../../src/native.js';
import { tinyEncoder } from '../support/shape.js';
import { tinyHead, tinyModel } from './tiny-model.js';

const addon = loadEngine();
const bf16 = addon.devices()[0]!.precisions.includes('bf16');
const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-attention-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Lengths around the steps that kernels take. */
const LENGTHS = [1, 3, 4, 5, 16, 17, 31, 32, 33, 64, 128, 129];

/** A part of a parameter, by the name of what it projects to. */
interface Part {
  name: string;
  of: string;
  /** Of how many parts it is which. */
  part?: [number, number];
}

// Without the bias of the keys: a softmax ignores a shift of all its scores.
const SELF: Part[] = ['query.weight', 'query.bias', 'key.weight', 'value.weight', 'value.bias'].map(name => ({
  name,
  of: `encoder.layer.0.attention.self.${name}`,
}));
const CROSS: Part[] = ['title_to_abstract', 'abstract_to_title'].flatMap(direction =>
  ['query', 'key', 'value'].map(
    (name, n): Part => ({
      name: `${direction} ${name}`,
      of: `head.cross_attn_${direction}.in_proj_weight`,
      part: [n, 3],
    }),
  ),
);

/** Whose attention matters and is all that may drop out. */
type Kind = 'self' | 'cross';
const PARTS = { self: SELF, cross: CROSS };
const CASES = (['self', 'cross'] as const).flatMap(kind => PARTS[kind].map(part => ({ kind, ...part })));

function attentive(
  kind: Kind,
  width: number,
  attentionDropout: number,
  overrides: Partial<ModelOptions> = {},
): ModelOptions {
  const none = { hidden: [], dropout: [], embeddingDropout: 0, attentionHeads: 2 };
  return tinyModel({
    encoder: tinyEncoder({
      hiddenSize: 2 * width,
      layers: 1,
      intermediateSize: 16,
      maxPositions: 256,
      hiddenDropout: 0,
      attentionOutputDropout: 0,
      attentionDropout: kind === 'self' ? attentionDropout : 0,
      initializerRange: 2 / Math.sqrt(2 * width),
    }),
    head: tinyHead(
      kind === 'self' ? { ...none, type: 'mean' } : { ...none, type: 'cross-attention', attentionDropout },
    ),
    ...overrides,
  });
}

function ragged(kind: Kind, lengths: readonly number[]): TrainBatch {
  const offsets = [0];
  for (const length of lengths) offsets.push(offsets.at(-1)! + length);
  const papers = lengths.length / (kind === 'self' ? 1 : 2);
  return {
    ids: Int32Array.from({ length: offsets.at(-1)! }, (_, i) => 1 + ((i * 37) % 97)),
    offsets: Int32Array.from(offsets),
    labels: Int32Array.from({ length: papers }, (_, i) => (i * 3) % 4),
    microBatch: papers,
    learningRateScale: 1,
  };
}

async function gradientOf(model: EngineModel, { of, part: [which, parts] = [0, 1] }: Part) {
  const whole = await model.read('gradient', of);
  const size = whole.length / parts;
  return whole.slice(which * size, (which + 1) * size);
}

describe.runIf(bf16).each(['self', 'cross'] as const)('%s-attention in bf16', kind => {
  it.each([
    [16, 0],
    [32, 0],
    [48, 0],
    [128, 0],
    // LibTorch's kernel.
    [24, 0],
    // So little that nothing is dropped.
    [32, 1e-9],
  ])('has the gradients of fp32, heads of %i, dropout %f', async (width, dropout) => {
    const batch = ragged(kind, LENGTHS);
    const exact = await addon.createModel(attentive(kind, width, 0));
    const fast = await addon.createModel(attentive(kind, width, dropout, { precision: 'bf16' }));
    const wanted = await exact.backward(batch);
    const found = await fast.backward(batch);
    expect(Math.abs(found.loss - wanted.loss)).toBeLessThan(0.02 * wanted.loss);
    for (const part of PARTS[kind]) {
      const a = await gradientOf(exact, part);
      const b = await gradientOf(fast, part);
      const size = Math.hypot(...a);
      expect(Math.hypot(...a.map((value, i) => value - b[i]!)), part.name).toBeLessThan(0.03 * size);
    }
    exact.dispose();
    fast.dispose();
  });

  it('does not depend on the number of threads, dropout included', async () => {
    const gradients = [1, 2].map(async threads => {
      const model = await addon.createModel(attentive(kind, 32, 0.3, { precision: 'bf16', threads }));
      await model.backward(ragged(kind, LENGTHS));
      const found = await Promise.all(PARTS[kind].map(part => gradientOf(model, part)));
      model.dispose();
      return found;
    });
    expect(await gradients[0]).toEqual(await gradients[1]);
  });
});

describe.each(bf16 ? (['fp32', 'bf16'] as const) : (['fp32'] as const))(
  'dropout of attention in %s',
  precision => {
    it.each(CASES)('goes backward as it went forward: $kind, $name', async ({ kind, ...part }) => {
      const batch = ragged(kind, kind === 'self' ? [2, 3, 5, 7, 20] : [2, 3, 5, 7, 20, 18]);
      const file = join(scratch, 'weights.safetensors');
      const start = await addon.createModel(attentive(kind, 32, 0.5, { precision }));
      await start.backward(batch);
      const gradient = await gradientOf(start, part);
      await start.save(file, { optimizer: false, metadata: {} });
      start.dispose();

      // A step along the gradient changes the loss, under the same dropout, by the step's length times the gradient's.
      const size = Math.hypot(...gradient);
      const step = 0.004 / size;
      const lossAt = async (sign: number) => {
        const moved = join(scratch, `moved${sign}.safetensors`);
        copyFileSync(file, moved);
        const { offset } = (await openTensors(file)).find(tensor => tensor.name === part.of)!;
        const bytes = readFileSync(moved);
        gradient.forEach((value, i) => {
          const at = offset + 4 * (i + (part.part?.[0] ?? 0) * gradient.length);
          bytes.writeFloatLE(bytes.readFloatLE(at) + (sign * step * value) / size, at);
        });
        writeFileSync(moved, bytes);
        const model = await addon.createModel(
          attentive(kind, 32, 0.5, { precision, weights: await openTensors(moved), mayInitialize: [] }),
        );
        const { loss } = await model.backward(batch);
        model.dispose();
        return loss;
      };
      const change = (await lossAt(1)) - (await lossAt(-1));
      expect(Math.abs(change / (2 * step * size) - 1)).toBeLessThan(precision === 'fp32' ? 0.05 : 0.3);
    });
  },
);
