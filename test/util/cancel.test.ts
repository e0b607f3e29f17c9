import { describe, expect, it } from 'vitest';
import { ArxivNativeError } from '../../src/errors.js';
import { cancelFlag, orCancelled, throwIfCancelled } from '../../src/util/cancel.js';

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

describe('throwIfCancelled', () => {
  it('throws CANCELLED for a bare signal, and what a signal was aborted with where that is an error of ours', () => {
    throwIfCancelled(undefined, 'reading');
    throwIfCancelled(new AbortController().signal, 'reading');
    const cancelled = expect.objectContaining({ code: 'CANCELLED', message: 'reading: cancelled' });
    expect(() => throwIfCancelled(AbortSignal.abort(), 'reading')).toThrow(cancelled);
    const lost = new ArxivNativeError('IO', 'the lock was lost');
    expect(() => throwIfCancelled(AbortSignal.abort(lost), 'reading')).toThrow(lost);
  });
});

describe('orCancelled', () => {
  it('rejects for a signal that comes while the work goes on, or came before', async () => {
    const cancelled = expect.objectContaining({ code: 'CANCELLED', message: 'reading: cancelled' });
    const controller = new AbortController();
    const reading = orCancelled(new Promise(() => {}), controller.signal, 'reading');
    controller.abort();
    await expect(reading).rejects.toEqual(cancelled);
    await expect(orCancelled(Promise.resolve(1), controller.signal, 'reading')).rejects.toEqual(cancelled);
    expect(await orCancelled(Promise.resolve(1), new AbortController().signal, 'reading')).toBe(1);
  });
});
