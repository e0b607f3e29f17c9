import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import type { FetchOptions } from '../../../src/data/arxiv/options.js';
import { expectedOf, fetched, folder, idsOf, output, server, useArxiv } from './fetched.js';

useArxiv();

/** Stops the fetch when so many requests have been answered. */
async function stopAfter(requests: number, options: Partial<FetchOptions> = {}): Promise<void> {
  const controller = new AbortController();
  server.onRequest = count => {
    if (count === requests + 1) controller.abort();
  };
  await expect(fetched(options, { signal: controller.signal })).rejects.toMatchObject({
    code: 'CANCELLED',
    message: expect.stringContaining(join(folder, '.papers.jsonl.fetch')),
    remedy: 'The same command goes on from there.',
  });
  server.onRequest = () => {};
}

it.each([{}, { via: 'oai', from: '2025-01-01' } as const])(
  'lets a stopped fetch go on where it was (%o)',
  async how => {
    await fetched(how);
    const undisturbed = readFileSync(output);
    rmSync(output);
    const inAll = server.requests.length;
    server.requests.length = server.times.length = 0;
    await stopAfter(2, how);
    expect(existsSync(output)).toBe(false);
    const summary = await fetched(how);
    expect(readFileSync(output).equals(undisturbed)).toBe(true);
    // The third was on its way.
    expect(summary.requests).toBe(inAll - 2);
    expect(existsSync(join(folder, '.papers.jsonl.fetch'))).toBe(false);
  },
);

it('is kept when the server fails for good', async () => {
  server.faults = [undefined, ...Array.from({ length: 8 }, () => ({ status: 503 }))];
  await expect(fetched({ pause: 0 })).rejects.toMatchObject({
    code: 'NETWORK',
    remedy: expect.stringContaining('same command again'),
  });
  const before = server.requests.length;
  await fetched();
  const again = server.requests.slice(before).map(request => request.path);
  expect(again).not.toContain(server.requests[0]!.path);
});

it('of another request is not mixed', async () => {
  await stopAfter(1);
  await expect(fetched({ perCategory: 31, to: '2025-02-01' })).rejects.toMatchObject({
    code: 'BAD_OPTION',
    message: expect.stringContaining('papers per category 30 there, 31 here; to none there, 2025-02-01 here'),
    remedy: expect.stringContaining('rm -r'),
  });
  await fetched({ pageSize: 9 });
  expect(idsOf('cs.AI')).toEqual(expectedOf('cs.AI', 'primary', 30));
});

it('without a page gives way to another command, whatever stopped it', async () => {
  const controller = new AbortController();
  server.onRequest = () => controller.abort();
  await expect(fetched({}, { signal: controller.signal })).rejects.toMatchObject({
    code: 'CANCELLED',
    message: 'the fetch was interrupted before anything arrived',
  });
  server.onRequest = () => {};
  expect(readdirSync(folder)).toEqual([]);
  server.faults = [{ status: 404 }];
  await expect(fetched()).rejects.toMatchObject({ code: 'NETWORK' });
  expect(readdirSync(folder)).toEqual([]);
  // As a kill leaves it.
  mkdirSync(join(folder, '.papers.jsonl.fetch'));
  const header = {
    format: 1,
    begun: '2025-01-01T00:00:00Z',
    request: { via: 'api', categories: ['math.CO'] },
  };
  writeFileSync(join(folder, '.papers.jsonl.fetch/request.json'), JSON.stringify(header));
  await fetched();
  expect(idsOf('cs.AI')).toEqual(expectedOf('cs.AI', 'primary', 30));
});

it('is kept where the server wants to be left alone for longer than anybody waits', async () => {
  server.faults = [undefined, { status: 429, retryAfter: '86400' }];
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  await expect(fetched()).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringMatching(
      new RegExp(`answered 429 Too Many Requests and asks to come back at ${tomorrow}T[\\d:]+Z$`),
    ),
    remedy: expect.stringContaining('same command again then'),
  });
  expect(server.requests).toHaveLength(2);
  await fetched();
  expect(server.requests.filter(({ path }) => path === server.requests[0]!.path)).toHaveLength(1);
  server.faults = [{ status: 503, retryAfter: '9'.repeat(400) }];
  await expect(fetched({ force: true })).rejects.toMatchObject({ code: 'NETWORK' });
});

it('that is damaged is said to be', async () => {
  await stopAfter(2);
  writeFileSync(join(folder, '.papers.jsonl.fetch/page-000001.json'), '{"key": 1');
  await expect(fetched()).rejects.toMatchObject({
    code: 'BAD_INPUT',
    message: expect.stringContaining('page-000001.json: not JSON'),
  });
});

it.each([
  [true, ''],
  [false, ''],
  [true, '.gz'],
])(
  'of a fetch that was killed at its very end (output there: %s%s) needs no request',
  async (isThere, packed) => {
    const file = output + packed;
    const fetchAll = (hooks = {}) => fetched({ perCategory: 1000, output: file }, hooks);
    const journal = join(folder, `.papers.jsonl${packed}.fetch`);
    const copy = join(folder, 'copy');
    // The warning comes when all pages are there.
    const keep = () => existsSync(copy) || cpSync(journal, copy, { recursive: true });
    await fetchAll({ onNote: (line: string) => line.startsWith('warning') && keep() });
    const content = readFileSync(file);
    renameSync(copy, journal);
    const sha256 = createHash('sha256')
      .update(packed ? gunzipSync(content) : content)
      .digest('hex');
    writeFileSync(join(journal, 'done.json'), JSON.stringify({ sha256 }));
    if (!isThere) rmSync(file);
    expect(await fetchAll()).toMatchObject({ requests: 0 });
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(readdirSync(folder)).toEqual([`papers.jsonl${packed}`]);
  },
);

it('is one fetch at a time', async () => {
  const first = fetched({ pause: 0.05 });
  await new Promise(resolve => setTimeout(resolve, 60));
  await expect(fetched()).rejects.toMatchObject({
    code: 'BAD_OPTION',
    message: expect.stringContaining('another fetch is at work'),
  });
  await first;
});

it.each([false, true])('leaves alone what is not its own (a folder: %s)', async isFolder => {
  const place = join(folder, '.papers.jsonl.fetch');
  if (isFolder) mkdirSync(place);
  const precious = isFolder ? join(place, 'thesis.tex') : place;
  writeFileSync(precious, 'mine');
  await expect(fetched()).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining(place) });
  expect(readFileSync(precious, 'utf8')).toBe('mine');
  expect(server.requests).toHaveLength(0);
});
