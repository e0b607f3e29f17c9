import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatDuration, formatRate, Progress, Stages } from '../../src/util/progress.js';

describe('progress without a terminal', () => {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;

  beforeEach(() => {
    written.length = 0;
    vi.useFakeTimers({ toFake: ['performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is a line every 30 seconds', () => {
    const progress = new Progress('training', { unit: 'steps', total: 400, stream });
    for (let second = 1; second <= 70; second++) {
      vi.advanceTimersByTime(1000);
      progress.update(second, 'loss 1.5');
    }
    progress.stop();
    expect(written).toEqual([
      'training: 30/400 steps, loss 1.5, 1.0 steps/s, 6 min 10 s left\n',
      'training: 60/400 steps, loss 1.5, 1.0 steps/s, 5 min 40 s left\n',
    ]);
  });

  it('counts its rate from where it began', () => {
    const progress = new Progress('cs.AI', { unit: 'papers', total: 3000, done: 2000, stream });
    vi.advanceTimersByTime(50_000);
    progress.update(2500);
    expect(written).toEqual(['cs.AI: 2500/3000 papers, 10 papers/s, 50 s left\n']);
  });

  it('of unknown length gives no time left, and bytes as MB', () => {
    const progress = new Progress('weights', { unit: 'bytes', stream });
    vi.advanceTimersByTime(30_000);
    progress.update(60e6);
    progress.note('a line of its own');
    expect(written).toEqual(['weights: 60.0 MB, 2.0 MB/s\n', 'a line of its own\n']);
  });
});

describe('stages', () => {
  it('take title and total of what comes next, whether or not the one before was finished', () => {
    const written: string[] = [];
    const stream = { write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
    vi.useFakeTimers({ toFake: ['performance'] });
    const stages = new Stages(stream);
    stages.show('first.zip', 'bytes', 0, 90e6);
    stages.note('not to be had');
    stages.show('second.zip', 'bytes', 0, 60e6);
    vi.advanceTimersByTime(30_000);
    stages.show('second.zip', 'bytes', 30e6, 60e6);
    stages.stop();
    vi.useRealTimers();
    expect(written).toEqual(['not to be had\n', 'second.zip: 30.0/60.0 MB, 1.0 MB/s, 30 s left\n']);
  });
});

describe('formatRate', () => {
  it.each([
    [34, 'papers', '34 papers/s'],
    [9.97, 'steps', '10 steps/s'],
    [1, 'steps', '1.0 steps/s'],
    [0.238, 'steps', '4.2 s/step'],
    [0.01, 'papers', '100 s/paper'],
    [2e6, 'bytes', '2.0 MB/s'],
    [40_000, 'bytes', '40 kB/s'],
    [20, 'bytes', '20 B/s'],
  ])('%d %s', (rate, unit, text) => expect(formatRate(rate, unit)).toBe(text));
});

describe('formatDuration', () => {
  it.each([
    [0.4, '0 s'],
    [59.6, '1 min 0 s'],
    [200, '3 min 20 s'],
    [3900, '1 h 05 min'],
    [-1, '0 s'],
  ])('%d', (seconds, text) => expect(formatDuration(seconds)).toBe(text));
});
