import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { loadEngine } from '../../src/engine.js';
import { openTensors } from '../../src/model/tensor-file.js';
import type {
  EncoderShape,
  EngineModel,
  HeadShape,
  Precision,
  TrainBatch,
  TrainingShape,
} from '../../src/native.js';
import { determined, expectClose, largest, largestDifference, namesOf, readTensors } from './parity.js';

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
    const expected = (await readTensors(`${folder}/expected.safetensors`)).get('logits')!;
    const logits = await (await createModel()).predict(first);
    expect(logits).toHaveLength(expected.length);
    expect(largestDifference(logits, expected)).toBeLessThanOrEqual(1e-5 * largest(expected));
  });

  it('computes the loss and every gradient, whole and in micro-batches', async () => {
    const expected = await readTensors(`${folder}/expected.safetensors`);
    const model = await createModel();
    expect(trainable(model)).toEqual(namesOf(expected, 'grad.'));
    for (const microBatch of [first.labels.length, 2, 1]) await expectGradients(model, expected, microBatch);
  });

  it('computes them where attention drops out, which takes another path', async () => {
    // So little that nothing is dropped.
    const model = await createModel('fp32', { attentionDropout: 1e-9 });
    await expectGradients(model, await readTensors(`${folder}/expected.safetensors`), first.labels.length);
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
    const expected = await readTensors(`${folder}/expected.safetensors`);
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
      const expected = (await readTensors(`${folder}/expected.safetensors`)).get('logits')!;
      const logits = await (await createModel('bf16', {}, trains)).predict(first);
      const difference = largestDifference(logits, expected);
      // PyTorch's autocast keeps more of the sums in float32, so its distance is a measure, not a bound.
      expect(difference).toBeLessThanOrEqual(4 * parity.bf16Deviation);
      expect(difference).toBeGreaterThan(0);
    },
  );

  it.runIf(cpu.precisions.includes('int8'))('agrees in int8 within a few roundings', async () => {
    const expected = (await readTensors(`${folder}/expected.safetensors`)).get('logits')!;
    const logits = await (await createModel('int8', {}, false)).predict(first);
    const difference = largestDifference(logits, expected);
    // Up to 6 times as far were seen.
    expect(difference).toBeLessThanOrEqual(10 * parity.bf16Deviation);
    expect(difference).toBeGreaterThan(0);
  });

  const table = 'encoder.relative_attention_bias.weight';
  if (parity.encoder.relativeAttentionBuckets > 0 && !parity.training.freezeEmbeddings) {
    it.runIf(cpu.precisions.includes('bf16'))('trains relative positions in bf16', async () => {
      const expected = (await readTensors(`${folder}/expected.safetensors`)).get(`grad.${table}`)!;
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

function trainable(model: EngineModel): string[] {
  const names = model.parameters().flatMap(parameter => (parameter.trainable ? [parameter.name] : []));
  return names.sort();
}
