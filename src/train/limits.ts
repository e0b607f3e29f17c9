import type { EncoderShape, EngineModel, Precision } from '../native.js';
import type { Lengths } from '../text/pack.js';
import { requireSpace } from '../util/files.js';
import type { TrainPlan } from './types.js';

type Parameters = TrainPlan['parameters'];

export function countParameters(model: EngineModel): Parameters {
  const counts = { total: 0, trainable: 0 };
  for (const { shape, trainable } of model.parameters()) {
    const size = shape.reduce((product, length) => product * length, 1);
    counts.total += size;
    if (trainable) counts.trainable += size;
  }
  return counts;
}

/**
 * Refuses to begin where the disk could not hold the best weights, a checkpoint (weights and two moments for each that
 * is trained) and, for a moment, their successors.
 *
 * @param resumes the first of them are there already
 */
export async function requireRunSpace(
  { total, trainable }: Parameters,
  folder: string,
  resumes: boolean,
): Promise<void> {
  const once = 4 * (total + total + 2 * trainable);
  const remedy = 'Free some space, or choose a folder on another disk with --out.';
  await requireSpace(folder, resumes ? once : 2 * once, remedy);
}

/** Of the memory that is free, what the estimate may fill: it is one, and other processes live too. */
const SHARE = 0.7;

/**
 * How many papers of a batch go through at once on a CPU, whose system does not refuse memory in time: the whole batch,
 * or the largest of its halves, quarters … whose step is estimated to fit.
 *
 * @param available bytes that the process may still take, the model's own weights being there
 */
export function fittingMicroBatch(
  batchSize: number,
  { trainable }: Parameters,
  bytesPerPaper: number,
  available: number,
): number {
  // Gradients and two moments take their memory at the first step.
  const left = SHARE * available - 12 * trainable;
  let papers = batchSize;
  while (papers > 1 && papers * bytesPerPaper > left) papers = Math.ceil(papers / 2);
  return papers;
}

/**
 * What a training step holds of a paper of full length, in bytes, estimated: of each token and trained layer twelve
 * vectors of the hidden and two of the intermediate size, and four matrices of attention. The peaks that a 6-layer
 * MiniLM was seen at are a twentieth to a fifth below.
 */
export function bytesPerPaper(
  encoder: EncoderShape,
  lengths: Lengths,
  frozenLayers: number,
  precision: Precision,
): number {
  const sequences = Object.values(lengths);
  const layers = encoder.layers - frozenLayers;
  const vectors = 12 * encoder.hiddenSize + 2 * encoder.intermediateSize;
  const values = sequences.reduce(
    (sum, tokens) => sum + tokens * (vectors + 4 * encoder.attentionHeads * tokens),
    0,
  );
  return layers * values * (precision === 'fp32' ? 4 : 2);
}
