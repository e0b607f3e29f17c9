import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../../../src/util/random.js';
import { listen, type TestServer } from '../../util/file-server.js';

/** A paper as arXiv has it. */
export interface ArxivRecord {
  id: string;
  version: number;
  title: string;
  abstract: string;
  categories: string[];
  published: string;
  updated: string;
  doi?: string;
  comment?: string;
  deleted?: boolean;
}

/** What goes wrong with one request. */
export type Fault =
  | 'empty'
  | 'nothing'
  | 'truncated'
  | 'cut'
  | 'html'
  | 'refused'
  | 'expired'
  | 'all twice'
  | 'doctype'
  | 'partial'
  | { status: number; retryAfter?: string; body?: string };

export interface ArxivServer extends TestServer {
  api: string;
  oai: string;
  papers: ArxivRecord[];
  /** What the next requests get in place of the truth, or `undefined` for the truth; may be added to at any time. */
  faults: (Fault | undefined)[];
  /** Begin and end of each answer, by performance.now(). */
  times: { begin: number; end: number }[];
  /** Called before each answer. */
  onRequest: (count: number) => void | Promise<void>;
  /** Pages of OAI-PMH. */
  pageSize: number;
}

/** Speaks arXiv's query API at /api/query and OAI-PMH at /oai, from records that a test may change. */
export async function arxivServer(papers: ArxivRecord[]): Promise<ArxivServer> {
  const server = await listen((request, response) => {
    void answer(new URL(request.url!, server.url), response);
  });
  const own = Object.assign(server, {
    api: `${server.url}/api/query`,
    oai: `${server.url}/oai`,
    papers,
    faults: [],
    times: [],
    onRequest: () => {},
    pageSize: 25,
  }) as ArxivServer;

  async function answer(url: URL, response: ServerResponse): Promise<void> {
    const time = { begin: performance.now(), end: Number.POSITIVE_INFINITY };
    own.times.push(time);
    response.on('close', () => {
      time.end = performance.now();
    });
    await own.onRequest(own.times.length);
    // At once: a request whose sender has gone takes no fault that is meant for the next.
    const fault = own.faults.shift();
    await sleep(5);
    const isApi = url.pathname === '/api/query';
    if (typeof fault === 'object') {
      if (fault.retryAfter) response.setHeader('retry-after', fault.retryAfter);
      response.writeHead(fault.status).end(fault.body ?? 'busy');
      return;
    }
    const xml = isApi ? feed(own, url.searchParams, fault) : records(own, url.searchParams, fault);
    response.setHeader('content-type', 'application/xml');
    if (fault === 'cut') {
      response.setHeader('content-length', Buffer.byteLength(xml));
      response.write(xml.slice(0, xml.length / 2));
      setTimeout(() => response.destroy(), 20);
    } else if (fault === 'truncated') response.end(xml.slice(0, xml.length / 2));
    else if (fault === 'html') response.end('<html><body>Rate exceeded.</body></html>');
    else if (fault === 'doctype')
      response.end(xml.replace('?>', '?><!DOCTYPE feed [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'));
    else response.end(xml);
  }
  return own;
}

