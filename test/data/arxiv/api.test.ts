import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { apiPages } from '../../../src/data/arxiv/api.js';
import type { Ask } from '../../../src/data/arxiv/page.js';
import { requestText } from '../../../src/util/http.js';
import {
  asked,
  CATEGORIES,
  expectedOf,
  fetched,
  folder,
  idsOf,
  lines,
  output,
  server,
  useArxiv,
} from './fetched.js';
import type { ArxivRecord } from './server.js';

useArxiv();

it.each(['primary', 'any'] as const)('fetches the newest papers, counting %s ones', async count => {
  const summary = await fetched({ count });
  for (const category of CATEGORIES) {
    expect(idsOf(category)).toEqual(expectedOf(category, count, 30));
  }
  const ids = lines().map(paper => paper.id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(summary).toMatchObject({ papers: ids.length, retries: 0, requests: server.requests.length });
  expect(summary.categories.map(each => each.papers)).toEqual([30, 30]);
  const times = lines().map(paper => paper.published as string);
  expect(times).toEqual([...times].sort().reverse());
  expect(readdirSync(folder)).toEqual(['papers.jsonl']);
});

it('keeps what arXiv says of a paper', async () => {
  await fetched();
  for (const line of lines()) {
    const record = server.papers.find(paper => paper.id === line.id)!;
    const { id, version, categories, published, updated, doi, comment } = record;
    expect(line).toMatchObject({
      id,
      version,
      published,
      updated,
      ...(doi && { doi }),
      ...(comment && { comment }),
    });
    expect(line.title).toBe(record.title.replace(/\s+/g, ' '));
    expect(line.abstract).toBe(record.abstract.replace(/\s+/g, ' '));
    const found = line.categories as string[];
    expect(found[0]).toBe(categories[0]);
    expect([...found].sort()).toEqual([...categories].sort());
  }
});

it('asks as arXiv wants to be asked', async () => {
  await fetched({ from: '2025-01-10', to: '2025-02-10' });
  const [first] = asked();
  expect(Object.fromEntries(first!)).toEqual({
    search_query: 'cat:cs.AI AND submittedDate:[202501100000 TO 202502110000]',
    start: '0',
    max_results: '20',
    sortBy: 'submittedDate',
    sortOrder: 'descending',
  });
  for (const [i, time] of server.times.entries()) {
    const before = server.times[i - 1];
    if (before) expect(time.begin).toBeGreaterThan(before.end);
  }
});

it('pauses between an answer and the next request', async () => {
  await fetched({ perCategory: 10, pause: 0.12, pageSize: 6 });
  const gaps = server.times.slice(1).map((time, i) => time.begin - server.times[i]!.end);
  expect(gaps.length).toBeGreaterThan(2);
  expect(Math.min(...gaps)).toBeGreaterThan(115);
});

it('keeps to the dates, both days included', async () => {
  const at = (id: string, published: string): ArxivRecord => ({
    ...server.papers[0]!,
    id,
    categories: ['cs.AI'],
    published,
  });
  server.papers = [
    at('2501.1', '2025-01-09T23:59:59Z'),
    at('2501.2', '2025-01-10T00:00:00Z'),
    at('2501.3', '2025-02-10T23:59:59Z'),
    at('2501.4', '2025-02-11T00:00:00Z'),
  ];
  await fetched({ categories: ['cs.AI'], from: '2025-01-10', to: '2025-02-10' });
  expect(lines().map(paper => paper.id)).toEqual(['2501.3', '2501.2']);
});

it('gives the same file whatever the size of the pages', async () => {
  await fetched({ pageSize: 7 });
  const small = readFileSync(output);
  await fetched({ pageSize: 2000, force: true });
  expect(readFileSync(output).equals(small)).toBe(true);
});

it('mends empty, cut, truncated and foreign answers by asking again', async () => {
  await fetched();
  const undisturbed = readFileSync(output);
  rmSync(output);
  server.faults = [
    'empty',
    undefined,
    'nothing',
    'truncated',
    'cut',
    'html',
    'doctype',
    undefined,
    { status: 500 },
  ];
  const notes: string[] = [];
  const summary = await fetched({}, { onNote: (line: string) => notes.push(line) });
  expect(summary.retries).toBe(7);
  expect(readFileSync(output).equals(undisturbed)).toBe(true);
  expect(notes.join('\n')).toMatch(/an empty page after 0 of \d+ results; again in/);
  expect(notes).toContain(`${server.api} answered 500 Internal Server Error; again in 1 s`);
});

it('loses nothing where entries come twice', async () => {
  await fetched();
  const undisturbed = readFileSync(output);
  rmSync(output);
  server.faults = ['all twice'];
  expect((await fetched()).duplicates).toBeGreaterThanOrEqual(20);
  expect(readFileSync(output).equals(undisturbed)).toBe(true);
});

it('leaves out an entry that is not whole, and counts it', async () => {
  server.faults = ['partial'];
  expect(await fetched({ categories: ['cs.AI'] })).toMatchObject({ partial: 1 });
  expect(idsOf('cs.AI')).not.toContain(expectedOf('cs.AI', 'any', 1)[0]);
});

it.each([() => '1', () => new Date(Date.now() + 2000).toUTCString()])(
  'waits as long as the server asks (%#)',
  async retryAfter => {
    server.faults = [{ status: 503, retryAfter: retryAfter() }];
    await fetched({ perCategory: 5 });
    expect(server.times[1]!.begin - server.times[0]!.end).toBeGreaterThan(990);
  },
);

it('takes the newer of two versions, and unites their queries', async () => {
  const paper = server.papers.find(
    each => each.categories[0] === 'cs.AI' && each.categories.includes('cs.LG'),
  )!;
  paper.published = paper.updated = '2025-03-01T00:00:00Z';
  const version = paper.version;
  server.onRequest = count => {
    if (count === 3) Object.assign(paper, { version: version + 1, title: 'Better' });
  };
  await fetched();
  expect(lines()[0]).toMatchObject({
    id: paper.id,
    version: version + 1,
    title: 'Better',
    queries: ['cs.AI', 'cs.LG'],
  });
});

it('goes on with an older window where one query has no more results', async () => {
  const seen: string[] = [];
  const ask: Ask = async (key, url, parse) => {
    seen.push(key);
    return parse(await requestText(url));
  };
  const window = { from: '1991-01-01T00:00:00Z', until: '2025-12-31T00:00:00Z' };
  const ids = new Set<string>();
  let entries = 0;
  for await (const page of apiPages('cs.AI', window, { endpoint: server.api, pageSize: 20, most: 30 }, ask)) {
    for (const paper of page.papers) ids.add(paper.id);
    entries += page.entries;
  }
  expect([...ids]).toEqual(expectedOf('cs.AI', 'any', 1e6));
  expect(entries).toBeGreaterThan(ids.size);
  expect(new Set(seen.map(key => key.split(' ')[0])).size).toBeGreaterThan(2);
  expect(seen).toContain('202512310001 20');
  expect(asked().every(query => Number(query.get('start')) + Number(query.get('max_results')) <= 30)).toBe(
    true,
  );
});

it('does not run in a circle where a minute has more papers than one query may list', async () => {
  for (const paper of server.papers) paper.published = '2025-01-01T00:00:30Z';
  const ask: Ask = async (_key, url, parse) => parse(await requestText(url));
  const window = { from: '1991-01-01T00:00:00Z', until: '2025-12-31T00:00:00Z' };
  const pages = apiPages('cs.AI', window, { endpoint: server.api, pageSize: 20, most: 30 }, ask);
  await expect(
    (async () => {
      for await (const _ of pages);
    })(),
  ).rejects.toMatchObject({ code: 'NETWORK', message: expect.stringContaining('more than 30 papers') });
});

it('keeps what there is where fewer exist, and says so', async () => {
  const notes: string[] = [];
  const summary = await fetched(
    { perCategory: 1000, categories: ['cs.AI'] },
    { onNote: (line: string) => notes.push(line) },
  );
  expect(summary.papers).toBe(expectedOf('cs.AI', 'any', 1e6).length);
  expect(notes).toContainEqual(
    expect.stringMatching(/^warning: cs\.AI: there are only \d+ of 1,000 papers$/),
  );
});

it('is refused where nothing at all is found', async () => {
  await expect(fetched({ from: '2024-01-01', to: '2024-01-02' })).rejects.toMatchObject({
    code: 'BAD_OPTION',
    message: 'there is no paper of cs.AI, cs.LG from 2024-01-01T00:00:00Z to 2024-01-02T23:59:59Z',
  });
  expect(readdirSync(folder)).toEqual([]);
});

it('says what arXiv says of a bad query', async () => {
  server.faults = ['refused'];
  const refused = { code: 'NETWORK', message: 'arXiv refuses the query: incorrect query' };
  await expect(fetched()).rejects.toMatchObject(refused);
  server.faults = [{ status: 400, body: 'no such field' }];
  await expect(fetched()).rejects.toMatchObject({
    message: expect.stringMatching(/answered 400 Bad Request \(no such field\)/),
  });
});
