import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { loadEngine } from '../../src/engine.js';
import { openTensors } from '../../src/model/tensor-file.js';
import type {
  EncoderShape,
  EngineModel,
  HeadShape,
  Precision,
  TensorSource,
  TrainBatch,
  TrainingShape,
} from '../../src/native.js';

/** What test/fixtures/generate_parity.py wrote; its README says what each value is. */
interface ParityCase {
  encoder: EncoderShape;
  head: HeadShape;
  training: TrainingShape;
  batches: { ids: number[]; offsets: number[]; labels: number[] }[];
  loss: number;
  correct: number;
  gradientNorm: number;
  bf16Deviation: number;
  steps: { batch: number; learningRateScale: number; loss: number; gradientNorm: number }[];
}

const FOLDER = fileURLToPath(new URL('../fixtures/parity/', import.meta.url));
const addon = loadEngine();
const cpu = addon.devices().find(device => device.name === 'cpu')!;

describe.each(readdirSync(FOLDER))('parity with PyTorch: %s', name => {
  const folder = `${FOLDER}${name}`;
  const parity: ParityCase = JSON.parse(readFileSync(`${folder}/case.json`, 'utf8'));
  const first = batchOf(parity, 0);
  const models: EngineModel[] = [];

  async function createModel(
    precision: Precision = 'fp32',
    changes: Partial<EncoderShape> = {},
    trains = true,
  ): Promise<EngineModel> {
    const { head, training } = parity;
    const encoder = { ...parity.encoder, ...changes };
    const weights = await openTensors(`${folder}/weights.safetensors`);
    const options = { encoder, head, weights, precision, mayInitialize: [] };
    const model = await addon.createModel({
      ...options,
      ...(trains && { training }),
      device: 'cpu',
      threads: 2,
      seed: 1,
      deterministic: true,
    });
    models.push(model);
    return model;
  }

  afterEach(() => {
    for (const model of models.splice(0)) model.dispose();
  });

  it('computes the logits', async () => {
    const expected = (await readExpected(folder)).get('logits')!;
    const logits = await (await createModel()).predict(first);
    expect(logits).toHaveLength(expected.length);
    expect(largestDifference(logits, expected)).toBeLessThanOrEqual(1e-5 * largest(expected));
  });

  it('computes the loss and every gradient, whole and in micro-batches', async () => {
    const expected = await readExpected(folder);
    const model = await createModel();
    expect(trainable(model)).toEqual(namesOf(expected, 'grad.'));
    for (const microBatch of [first.labels.length, 2, 1]) await expectGradients(model, expected, microBatch);
  });

  it('computes them where attention drops out, which takes another path', async () => {
    // So little that nothing is dropped.
    const model = await createModel('fp32', { attentionDropout: 1e-9 });
    await expectGradients(model, await readExpected(folder), first.labels.length);
  });

  async function expectGradients(
    model: EngineModel,
    expected: Map<string, Float32Array>,
    microBatch: number,
  ): Promise<void> {
    const result = await model.backward({ ...first, microBatch });
    expect(result.correct).toBe(parity.correct);
    expectClose(result.loss, parity.loss, 1e-5);
    expectClose(result.gradientNorm, parity.gradientNorm, 1e-4);
    for (const parameter of trainable(model)) {
      const gradient = determined(parameter, await model.read('gradient', parameter));
      const reference = determined(parameter, expected.get(`grad.${parameter}`)!);
      const allowed = 1e-4 * largest(reference) + 1e-7 * parity.gradientNorm;
      const message = `${parameter}, ${microBatch} papers at once`;
      expect(largestDifference(gradient, reference), message).toBeLessThanOrEqual(allowed);
    }
  }

  it('follows ten steps of AdamW', async () => {
    const expected = await readExpected(folder);
    const model = await createModel();
    for (const { batch, learningRateScale, loss, gradientNorm } of parity.steps) {
      const result = await model.trainStep({ ...batchOf(parity, batch), learningRateScale });
      expect(result.applied).toBe(true);
      expectClose(result.loss, loss, 1e-4);
      expectClose(result.gradientNorm, gradientNorm, 1e-3);
    }
    for (const parameter of trainable(model)) {
      const weight = determined(parameter, await model.read('weight', parameter));
      const reference = determined(parameter, expected.get(`after.${parameter}`)!);
      const allowed = 0.01 * parity.training.learningRate;
      expect(largestDifference(weight, reference), parameter).toBeLessThanOrEqual(allowed);
    }
  });

  it('leaves frozen weights alone', async () => {
    const model = await createModel();
    const frozen = model.parameters().filter(parameter => !parameter.trainable);
    const { frozenLayers, freezeEmbeddings } = parity.training;
    expect(frozen.length > 0).toBe(frozenLayers > 0 || freezeEmbeddings);
    const before = await Promise.all(frozen.map(({ name }) => model.read('weight', name)));
    await model.trainStep(first);
    expect(await Promise.all(frozen.map(({ name }) => model.read('weight', name)))).toEqual(before);
  });

  // A model that only predicts computes by other kernels than one that trains.
  it.runIf(cpu.precisions.includes('bf16')).each([true, false])(
    'agrees in bf16 within its precision (it trains: %s)',
    async trains => {
      const expected = (await readExpected(folder)).get('logits')!;
      const logits = await (await createModel('bf16', {}, trains)).predict(first);
      const difference = largestDifference(logits, expected);
      // PyTorch's autocast keeps more of the sums in float32, so its distance is a measure, not a bound.
      expect(difference).toBeLessThanOrEqual(4 * parity.bf16Deviation);
      expect(difference).toBeGreaterThan(0);
    },
  );

  it.runIf(cpu.precisions.includes('int8'))('agrees in int8 within a few roundings', async () => {
    const expected = (await readExpected(folder)).get('logits')!;
    const logits = await (await createModel('int8', {}, false)).predict(first);
    const difference = largestDifference(logits, expected);
    // Up to 6 times as far were seen.
    expect(difference).toBeLessThanOrEqual(10 * parity.bf16Deviation);
    expect(difference).toBeGreaterThan(0);
  });

  const table = 'encoder.relative_attention_bias.weight';
  if (parity.encoder.relativeAttentionBuckets > 0 && !parity.training.freezeEmbeddings) {
    it.runIf(cpu.precisions.includes('bf16'))('trains relative positions in bf16', async () => {
      const expected = (await readExpected(folder)).get(`grad.${table}`)!;
      for (const attentionDropout of [0, 1e-9]) {
        const model = await createModel('bf16', { attentionDropout });
        await model.backward(first);
        const difference = largestDifference(await model.read('gradient', table), expected);
        expect(difference).toBeLessThanOrEqual(0.15 * largest(expected));
      }
    });
  }
});

