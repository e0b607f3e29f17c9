import { describe, expect, it } from 'vitest';
import { cancelFlag } from '../../src/util/cancel.js';

describe('cancelFlag', () => {
  it('is raised when the signal comes, and no more once released', () => {
    const controller = new AbortController();
    const [watched, released] = [cancelFlag(controller.signal), cancelFlag(controller.signal)];
    expect(watched.flag[0]).toBe(0);
    released.release();
    controller.abort();
    expect([watched.flag[0], released.flag[0]]).toEqual([1, 0]);
  });

  it('is raised from the start by a signal that came before', () => {
    expect(cancelFlag(AbortSignal.abort()).flag[0]).toBe(1);
    expect(cancelFlag(undefined).flag[0]).toBe(0);
  });
});
