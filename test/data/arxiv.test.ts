import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { apiPages } from '../../src/data/arxiv/api.js';
import { checkCategory, oaiSet } from '../../src/data/arxiv/categories.js';
import { fetchPapers } from '../../src/data/arxiv/fetch.js';
import { Newest } from '../../src/data/arxiv/newest.js';
import type { FetchOptions } from '../../src/data/arxiv/options.js';
import type { Ask } from '../../src/data/arxiv/page.js';
import { children, parseXml, textOf } from '../../src/data/arxiv/xml.js';
import type { Paper } from '../../src/data/paper.js';
import { requestText } from '../../src/util/http.js';
import { type ArxivRecord, type ArxivServer, arxivServer, someRecords } from './arxiv-server.js';

let folder: string;
let output: string;
let server: ArxivServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fetch-'));
  output = join(folder, 'papers.jsonl');
  server = await arxivServer(someRecords(200));
  process.env.ARXIV_API_ENDPOINT = server.api;
  process.env.ARXIV_OAI_ENDPOINT = server.oai;
});

afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
  delete process.env.ARXIV_API_ENDPOINT;
  delete process.env.ARXIV_OAI_ENDPOINT;
});

const BASE = { categories: ['cs.AI', 'cs.LG'], perCategory: 30, pageSize: 20, pause: 0.002 };

function fetched(options: Partial<FetchOptions> = {}, hooks = {}) {
  return fetchPapers({ ...BASE, output, ...options }, hooks);
}

function lines(file = output): Record<string, unknown>[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
}

/** What a list of the category holds down to the last paper that counts, from the records themselves. */
function expectedOf(
  category: string,
  count: 'primary' | 'any',
  n: number,
  records = server.papers,
): string[] {
  const list = records
    .filter(paper => paper.categories.includes(category))
    .sort((a, b) =>
      a.published === b.published ? (a.id < b.id ? 1 : -1) : a.published < b.published ? 1 : -1,
    );
  const counts = list.filter(paper => count === 'any' || paper.categories[0] === category);
  const last = counts[n - 1];
  return list.slice(0, last === undefined ? undefined : list.indexOf(last) + 1).map(paper => paper.id);
}

const idsOf = (category: string) =>
  lines()
    .filter(paper => (paper.queries as string[]).includes(category))
    .map(paper => paper.id);

const asked = () => server.requests.map(({ path }) => new URL(path, server.url).searchParams);

describe('by the API', () => {
  it.each(['primary', 'any'] as const)('fetches the newest papers, counting %s ones', async count => {
    const summary = await fetched({ count });
    for (const category of BASE.categories) {
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
    server.faults = ['empty', undefined, 'truncated', 'cut', 'html', 'doctype', undefined, { status: 500 }];
    const notes: string[] = [];
    const summary = await fetched({}, { onNote: (line: string) => notes.push(line) });
    expect(summary.retries).toBe(6);
    expect(readFileSync(output).equals(undisturbed)).toBe(true);
    expect(notes.join('\n')).toMatch(/an empty page after 0 of \d+ results; again in/);
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

  it('waits as long as the server asks', async () => {
    server.faults = [{ status: 503, retryAfter: '1' }];
    await fetched({ perCategory: 5 });
    expect(server.times[1]!.begin - server.times[0]!.end).toBeGreaterThan(990);
  });

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
    for await (const page of apiPages(
      'cs.AI',
      window,
      { endpoint: server.api, pageSize: 20, most: 30 },
      ask,
    )) {
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
      expect.stringMatching(/^warning: cs\.AI: there are only \d+ of 1000 papers$/),
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
});

describe('by OAI-PMH', () => {
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
});

describe('the journal', () => {
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
    server.faults = [
      undefined,
      ...Array<undefined>(0),
      ...Array.from({ length: 8 }, () => ({ status: 503 })),
    ];
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
      message: expect.stringContaining(
        'papers per category 30 there, 31 here; to none there, 2025-02-01 here',
      ),
      remedy: expect.stringContaining('rm -r'),
    });
    await fetched({ pageSize: 9 });
    expect(idsOf('cs.AI')).toEqual(expectedOf('cs.AI', 'primary', 30));
  });

  it('that is damaged is said to be', async () => {
    await stopAfter(2);
    writeFileSync(join(folder, '.papers.jsonl.fetch/page-000001.json'), '{"key": 1');
    await expect(fetched()).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('page-000001.json: not JSON'),
    });
  });

  it.each([true, false])(
    'of a fetch that was killed at its very end (output there: %s) needs no request',
    async isThere => {
      const journal = join(folder, '.papers.jsonl.fetch');
      const copy = join(folder, 'copy');
      // The warning comes when all pages are there.
      const keep = () => existsSync(copy) || cpSync(journal, copy, { recursive: true });
      await fetched(
        { perCategory: 1000 },
        { onNote: (line: string) => line.startsWith('warning') && keep() },
      );
      const content = readFileSync(output);
      renameSync(copy, journal);
      const sha256 = createHash('sha256').update(content).digest('hex');
      writeFileSync(join(journal, 'done.json'), JSON.stringify({ sha256 }));
      if (!isThere) rmSync(output);
      expect(await fetched({ perCategory: 1000 })).toMatchObject({ requests: 0 });
      expect(readFileSync(output).equals(content)).toBe(true);
      expect(readdirSync(folder)).toEqual(['papers.jsonl']);
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
});

