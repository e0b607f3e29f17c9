import { dirname } from 'node:path';
import type { EngineModel } from '../native.js';
import { requireSpace, type StagedFolder } from '../util/files.js';
import type { TrainPlan } from './types.js';

export function countParameters(model: EngineModel): TrainPlan['parameters'] {
  const counts = { total: 0, trainable: 0 };
  for (const { shape, trainable } of model.parameters()) {
    const size = shape.reduce((product, length) => product * length, 1);
    counts.total += size;
    if (trainable) counts.trainable += size;
  }
  return counts;
}

/** Refuses to begin where the disk could not hold the best weights and, for a moment, their successors. */
export async function requireWeightSpace(parameters: number, { target }: StagedFolder): Promise<void> {
  const remedy = 'Free some space, or choose a folder on another disk with --out.';
  await requireSpace(dirname(target), 2 * 4 * parameters, remedy);
}
