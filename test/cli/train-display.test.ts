import { expect, it, vi } from 'vitest';
import { TrainDisplay } from '../../src/cli/train-display.js';
import type { TrainPlan } from '../../src/train/types.js';

it('speaks of no step before there are any', () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    new TrainDisplay().noteInterrupt();
    expect(written).toHaveBeenCalledWith('stopping; once more ends at once\n');
  } finally {
    written.mockRestore();
  }
});

it('tells of the copies among the papers, and does not say that there are none', () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const plan = {
    recipe: { name: 'v5.0', resolved: { augment: { category: 'a', samples: 4 }, words: 'none', epochs: 1 } },
    encoder: { id: 'random', layers: 1 },
    data: {
      source: 'data',
      labels: ['a', 'b'],
      splits: { train: [6, 4], validation: [2, 2], test: [2, 2] },
      duplicates: 0,
      withdrawn: 0,
      empty: 0,
      synthetic: { train: 2, leftOut: 3 },
      leaks: { contradictingRows: 0, crossingPapers: 0 },
    },
    parameters: { total: 1, trainable: 1 },
    schedule: { steps: 1 },
    threads: 1,
  } as unknown as TrainPlan;
  try {
    const display = new TrainDisplay();
    display.show({ type: 'plan', plan });
    display.stop();
    const text = written.mock.calls.map(([line]) => line).join('');
    expect(text).toContain('synthetic copies among the training papers: 2');
    expect(text).toContain('3 synthetic without a parent in training');
    expect(text).not.toContain('no synthetic copies');
  } finally {
    written.mockRestore();
  }
});
