import { ArxivNativeError } from '../../errors.js';
import { grouped, printable } from '../../util/format.js';
import { IncompleteAnswer } from '../../util/http.js';
import { cleanText, isArxivCategory, type Paper } from '../paper.js';
import { type Ask, arxivPaper, isWithinWindow, type Page, pageOf, type Window } from './page.js';
import { attribute, child, children, type Element, parseXml, textOf } from './xml.js';

/** arXiv answers no request for what lies beyond so many results of one query. */
const MOST_RESULTS = 30_000;

interface ApiPage extends Page {
  /** How many papers match the query in all. */
  total: number;
  /** When the last paper of the page, its oldest, was submitted. */
  oldest?: string | undefined;
}

/**
 * The papers of a category by arXiv's query API, the newest first, page after page until no more are wanted. Beyond the
 * 30,000 results that one query may have, the next asks for what is as old as the last paper, or older.
 */
export async function* apiPages(
  category: string,
  window: Window,
  { endpoint, pageSize, most = MOST_RESULTS }: { endpoint: string; pageSize: number; most?: number },
  ask: Ask,
): AsyncGenerator<Page> {
  let until = minuteAfter(window.until);
  for (;;) {
    let oldest = window.until;
    let start = 0;
    let total: number;
    do {
      const size = Math.min(pageSize, most - start);
      const url = queryUrl(endpoint, category, { from: window.from, until, start, size });
      const page = await ask(`${until} ${start}`, url, text => parsePage(text, start, window));
      yield page;
      total = page.total;
      // Whoever gives a paper twice may leave out another: an overlap costs less than a gap.
      start += page.entries;
      oldest = page.oldest ?? oldest;
    } while (start < total && start < most);
    if (start >= total) return;
    const next = minuteAfter(oldest);
    if (next >= until) throw tooDense(category, most, oldest);
    until = next;
  }
}

function queryUrl(
  endpoint: string,
  category: string,
  { from, until, start, size }: { from: string; until: string; start: number; size: number },
): string {
  const url = new URL(endpoint);
  url.search = new URLSearchParams({
    search_query: `cat:${category} AND submittedDate:[${minute(Date.parse(from))} TO ${until}]`,
    start: String(start),
    max_results: String(size),
    sortBy: 'submittedDate',
    sortOrder: 'descending',
  }).toString();
  return url.href;
}

/** The first whole minute after a time, as the API writes it: a window that ends there leaves out no second. */
function minuteAfter(time: string): string {
  return minute(Date.parse(time) + 60_000);
}

function minute(time: number): string {
  return new Date(time).toISOString().replace(/\D/g, '').slice(0, 12);
}

/** @param start how many results of the query came before */
function parsePage(text: string, start: number, window: Window): ApiPage {
  const feed = parseXml(text, 'feed');
  const entries = children(feed, 'entry');
  refuseError(entries[0]);
  const total = textOf(feed, 'totalResults').trim();
  if (!/^\d+$/.test(total)) throw new IncompleteAnswer('the answer does not say how many results there are');
  // Also where fewer are said to be than came before: a search that failed answers that there is nothing.
  if (entries.length === 0 && start !== Number(total)) {
    throw new IncompleteAnswer(`an empty page after ${grouped(start)} of ${grouped(Number(total))} results`);
  }
  const papers = entries.map(toPaper);
  return {
    ...pageOf(papers, paper => isWithinWindow(paper, window)),
    total: Number(total),
    oldest: papers.findLast(paper => paper !== undefined)?.published,
  };
}

/** The API states an error as a paper of that title. */
function refuseError(entry: Element | undefined): void {
  const isError = textOf(entry, 'id').includes('/api/errors') || textOf(entry, 'title').trim() === 'Error';
  if (!isError || textOf(entry, 'id').includes('/abs/')) return;
  throw new ArxivNativeError(
    'NETWORK',
    `arXiv refuses the query: ${printable(cleanText(textOf(entry, 'summary')))}`,
    {
      remedy:
        'Check categories and dates; if ARXIV_API_ENDPOINT is set, check that it is a mirror of the API.',
    },
  );
}

function toPaper(entry: Element): Paper | undefined {
  const [, id = '', version = ''] = /\/abs\/(.+?)v(\d+)$/.exec(textOf(entry, 'id').trim()) ?? [];
  // Classes of the ACM and MSC stand among the categories.
  const categories = children(entry, 'category')
    .map(each => attribute(each, 'term'))
    .filter(isArxivCategory);
  const primary = attribute(child(entry, 'primary_category'), 'term');
  return arxivPaper({
    id,
    version,
    title: textOf(entry, 'title'),
    abstract: textOf(entry, 'summary'),
    categories: primary === '' ? categories : [primary, ...categories],
    published: textOf(entry, 'published'),
    updated: textOf(entry, 'updated'),
    doi: textOf(entry, 'doi'),
    comment: textOf(entry, 'comment'),
  });
}

function tooDense(category: string, most: number, time: string): ArxivNativeError {
  return new ArxivNativeError(
    'NETWORK',
    `${category}: more than ${grouped(most)} papers in the minute of ${time}, which the API cannot list`,
    { remedy: 'Take --via oai, or leave that day out with --from and --to.' },
  );
}
