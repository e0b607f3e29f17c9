import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { loadEngine } from '../../src/engine.js';
import { openTensors } from '../../src/model/tensor-file.js';
import type { EncoderShape, EngineModel, HeadShape, TrainBatch, TrainingShape } from '../../src/native.js';
import { determined, expectClose, largest, largestDifference, namesOf, readTensors } from './parity.js';
import { tinyBatch, tinyModel } from './tiny-model.js';

/** What test/fixtures/generate_distillation.py wrote. */
interface DistillationCase extends Record<'ids' | 'offsets' | 'labels' | 'teacher', number[]> {
  encoder: EncoderShape;
  head: HeadShape;
  training: TrainingShape;
  loss: number;
  correct: number;
  gradientNorm: number;
}

const FOLDER = fileURLToPath(new URL('../fixtures/distillation/', import.meta.url));
const addon = loadEngine();
const models: EngineModel[] = [];
afterEach(() => {
  for (const model of models.splice(0)) model.dispose();
});

describe('a student', () => {
  it.each(readdirSync(FOLDER))('learns as in PyTorch: %s', async name => {
    const parity: DistillationCase = JSON.parse(readFileSync(`${FOLDER}${name}/case.json`, 'utf8'));
    const expected = await readTensors(`${FOLDER}${name}/expected.safetensors`);
    const { encoder, head, training, ids, offsets, labels, teacher } = parity;
    const weights = await openTensors(`${FOLDER}${name}/weights.safetensors`);
    const model = await addon.createModel(
      tinyModel({ encoder, head, training, weights, mayInitialize: [], seed: 1 }),
    );
    models.push(model);
    for (const microBatch of [labels.length, 2]) {
      const batch: TrainBatch = {
        ids: Int32Array.from(ids),
        offsets: Int32Array.from(offsets),
        labels: Int32Array.from(labels),
        teacher: Float32Array.from(teacher),
        microBatch,
        learningRateScale: 1,
      };
      const result = await model.backward(batch);
      expect(result.correct).toBe(parity.correct);
      expectClose(result.loss, parity.loss, 1e-5);
      expectClose(result.gradientNorm, parity.gradientNorm, 1e-4);
      for (const parameter of namesOf(expected, 'grad.')) {
        const gradient = determined(parameter, await model.read('gradient', parameter));
        const reference = determined(parameter, expected.get(`grad.${parameter}`)!);
        const allowed = 1e-4 * largest(reference) + 1e-7 * parity.gradientNorm;
        expect(largestDifference(gradient, reference), parameter).toBeLessThanOrEqual(allowed);
      }
    }
  });

  it('needs a teacher for each paper, and a classifier without one takes none', async () => {
    const distillation = { temperature: 2, teacherWeight: 0.5 };
    const options = tinyModel();
    const student = await addon.createModel({ ...options, training: { ...options.training, distillation } });
    const plain = await addon.createModel(options);
    models.push(student, plain);
    const batch = tinyBatch(2);
    const refused = (model: EngineModel, changes: Partial<TrainBatch>, message: string) =>
      expect(model.trainStep({ ...batch, ...changes })).rejects.toMatchObject({ code: 'BAD_INPUT', message });
    await refused(student, {}, '0 probabilities of a teacher for 2 papers');
    await refused(plain, { teacher: new Float32Array(8) }, '8 probabilities of a teacher for 2 papers');
    await refused(plain, { labels: Int32Array.of(-1, 0) }, 'label -1 is no class');
    const labels = Int32Array.of(-2, 0);
    await refused(student, { labels, teacher: new Float32Array(8) }, 'label -2 is no class');
    const bad = { ...options.training, distillation: { temperature: 0, teacherWeight: 0.5 } };
    await expect(addon.createModel({ ...options, training: bad })).rejects.toMatchObject({
      message: 'training.distillation.temperature: a number above 0 expected',
    });
  });
});
