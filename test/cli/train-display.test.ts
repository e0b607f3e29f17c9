import { expect, it, vi } from 'vitest';
import { TrainDisplay } from '../../src/cli/train-display.js';

it('speaks of no step before there are any', () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    new TrainDisplay().noteInterrupt();
    expect(written).toHaveBeenCalledWith('stopping; once more ends at once\n');
  } finally {
    written.mockRestore();
  }
});