function batchOf(parity: ParityCase, index: number): TrainBatch {
  const { ids, offsets, labels } = parity.batches[index]!;
  return {
    ids: Int32Array.from(ids),
    offsets: Int32Array.from(offsets),
    labels: Int32Array.from(labels),
    microBatch: labels.length,
    learningRateScale: 1,
  };
}

async function readExpected(folder: string): Promise<Map<string, Float32Array>> {
  const file = `${folder}/expected.safetensors`;
  const bytes = await readFile(file);
  const elements = ({ offset, shape }: TensorSource) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return new Float32Array(
      bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + 4 * count),
    );
  };
  return new Map((await openTensors(file)).map(tensor => [tensor.name, elements(tensor)]));
}

function trainable(model: EngineModel): string[] {
  const names = model.parameters().flatMap(parameter => (parameter.trainable ? [parameter.name] : []));
  return names.sort();
}

function namesOf(tensors: Map<string, Float32Array>, prefix: string): string[] {
  const names = [...tensors.keys()].filter(name => name.startsWith(prefix));
  return names.map(name => name.slice(prefix.length)).sort();
}

/**
 * The elements that the loss determines. A softmax ignores a shift of all its scores, so the biases of attention keys
 * (the middle third of `in_proj_bias`) and of pooling scores have no gradient but rounding.
 */
function determined(name: string, values: Float32Array): Float32Array {
  if (name.endsWith('self.key.bias') || name.endsWith('pool_attn.bias')) return new Float32Array();
  if (!name.endsWith('in_proj_bias')) return values;
  const width = values.length / 3;
  return Float32Array.from([...values.subarray(0, width), ...values.subarray(2 * width)]);
}

const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Infinite where lengths differ or a value is not a number, so that neither can pass for agreement. */
function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length || a.some(Number.isNaN)) return Number.POSITIVE_INFINITY;
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

function expectClose(actual: number, expected: number, relative: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(relative * Math.abs(expected));
}