const escaped = (text: string) =>
  text.replace(/[&<>é]/g, c => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', é: '&#233;' })[c]!);

function newestFirst(a: ArxivRecord, b: ArxivRecord): number {
  if (a.published !== b.published) return a.published < b.published ? 1 : -1;
  return a.id < b.id ? 1 : -1;
}

function feed({ papers }: ArxivServer, query: URLSearchParams, fault: Fault | undefined): string {
  const search = query.get('search_query') ?? '';
  const match = /^cat:(\S+) AND submittedDate:\[(\d{12}) TO (\d{12})\]$/.exec(search);
  if (match === null || fault === 'refused') {
    return atom(
      1,
      '<entry><id>https://arxiv.org/api/errors#x</id><title>Error</title><summary>incorrect query</summary></entry>',
    );
  }
  const [, category = '', from = '', to = ''] = match;
  const found = papers
    // As a time of the index has no seconds, the end of a window leaves out what came in the minute.
    .filter(
      p =>
        p.categories.includes(category) &&
        digits(p.published) >= `${from}00` &&
        digits(p.published) <= `${to}00`,
    )
    .sort(newestFirst);
  const start = Number(query.get('start'));
  let page = found.slice(start, start + Number(query.get('max_results')));
  if (fault === 'empty') page = [];
  if (fault === 'nothing') return atom(0, '');
  const entries = page.map(paper => entry(paper, fault === 'partial' && paper === page[0]));
  return atom(found.length, (fault === 'all twice' ? [...entries, ...entries] : entries).join(''));
}

const digits = (time: string) => time.replace(/\D/g, '');

function atom(total: number, entries: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" xmlns:arxiv="http://arxiv.org/schemas/atom">
<title>query</title><opensearch:totalResults>${total}</opensearch:totalResults>${entries}</feed>`;
}

function entry(paper: ArxivRecord, partial: boolean): string {
  const { id, version, title, abstract, categories, published, updated, doi, comment } = paper;
  // The API lists the categories in the order of the alphabet.
  const terms = [...categories, 'I.2.6'].sort();
  return `<entry>
  <id>http://arxiv.org/abs/${id}v${version}</id>
  <updated>${updated}</updated>${partial ? '' : `<published>${published}</published>`}
  <title>${escaped(title)}</title><summary>\n  ${escaped(abstract)}\n</summary>
  <author><name>Ada B. C&apos;s</name></author>
  <link title="doi" href="https://doi.org/${doi}" rel="related"/>
  ${doi ? `<arxiv:doi>${doi}</arxiv:doi>` : ''}${comment ? `<arxiv:comment>${escaped(comment)}</arxiv:comment>` : ''}
  <arxiv:primary_category term="${categories[0]}" scheme="http://arxiv.org/schemas/atom"/>
  ${terms.map(term => `<category term="${term}" scheme="http://arxiv.org/schemas/atom"/>`).join('')}
</entry>`;
}

/** Tokens state the set, the first day and how many records came before, as arXiv's do. */
function records(
  { papers, pageSize }: ArxivServer,
  query: URLSearchParams,
  fault: Fault | undefined,
): string {
  const token = query.get('resumptionToken');
  if (token !== null && fault === 'expired') return oai('<error code="badResumptionToken">expired</error>');
  if (fault === 'refused') return oai('<error code="badArgument">no such set</error>');
  const { set, from, skip } = Object.fromEntries(
    token === null ? [...query, ['skip', '0']] : new URLSearchParams(token),
  ) as Record<string, string>;
  const category = set!.split(':').slice(1).join('.');
  const found = papers
    .filter(paper => paper.categories.includes(category) && paper.updated.slice(0, 10) >= from!)
    .sort((a, b) => (a.updated < b.updated ? -1 : 1));
  if (found.length === 0) return oai('<error code="noRecordsMatch"/>');
  const start = Number(skip);
  const page = found.slice(start, start + pageSize).map(record);
  const next = new URLSearchParams({ set: set!, from: from!, skip: String(start + pageSize) });
  const more = start + pageSize < found.length ? escaped(String(next)) : '';
  const list = (fault === 'all twice' ? [...page, ...page] : page).join('');
  return oai(
    `<ListRecords>${list}<resumptionToken expirationDate="2030-01-01T00:00:00Z">${more}</resumptionToken></ListRecords>`,
  );
}

function oai(content: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-01-01T00:00:00Z</responseDate>
<request verb="ListRecords">x</request>${content}</OAI-PMH>`;
}

function record(paper: ArxivRecord): string {
  const { id, version, title, abstract, categories, published, updated, doi, comment, deleted } = paper;
  const header = `<identifier>oai:arXiv.org:${id}</identifier><datestamp>${updated.slice(0, 10)}</datestamp>`;
  if (deleted) return `<record><header status="deleted">${header}</header></record>`;
  const date = (time: string) => new Date(time).toUTCString();
  const versions = Array.from({ length: version }, (_, i) => i + 1).map(
    n =>
      `<version version="v${n}"><date>${date(n === 1 ? published : updated)}</date><size>1kb</size></version>`,
  );
  return `<record><header>${header}</header><metadata>
<arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>${id}</id><submitter>x</submitter>${versions.join('')}
<title>${escaped(title)}</title><authors>x</authors><categories>${categories.join(' ')}</categories>
${comment ? `<comments>${escaped(comment)}</comments>` : ''}${doi ? `<doi>${doi}</doi>` : ''}
<license>x</license><abstract>  ${escaped(abstract)}\n</abstract></arXivRaw></metadata></record>`;
}

/** Papers of cs.AI, cs.CL and cs.LG of January and February 2025, a third of them cross-listed, in no order. */
export function someRecords(count: number): ArxivRecord[] {
  const random = seededRandom('arxiv');
  const names = ['cs.AI', 'cs.CL', 'cs.LG'];
  const start = Date.parse('2025-01-01T00:00:00Z');
  const iso = (time: number) => new Date(time).toISOString().replace('.000Z', 'Z');
  return Array.from({ length: count }, (_, i) => {
    const primary = names[Math.floor(random() * 3)]!;
    const other = names[Math.floor(random() * 3)]!;
    const crossed = random() < 0.33 && other !== primary;
    // Now and then two in the same second.
    const published = start + 1000 * Math.floor(random() * 59 * 86_400);
    const version = 1 + Math.floor(random() * 3);
    return {
      id: `2501.${String(i).padStart(5, '0')}`,
      version,
      title: `On  <i>caf&é</i>, ${i}\n  of many`,
      abstract: `We show that a < b & b > c.\nTerm ${Math.floor(random() * 1e6)}`,
      categories: crossed ? [primary, other, 'stat.ML'] : [primary],
      published: iso(published),
      updated: iso(version === 1 ? published : published + 86_400_000 * Math.ceil(90 * random())),
      ...(i % 3 === 0 && { doi: `10.1000/x.${i}` }),
      ...(i % 4 === 0 && { comment: `${i} pages & more` }),
    };
  });
}