describe('the options', () => {
  it.each([
    [{ categories: ['cs.ai'] }, '"cs.ai" is no category', 'Did you mean "cs.AI"?'],
    [{ categories: ['cs'] }, '"cs" is no category', 'look like cs.AI'],
    [{ categories: [] }, '"categories" is empty', ''],
    [{ categories: 'cs.AI' as never }, 'must be an array', ''],
    [{ perCategory: 0 }, '"perCategory" must be a whole number above 0, not 0', ''],
    [{ perCategory: Number.NaN }, 'not NaN', ''],
    [{ pageSize: 2001 }, '"pageSize" must be at most 2000', ''],
    [{ from: '2025-02-30' }, '2025-02-30', ''],
    [{ from: '2025-02-02', to: '2025-02-01' }, 'comes after', ''],
    [{ from: '2999-01-01' }, 'lies in the future', ''],
    [{ via: 'oai' as const }, 'cannot sort by submission', '--from'],
    [{ via: 'rss' as never }, '"via" must be api or oai', ''],
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
});

describe('parts', () => {
  it("names OAI-PMH's sets", () => {
    const sets = ['cs.AI', 'hep-th', 'astro-ph.GA', 'physics.flu-dyn', 'nlin.AO', 'q-bio.BM'].map(oaiSet);
    expect(sets).toEqual([
      'cs:cs:AI',
      'physics:hep-th',
      'physics:astro-ph:GA',
      'physics:physics:flu-dyn',
      'physics:nlin:AO',
      'q-bio:q-bio:BM',
    ]);
    for (const name of ['cs.AI', 'hep-th', 'cond-mat', 'cond-mat.mtrl-sci', 'astro-ph']) checkCategory(name);
    for (const name of ['', 'cs.', 'hep-th.AB', '__proto__', 'cs.AI ', 'cs.AI OR cat:x']) {
      expect(() => checkCategory(name)).toThrow('is no category');
    }
  });

  it('reads references to characters once, and lets nothing expand', () => {
    const root = parseXml('<r><t>a &lt; b &amp;lt; &#233; &#x1D400; 007</t></r>', 'r');
    expect(textOf(root, 't')).toBe('a < b &lt; é 𝐀 007');
    const many = parseXml(`<r>${`<t>${'&lt;'.repeat(500)}</t>`.repeat(500)}</r>`, 'r');
    expect(textOf({ t: children(many, 't').at(-1)! }, 't')).toBe('<'.repeat(500));
    const bomb = '<!DOCTYPE r [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;">]><r>&b;</r>';
    expect(() => parseXml(bomb, 'r')).toThrow('DOCTYPE');
    for (const text of ['', 'Rate exceeded.', '<r><t>', '<r></t></r>', '<s/>']) {
      expect(() => parseXml(text, 'r')).toThrow(/the answer/);
    }
  });

  it('keeps no more papers than it may need', () => {
    const newest = new Newest(['cs.AI'], 10, 'any');
    const paper = (i: number): Paper => ({
      id: String(i),
      version: 1,
      title: 'x',
      abstract: 'x',
      categories: ['cs.AI'],
      label: 'cs.AI',
      published: new Date(i * 1000).toISOString(),
      line: 0,
    });
    let most = 0;
    for (let i = 0; i < 20_000; i++) {
      newest.add('cs.AI', [paper((i * 7919) % 20_000)]);
      most = Math.max(most, (newest as unknown as { papers: Map<string, Paper> }).papers.size);
    }
    expect(newest.result().papers.map(each => Number(each.id))).toEqual(
      [...Array(10).keys()].map(i => 19_999 - i),
    );
    expect(most).toBeLessThan(1100);
  });
});
