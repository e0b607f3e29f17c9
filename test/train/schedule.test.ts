import { describe, expect, it } from 'vitest';
import { learningRateScale, makeSchedule } from '../../src/train/schedule.js';

describe('the learning rate', () => {
  it('rises from 0 over the warm-up and falls to 0 after the last step', () => {
    const schedule = makeSchedule(10, 2, 0.2);
    expect(schedule).toEqual({ steps: 20, warmupSteps: 4 });
    const scales = Array.from({ length: 21 }, (_, step) => learningRateScale(schedule, step));
    expect(scales.slice(0, 6)).toEqual([0, 0.25, 0.5, 0.75, 1, 15 / 16]);
    expect(scales.slice(18)).toEqual([2 / 16, 1 / 16, 0]);
  });

  it('rounds the warm-up down to whole steps', () => {
    expect(makeSchedule(13, 3, 0.1).warmupSteps).toBe(3);
  });

  it('starts at the full rate where there is no warm-up', () => {
    expect(learningRateScale(makeSchedule(3, 1, 0.1), 0)).toBe(1);
    expect(learningRateScale(makeSchedule(1, 1, 0), 0)).toBe(1);
  });
});
