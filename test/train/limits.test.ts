import { describe, expect, it } from 'vitest';
import { bytesPerPaper, fittingMicroBatch } from '../../src/train/limits.js';
import { tinyEncoder } from '../support/shape.js';

describe('the papers at once', () => {
  const parameters = { total: 2e6, trainable: 1e6 };
  const at = (available: number) => fittingMicroBatch(12, parameters, 1e6, available);

  it.each([
    // Of 0.7 of it the optimiser and the gradients take 12 MB.
    [100e6, 12],
    [34.4e6, 12],
    [34.2e6, 6],
    [25.8e6, 6],
    [25.6e6, 3],
    [20e6, 2],
    [1e6, 1],
  ])('of %i bytes', (available, papers) => expect(at(available)).toBe(papers));

  it('are fewer the longer, the deeper and the wider', () => {
    const shape = tinyEncoder({ layers: 4 });
    const lengths = { title: 32, abstract: 128 };
    const base = bytesPerPaper(shape, lengths, 0, 'fp32');
    expect(bytesPerPaper(shape, lengths, 2, 'fp32')).toBe(base / 2);
    expect(bytesPerPaper(shape, lengths, 0, 'bf16')).toBe(base / 2);
    expect(bytesPerPaper(shape, { joined: 160 }, 0, 'fp32')).toBeGreaterThan(base);
    expect(bytesPerPaper({ ...shape, hiddenSize: 2 * shape.hiddenSize }, lengths, 0, 'fp32')).toBeGreaterThan(
      base,
    );
  });
});
