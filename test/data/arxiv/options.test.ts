import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { FetchOptions } from '../../../src/data/arxiv/options.js';
import { fetched, folder, lines, output, server, useArxiv } from './fetched.js';

useArxiv();

it.each([
  [{ categories: ['cs.ai'] }, '"cs.ai" is no category', 'Did you mean "cs.AI"?'],
  [{ categories: ['cs'] }, '"cs" is no category', 'look like cs.AI'],
  [{ categories: [] }, '"categories" is empty', ''],
  [{ categories: 'cs.AI' as never }, 'must be an array', ''],
  [{ perCategory: 0 }, '"perCategory" must be a whole number >= 1, not 0', ''],
  [{ perCategory: Number.NaN }, 'not NaN', ''],
  [{ pageSize: 2001 }, '"pageSize" must be at most 2000', ''],
  [{ from: '2025-02-30' }, '2025-02-30', ''],
  [{ from: '2025-02-02', to: '2025-02-01' }, 'comes after', ''],
  [{ from: '2999-01-01' }, 'lies in the future', ''],
  [{ via: 'oai' as const }, 'cannot sort by submission', '--from'],
  [{ via: 'rss' as never }, '"via" must be one of api, oai', ''],
  [{ pause: -1 }, '"pause"', ''],
  [{ perCategroy: 5 } as never, 'there is no option "perCategroy"', 'perCategory'],
])('%o is refused', async (options: Partial<FetchOptions>, message, remedy) => {
  const refused = await fetched(options).catch(error => error);
  expect(refused).toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining(message) });
  expect(refused.remedy ?? '').toContain(remedy);
  expect(server.requests).toHaveLength(0);
  expect(readdirSync(folder)).toEqual([]);
});

it("arXiv's own hosts are not asked faster than it wants", async () => {
  for (const endpoint of ['', 'http://ARXIV.org/api/query']) {
    process.env.ARXIV_API_ENDPOINT = endpoint;
    await expect(fetched({ pause: 1 })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('arXiv asks for 3 seconds'),
    });
  }
  process.env.ARXIV_API_ENDPOINT = 'export.arxiv.org';
  await expect(fetched()).rejects.toMatchObject({
    message: expect.stringContaining('ARXIV_API_ENDPOINT is "export.arxiv.org"'),
  });
});

it('an output that exists, or cannot be, is refused before anything is asked', async () => {
  writeFileSync(output, 'mine');
  await expect(fetched()).rejects.toMatchObject({
    code: 'BAD_OPTION',
    message: `${output} exists already`,
  });
  await expect(fetched({ output: join(folder, 'no', 'where.jsonl') })).rejects.toMatchObject({
    code: 'IO',
  });
  expect(server.requests).toHaveLength(0);
  expect(readdirSync(folder)).toEqual(['papers.jsonl']);
  await fetched({ force: true });
  expect(lines().length).toBeGreaterThan(0);
});
