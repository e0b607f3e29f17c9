import { beforeAll, expect, it } from 'vitest';
import { TranslatorProcesses } from '../../src/augment/processes.js';
import { compiled } from '../support/cli.js';

beforeAll(compiled);

it('starts with the first texts, as many processes as there are batches, and says why one ended', async () => {
  const counts: number[] = [];
  const setup = (count: number) => counts.push(count);
  const processes = new TranslatorProcesses('nowhere.js', setup, 8);
  try {
    expect(counts).toEqual([]);
    const work = processes.translate(['a', 'b', 'c'], [[0, 1], [2]], () => {});
    await expect(work).rejects.toMatchObject({
      code: 'TRANSLATOR',
      message: expect.stringMatching(/ended \(exit code 1\): .*Cannot find module/s),
    });
    expect(counts).toEqual([2]);
    const more = processes.translate(['a', 'b', 'c'], [[0], [1], [2]], () => {});
    await expect(more).rejects.toMatchObject({ code: 'TRANSLATOR' });
    expect(counts).toEqual([2, 3]);
  } finally {
    await processes.close();
  }
});
