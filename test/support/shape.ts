import type { EncoderShape } from '../../src/native.js';

/** A BERT that is made in a moment. */
export function tinyEncoder(overrides: Partial<EncoderShape> = {}): EncoderShape {
  return {
    vocabSize: 100,
    hiddenSize: 8,
    layers: 2,
    attentionHeads: 2,
    intermediateSize: 16,
    maxPositions: 64,
    typeVocabSize: 2,
    layerNormEps: 1e-12,
    activation: 'gelu',
    hiddenDropout: 0.1,
    attentionOutputDropout: 0.1,
    attentionDropout: 0.1,
    initializerRange: 0.02,
    positionOffset: 0,
    padTokenId: 0,
    relativeAttentionBuckets: 0,
    ...overrides,
  };
}
