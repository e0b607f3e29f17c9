import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { loadEngine } from '../../src/engine.js';
import { openTensors } from '../../src/model/tensor-file.js';
import type {
  EncoderShape,
  EngineModel,
  MaskedBatch,
  PretrainingShape,
  TrainingShape,
} from '../../src/native.js';
import { tinyEncoder } from '../support/shape.js';
import { determined, expectClose, largest, largestDifference, namesOf, readTensors } from './parity.js';
import { tinyBatch, tinyHead, tinyModel } from './tiny-model.js';

/** What test/fixtures/generate_pretraining.py wrote. */
interface PretrainingCase {
  encoder: EncoderShape;
  pretraining: PretrainingShape;
  training: TrainingShape;
  batches: Record<'ids' | 'offsets' | 'positions' | 'targets' | 'labels' | 'teacher', number[]>[];
  loss: number;
  wordLoss: number;
  wordsCorrect: number;
  classLoss: number;
  teacherLoss: number;
  correct: number;
  gradientNorm: number;
  steps: { learningRateScale: number; loss: number }[];
}

const FOLDER = fileURLToPath(new URL('../fixtures/pretraining/', import.meta.url));
const addon = loadEngine();
const models: EngineModel[] = [];
afterEach(() => {
  for (const model of models.splice(0)) model.dispose();
});

describe.each(readdirSync(FOLDER))('parity with PyTorch: %s', name => {
  const parity: PretrainingCase = JSON.parse(readFileSync(`${FOLDER}${name}/case.json`, 'utf8'));
  const { encoder, pretraining, training } = parity;

  async function create(): Promise<EngineModel> {
    const weights = await openTensors(`${FOLDER}${name}/weights.safetensors`);
    const options = { encoder, pretraining, training, weights, mayInitialize: [] };
    const place = { device: 'cpu', precision: 'fp32' as const, threads: 2, seed: 1, deterministic: false };
    models.push(await addon.createModel({ ...options, ...place }));
    return models.at(-1)!;
  }

  it('computes losses and every gradient, whole and in micro-batches', async () => {
    const expected = await readTensors(`${FOLDER}${name}/expected.safetensors`);
    const model = await create();
    expect(trainable(model)).toEqual(namesOf(expected, 'grad.'));
    for (const microBatch of [5, 2, 1]) {
      const result = await model.pretrain('gradients', batchOf(parity, 0, microBatch));
      expect(result).toMatchObject({ wordsCorrect: parity.wordsCorrect, correct: parity.correct });
      for (const each of ['loss', 'wordLoss', 'classLoss', 'teacherLoss'] as const)
        expectClose(result[each], parity[each], 1e-5);
      expectClose(result.gradientNorm, parity.gradientNorm, 1e-4);
      for (const parameter of trainable(model)) {
        const gradient = determined(parameter, await model.read('gradient', parameter));
        const reference = determined(parameter, expected.get(`grad.${parameter}`)!);
        const allowed = 1e-4 * largest(reference) + 1e-7 * parity.gradientNorm;
        expect(largestDifference(gradient, reference), parameter).toBeLessThanOrEqual(allowed);
      }
    }
  });

  it('evaluates to the same losses, and leaves no trace', async () => {
    const model = await create();
    const result = await model.pretrain('evaluate', batchOf(parity, 0, 2));
    expect(result).toMatchObject({ wordsCorrect: parity.wordsCorrect, correct: parity.correct });
    expectClose(result.loss, parity.loss, 1e-5);
    await expect(model.read('gradient', 'head.bias')).rejects.toThrow('no gradient');
  });

  it('follows the steps of AdamW', async () => {
    const expected = await readTensors(`${FOLDER}${name}/expected.safetensors`);
    const model = await create();
    for (const [i, { learningRateScale, loss }] of parity.steps.entries()) {
      const result = await model.pretrain('step', { ...batchOf(parity, i % 2), learningRateScale });
      expectClose(result.loss, loss, 1e-4);
    }
    for (const parameter of trainable(model)) {
      const weight = determined(parameter, await model.read('weight', parameter));
      const reference = determined(parameter, expected.get(`after.${parameter}`)!);
      const allowed = 0.01 * parity.training.learningRate;
      expect(largestDifference(weight, reference), parameter).toBeLessThanOrEqual(allowed);
    }
  });
});

