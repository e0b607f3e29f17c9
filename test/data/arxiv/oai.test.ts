import { readFileSync, rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { asked, expectedOf, fetched, idsOf, lines, output, server, useArxiv } from './fetched.js';

useArxiv();

const OAI = { via: 'oai', from: '2025-01-01', to: '2025-02-28' } as const;

it('gives the same file as the API', async () => {
  await fetched({ from: OAI.from, to: OAI.to });
  const byApi = lines();
  rmSync(output);
  server.requests.length = 0;
  await fetched(OAI);
  // The API does not tell in which order the cross-lists stand.
  const sorted = (paper: Record<string, unknown>) => ({
    ...paper,
    categories: [...(paper.categories as string[])].sort(),
  });
  expect(lines().map(sorted)).toEqual(byApi.map(sorted));
  expect(Object.fromEntries(asked()[0]!)).toEqual({
    verb: 'ListRecords',
    metadataPrefix: 'arXivRaw',
    set: 'cs:cs:AI',
    from: '2025-01-01',
  });
  expect(Object.keys(Object.fromEntries(asked()[1]!))).toEqual(['verb', 'resumptionToken']);
});

it('begins a list anew when its token has expired, and loses nothing', async () => {
  await fetched(OAI);
  const undisturbed = readFileSync(output);
  rmSync(output);
  server.faults = [undefined, undefined, 'expired', undefined, 'all twice'];
  expect((await fetched(OAI)).duplicates).toBeGreaterThan(40);
  expect(readFileSync(output).equals(undisturbed)).toBe(true);
});

it('gives up on a server that knows none of its tokens', async () => {
  const expired = Array.from({ length: 20 }, (_, i) => (i % 2 === 1 ? ('expired' as const) : undefined));
  server.faults = expired;
  await expect(fetched(OAI)).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringContaining('no end'),
  });
});

it('asks for no change before the first that arXiv tells', async () => {
  await fetched({ ...OAI, from: '1991-08-14' });
  expect(asked()[0]!.get('from')).toBe('2005-09-16');
});

it('passes over deleted records and empty lists', async () => {
  const gone = server.papers.filter(paper => paper.categories.includes('cs.AI')).slice(0, 5);
  for (const paper of gone) paper.deleted = true;
  await fetched({ ...OAI, categories: ['cs.AI', 'math.CO'] });
  const left = server.papers.filter(paper => !paper.deleted);
  expect(idsOf('cs.AI')).toEqual(expectedOf('cs.AI', 'primary', 30, left));
});

it('says what the server says of a bad request', async () => {
  server.faults = ['refused'];
  await expect(fetched(OAI)).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringContaining('badArgument: no such set'),
  });
});
