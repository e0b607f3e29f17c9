import { describe, expect, it } from 'vitest';
// @ts-expect-error The suite is plain JavaScript.
import { forwardFlops, stepFlops } from '../../bench/flops.mjs';

const scibert = {
  encoder: { hiddenSize: 768, intermediateSize: 3072, layers: 12 },
  head: { type: 'cross-attention', hidden: [512, 256, 128], classes: 4 },
};
const tiny = {
  encoder: { hiddenSize: 2, intermediateSize: 3, layers: 2 },
  head: { type: 'cls', hidden: [], classes: 5 },
};

describe('useful FLOP', () => {
  it('are 2 for each weight and token, and attention beside', () => {
    // A layer has 4 matrices of 2 × 2 and two of 2 × 3: 28 weights; the head 10, for the first token of a sequence.
    expect(forwardFlops(tiny, [4, 1])).toEqual({
      weights: 2 * (2 * 5 * 28) + 2 * 2 * 10,
      attention: 2 * (4 * 2 * (16 + 1)),
      all: 560 + 40 + 272,
    });
  });

  it('are three times the forward pass where everything trains', () => {
    const forward = forwardFlops(scibert, [10, 100]);
    const step = stepFlops(scibert, { layers: 0, embeddings: false }, [10, 100]);
    expect(step.all).toBe(3 * forward.all);
  });

  it('leave out the gradients of frozen weights, but not those of their inputs while the embeddings train', () => {
    const forward = forwardFlops(tiny, [4]);
    const oneLayer = 2 * 4 * 28;
    expect(stepFlops(tiny, { layers: 1, embeddings: false }, [4]).all).toBe(3 * forward.all - oneLayer);
  });

  it('leave out the backward pass of what lies before the first trainable weight', () => {
    const step = stepFlops(tiny, { layers: 1, embeddings: true }, [4]);
    // Layer 0 forward only; of layer 1, query, key and value need no gradient of their input.
    const layer = 2 * 4 * 28;
    expect(step.weights).toBe(layer + 3 * layer - 2 * 4 * 12 + 3 * 2 * 10);
    expect(step.attention).toBe((1 + 3) * (4 * 2 * 16));
  });

  it('train the head alone when all else is frozen', () => {
    const all = stepFlops(tiny, { layers: 2, embeddings: true }, [4]).all;
    expect(all).toBe(forwardFlops(tiny, [4]).all + 2 * 10);
  });

  it('put a step of 12 papers on SciBERT, at full length, at about 0.9 TFLOP', () => {
    const lengths = Array.from({ length: 24 }, (_, i) => (i % 2 ? 128 : 32));
    const { all } = stepFlops(scibert, { layers: 3, embeddings: false }, lengths);
    expect(all).toBeGreaterThan(0.88e12);
    expect(all).toBeLessThan(0.96e12);
  });

  it("count the head's cross-attention by the product of the two lengths", () => {
    const bare = { ...scibert, encoder: { ...scibert.encoder, layers: 0 } };
    const short = forwardFlops(bare, [10, 100]).attention - forwardFlops(bare, [1, 109]).attention;
    expect(short).toBe(2 * 2 * 2 * 768 * (1000 - 109));
  });
});