describe('pre-training', () => {
  const encoder = tinyEncoder({ hiddenSize: 32, attentionHeads: 4, intermediateSize: 64 });
  const { head: _, ...common } = tinyModel({ encoder });
  const create = async (teacherSize = 0) => {
    const pretraining = { classes: 4, classWeight: 1, teacherSize, teacherWeight: 1 };
    models.push(await addon.createModel({ ...common, pretraining }));
    return models.at(-1)!;
  };

  it('refuses what is no masked batch', async () => {
    const model = await create();
    const refused = (changes: Partial<MaskedBatch>, message: string) =>
      expect(model.pretrain('step', { ...tinyMasked(), ...changes })).rejects.toMatchObject({
        code: 'BAD_INPUT',
        message,
      });
    await refused({ positions: Int32Array.of(1) }, '1 masked positions with 2 targets');
    await refused({ positions: Int32Array.of(4, 1) }, 'masked position 1 is out of range or out of order');
    await refused(
      { positions: Int32Array.of(1, 9999) },
      'masked position 9999 is out of range or out of order',
    );
    await refused({ targets: Int32Array.of(1, 100) }, "target 100 is outside the encoder's vocabulary");
    await refused({ labels: Int32Array.of(1) }, '1 labels; 3 expected');
    await refused({ labels: Int32Array.of(1, -2, 0) }, 'label -2 is no class');
    await refused({ teacher: Float32Array.of(1) }, '1 values of a teacher; 0 expected');
    await expect(model.pretrain('step', tinyMasked())).resolves.toMatchObject({ applied: true });
    await expect((await create(2)).pretrain('step', tinyMasked())).rejects.toThrow(
      '0 values of a teacher; 6',
    );
  });

  it('is another task than classifying', async () => {
    const pretrained = await create();
    await expect(pretrained.trainStep(tinyBatch(2))).rejects.toMatchObject({ code: 'BAD_OPTION' });
    await expect(pretrained.predict(tinyBatch(2))).rejects.toMatchObject({ code: 'BAD_OPTION' });
    const classifier = await addon.createModel(tinyModel());
    models.push(classifier);
    await expect(classifier.pretrain('step', tinyMasked())).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });
});

describe('an encoder alone', () => {
  it('gives the mean state of each sequence: what a mean head multiplies', async () => {
    const head = tinyHead({ type: 'mean', hidden: [], dropout: [] });
    const { training: _, ...options } = tinyModel({ head });
    const classifier = await addon.createModel(options);
    const folder = mkdtempSync(join(tmpdir(), 'arxiv-native-encoder-'));
    const file = join(folder, 'model.safetensors');
    await classifier.save(file, { optimizer: false, metadata: {} });
    const weights = (await openTensors(file)).filter(({ name }) => !name.startsWith('head.'));
    const { head: __, ...alone } = options;
    const encoder = await addon.createModel({ ...alone, weights, mayInitialize: [] });
    rmSync(folder, { recursive: true });
    models.push(classifier, encoder);
    const { ids, offsets } = tinyBatch(5, { perPaper: 1 });
    const states = await encoder.predict({ ids, offsets });
    const logits = await classifier.predict({ ids, offsets });
    const [weight, bias] = await Promise.all(
      ['weight', 'bias'].map(part => classifier.read('weight', `head.fusion.0.${part}`)),
    );
    const width = states.length / 5;
    for (const [i, logit] of logits.entries()) {
      const [row, k] = [Math.floor(i / head.classes) * width, i % head.classes];
      let sum = bias![k]!;
      for (let j = 0; j < width; j++) sum += weight![k * width + j]! * states[row + j]!;
      expectClose(logit, sum, 1e-5);
    }
  });

  it('refuses a batch without sequences', async () => {
    const { head: _, training: __, ...alone } = tinyModel();
    const encoder = await addon.createModel(alone);
    models.push(encoder);
    for (const offsets of [Int32Array.of(), Int32Array.of(0)]) {
      const empty = encoder.predict({ ids: Int32Array.of(), offsets });
      await expect(empty).rejects.toMatchObject({ code: 'BAD_INPUT', message: 'a batch without sequences' });
    }
  });

  it('has nothing to train', async () => {
    const { head: _, ...headless } = tinyModel();
    await expect(addon.createModel(headless)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('a head or a pretraining shape'),
    });
  });
});

function tinyMasked(): MaskedBatch {
  const { ids, offsets } = tinyBatch(3, { perPaper: 1 });
  const masked = { positions: Int32Array.of(1, 4), targets: Int32Array.of(5, 6) };
  return { ids, offsets, ...masked, labels: Int32Array.of(0, -1, 3), microBatch: 3, learningRateScale: 1 };
}

function batchOf({ batches }: PretrainingCase, index: number, microBatch = 5): MaskedBatch {
  const { ids, offsets, positions, targets, labels, teacher } = batches[index]!;
  const [i, o, p, t, l] = [ids, offsets, positions, targets, labels].map(each => Int32Array.from(each));
  const masked = { ids: i!, offsets: o!, positions: p!, targets: t!, labels: l! };
  return { ...masked, teacher: Float32Array.from(teacher), microBatch, learningRateScale: 1 };
}

function trainable(model: EngineModel): string[] {
  return model
    .parameters()
    .flatMap(parameter => (parameter.trainable ? [parameter.name] : []))
    .sort();
}
