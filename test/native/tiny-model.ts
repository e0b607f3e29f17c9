import type { HeadShape, ModelOptions, TrainBatch, TrainingShape } from '../../src/native.js';
import { tinyEncoder } from '../support/shape.js';

/** Options of a model small enough to be created in a moment, with random weights. */
export function tinyModel(
  overrides: Partial<ModelOptions> = {},
): ModelOptions & { head: HeadShape; training: TrainingShape } {
  return {
    encoder: tinyEncoder({ hiddenSize: 32, attentionHeads: 4, intermediateSize: 64 }),
    device: 'cpu',
    precision: 'fp32',
    threads: 2,
    seed: 7,
    deterministic: false,
    weights: [],
    mayInitialize: [''],
    ...overrides,
    head: overrides.head ?? tinyHead(),
    training: { ...tinyTraining(), ...overrides.training },
  };
}

export function tinyHead(overrides: Partial<HeadShape> = {}): HeadShape {
  return {
    type: 'cross-attention',
    classes: 4,
    hidden: [16, 8],
    activation: 'gelu',
    dropout: [0.3, 0.3],
    embeddingDropout: 0.1,
    attentionHeads: 4,
    attentionDropout: 0.1,
    ...overrides,
  };
}

function tinyTraining(): TrainingShape {
  return {
    frozenLayers: 0,
    freezeEmbeddings: false,
    grouping: 'encoder',
    learningRate: 1e-3,
    headLearningRate: 5e-3,
    weightDecay: 0.01,
    headWeightDecay: 0.02,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    clipNorm: 1,
    loss: 'cross-entropy',
    focalGamma: 2,
    labelSmoothing: 0.1,
    classWeights: [],
  };
}

/** Papers of differing lengths, `perPaper` sequences each, the same for the same `salt`. */
export function tinyBatch(papers: number, { salt = 0, perPaper = 2 } = {}): TrainBatch {
  const ids: number[] = [];
  const offsets = [0];
  for (let s = 0; s < papers * perPaper; s++) {
    const length = 3 + ((s * 7 + salt * 5) % 29);
    for (let i = 0; i < length; i++) ids.push(1 + ((s * 31 + i * 17 + salt * 13) % 99));
    offsets.push(ids.length);
  }
  return {
    ids: Int32Array.from(ids),
    offsets: Int32Array.from(offsets),
    labels: Int32Array.from({ length: papers }, (_, p) => (p + salt) % 4),
    microBatch: papers,
    learningRateScale: 1,
  };
}
