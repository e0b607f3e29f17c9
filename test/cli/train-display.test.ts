import { expect, it, vi } from 'vitest';
import { TrainDisplay } from '../../src/cli/train-display.js';
import type { TrainEvent, TrainPlan } from '../../src/train/types.js';

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
  schedule: { steps: 30 },
  threads: 1,
} as unknown as TrainPlan;

it('speaks of no step before there are any', () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    new TrainDisplay().noteInterrupt();
    expect(written).toHaveBeenCalledWith('stopping; once more ends at once\n');
  } finally {
    written.mockRestore();
  }
});

it('shows how long slow steps take', () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const display = new TrainDisplay();
    display.show({ type: 'plan', plan });
    vi.advanceTimersByTime(42_000);
    display.show({ type: 'step', step: 10, epoch: 1, meanLoss: 1.5 } as TrainEvent);
    display.stop();
    const text = written.mock.calls.map(([line]) => line).join('');
    expect(text).toContain('training: 10/30 steps, epoch 1, loss 1.500, 4.2 s/step, 1 min 24 s left\n');
  } finally {
    vi.useRealTimers();
    written.mockRestore();
  }
});

it('tells of the copies among the papers, and does not say that there are none', () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
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
