import { ArxivNativeError } from '../../errors.js';
import { printable } from '../../util/format.js';
import { IncompleteAnswer } from '../../util/http.js';
import type { Paper } from '../paper.js';
import { oaiSet } from './categories.js';
import { type Ask, arxivPaper, isWithinWindow, type Page, pageOf, type Window } from './page.js';
import { attribute, child, children, type Element, parseXml, textOf } from './xml.js';

/** The first day of a change that arXiv tells; those before it are all told as of that day. */
const FIRST_CHANGE = '2005-09-16';
/** How often in a row a list may begin anew because the server no longer knows its own token. */
const MOST_RESTARTS = 3;

const EMPTY: Page = { papers: [], entries: 0, partial: 0 };

export interface OaiPage extends Page {
  /** Where the next page is; absent on the last. */
  token?: string | undefined;
  /** The length of the whole list, where the server tells it. */
  listSize?: number | undefined;
  /** The token that was asked with has no meaning any more. */
  expired?: boolean | undefined;
}

/**
 * The papers of a category by OAI-PMH, in the order of their last change. The list begins with what was changed on the
 * window's first day: a paper is never changed before it is submitted. It has no end, since one of the window may have
 * been changed until today.
 */
export async function* oaiPages(
  category: string,
  window: Window,
  { endpoint }: { endpoint: string },
  ask: Ask,
): AsyncGenerator<OaiPage> {
  const parse = (text: string) => parsePage(text, category, window);
  let token: string | undefined;
  for (let restarts = 0; ; ) {
    const page: OaiPage = await ask(token ?? '', listUrl(endpoint, category, window.from, token), parse);
    if (page.expired) {
      if (token === undefined || ++restarts > MOST_RESTARTS) {
        throw unusable(`it gives ${category}'s list no end: each resumption token is said to be invalid`);
      }
      token = undefined;
      continue;
    }
    yield page;
    if (page.token === undefined) return;
    if (page.token === token) throw unusable(`it gives the same page of ${category} again and again`);
    if (token !== undefined) restarts = 0;
    token = page.token;
  }
}

function listUrl(endpoint: string, category: string, from: string, token: string | undefined): string {
  const day = from.slice(0, 10);
  const url = new URL(endpoint);
  url.search = new URLSearchParams({
    verb: 'ListRecords',
    ...(token === undefined
      ? { metadataPrefix: 'arXivRaw', set: oaiSet(category), from: day > FIRST_CHANGE ? day : FIRST_CHANGE }
      : { resumptionToken: token }),
  }).toString();
  return url.href;
}

function parsePage(text: string, category: string, window: Window): OaiPage {
  const root = parseXml(text, 'OAI-PMH');
  const error = child(root, 'error');
  if (error !== undefined) {
    const code = attribute(error, 'code');
    if (code === 'noRecordsMatch') return EMPTY;
    if (code === 'badResumptionToken') return { ...EMPTY, expired: true };
    throw unusable(`${code || 'an error'}: ${printable(String(error['#text']))}`);
  }
  const list = child(root, 'ListRecords');
  if (list === undefined) throw new IncompleteAnswer('the answer has no <ListRecords>');
  const records = children(list, 'record').filter(
    record => attribute(child(record, 'header'), 'status') !== 'deleted',
  );
  const token = textOf(list, 'resumptionToken').trim();
  const size = attribute(child(list, 'resumptionToken'), 'completeListSize');
  return {
    ...pageOf(
      records.map(toPaper),
      paper => paper.categories.includes(category) && isWithinWindow(paper, window),
    ),
    ...(token !== '' && { token }),
    ...(/^\d+$/.test(size) && { listSize: Number(size) }),
  };
}

function toPaper(record: Element): Paper | undefined {
  const raw = child(child(record, 'metadata'), 'arXivRaw');
  const versions = children(raw, 'version')
    .map(each => ({ number: attribute(each, 'version').replace(/^v/, ''), date: textOf(each, 'date') }))
    .sort((a, b) => Number(a.number) - Number(b.number));
  const [first, last] = [versions.at(0), versions.at(-1)];
  return arxivPaper({
    id: textOf(raw, 'id').trim(),
    version: last?.number ?? '',
    title: textOf(raw, 'title'),
    abstract: textOf(raw, 'abstract'),
    categories: textOf(raw, 'categories').split(/\s+/).filter(Boolean),
    published: first?.date ?? '',
    updated: last?.date ?? '',
    doi: textOf(raw, 'doi'),
    comment: textOf(raw, 'comments'),
  });
}

function unusable(what: string): ArxivNativeError {
  return new ArxivNativeError('NETWORK', `arXiv's OAI-PMH interface is of no use: ${what}`, {
    remedy: 'Run the same command again later; if ARXIV_OAI_ENDPOINT is set, check that it is a mirror.',
  });
}
