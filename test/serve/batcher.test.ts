import { describe, expect, it } from 'vitest';
import { Batcher } from '../../src/serve/batcher.js';

/** A batcher over `n => n * 10` that records its batches and waits for `release` before each answer. */
function recording(size: number) {
  const batches: number[][] = [];
  const releases: (() => void)[] = [];
  const batcher = new Batcher<number, number>(async items => {
    batches.push(items);
    await new Promise<void>(resolve => releases.push(resolve));
    return items.map(n => n * 10);
  }, size);
  const turn = () => new Promise(resolve => setImmediate(resolve));
  return { batcher, batches, turn, release: () => releases.shift()?.() };
}

describe('Batcher', () => {
  it('puts what arrives in one turn into one batch and answers each caller its own', async () => {
    const { batcher, batches, turn, release } = recording(8);
    const answers = Promise.all([3, 1, 2].map(n => batcher.add(n)));
    await turn();
    release();
    expect(await answers).toEqual([30, 10, 20]);
    expect(batches).toEqual([[3, 1, 2]]);
  });

  it('collects what arrives while a batch runs, up to its size', async () => {
    const { batcher, batches, turn, release } = recording(2);
    const answers = [batcher.add(1)];
    await turn();
    answers.push(...[2, 3, 4].map(n => batcher.add(n)));
    for (let i = 0; i < 3; i++) {
      release();
      await turn();
    }
    expect(await Promise.all(answers)).toEqual([10, 20, 30, 40]);
    expect(batches).toEqual([[1], [2, 3], [4]]);
  });

  it('rejects the callers of a batch that failed and serves the next', async () => {
    let failed = false;
    const batcher = new Batcher<number, number>(async items => {
      if (failed) return items;
      failed = true;
      throw new Error('engine');
    }, 2);
    const answers = await Promise.allSettled([1, 2, 3].map(n => batcher.add(n)));
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(await batcher.add(7)).toBe(7);
  });
});
