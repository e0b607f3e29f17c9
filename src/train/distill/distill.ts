import { join } from 'node:path';
import { ArxivNativeError } from '../../errors.js';
import { DEFAULT_RECIPE } from '../default-recipe.js';
import { encoderSizes, isSizes } from '../pretrain/options.js';
import type { RandomEncoder } from '../recipe.js';
import { train } from '../train.js';
import type { TrainHooks, TrainOptions, TrainResult } from '../types.js';
import type { DistillationOptions } from './lesson.js';

/** As for `train`; the recipe is the student's. */
export interface DistillOptions extends Omit<TrainOptions, 'encoder' | 'distillation'>, DistillationOptions {
  /** The encoder of the student: a folder or an id of the Hub, or of a new one the sizes, as an object or a JSON file. */
  student: string | Omit<RandomEncoder, 'vocabSize'>;
  /** Word pieces of a new encoder; by default what its sizes say. */
  vocabSize?: number | undefined;
}

/**
 * Trains a small classifier on what a large one says of the training papers, mixed with their true labels, and of
 * papers without labels. The result is a saved model like any other, under `runs/distilled` if `out` is absent.
 *
 * @throws ArxivNativeError as `train` does, and BAD_INPUT for a teacher of other classes
 */
export async function distill(options: DistillOptions, hooks: TrainHooks = {}): Promise<TrainResult> {
  const { student, vocabSize, teacher, unlabelled, temperature, teacherWeight, ...others } = options;
  if (typeof teacher !== 'string' || (typeof student !== 'string' && typeof student !== 'object')) {
    throw new ArxivNativeError('BAD_OPTION', 'distill: "teacher" and "student" must be given', {
      remedy: 'The teacher is the folder of a model, the student an encoder or the sizes of a new one.',
    });
  }
  const distillation = { teacher, unlabelled, temperature, teacherWeight };
  const common = { ...others, out: others.out ?? join('runs', 'distilled'), distillation };
  if (typeof student === 'string' && !isSizes(student)) {
    if (vocabSize === undefined) return train({ ...common, encoder: student }, hooks);
    throw new ArxivNativeError('BAD_OPTION', `distill: the encoder ${student} has its own vocabulary`, {
      remedy: 'Leave --vocab-size out.',
    });
  }
  const encoder = encoderSizes({ config: student, vocabSize });
  const { recipe = DEFAULT_RECIPE } = others;
  const ofStudent = typeof recipe === 'string' ? { extends: recipe, encoder } : { ...recipe, encoder };
  return train({ ...common, recipe: ofStudent }, hooks);
}
