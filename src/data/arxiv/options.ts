import { ArxivNativeError } from '../../errors.js';
import { ARXIV, ARXIV_API, ARXIV_OAI } from '../../util/hosts.js';
import { checkChoice, checkOptions, checkWhole, show } from '../../util/options.js';
import { checkDateRange } from '../dates.js';
import { checkCategory } from './categories.js';

export interface FetchOptions {
  /** arXiv's categories, e.g. `['cs.AI', 'cs.CL']`. */
  categories: readonly string[];
  /** How many papers of each category, the newest ones; 3,000 if absent. */
  perCategory?: number | undefined;
  /** Days of first submission (GMT) as `2025-06-30`, both included. Without `to`, up to the moment of the call. */
  from?: string | undefined;
  to?: string | undefined;
  /**
   * Which papers `perCategory` counts: those whose primary category it is (default), or any that carries it. What else
   * the category's list holds down to the last paper counted, its cross-lists, is kept in either case.
   */
  count?: 'primary' | 'any' | undefined;
  /** arXiv's query API (default), or OAI-PMH, which is for whole years and needs `from`. */
  via?: 'api' | 'oai' | undefined;
  /** The file of JSON lines to write. */
  output: string;
  /** Replace `output` if it exists. */
  force?: boolean | undefined;
  /** Papers a request of the API, at most 2,000; 1,000 if absent. The result does not depend on it. */
  pageSize?: number | undefined;
  /** Seconds between an answer and the next request; 3, which is also the least for arXiv's own hosts. */
  pause?: number | undefined;
}

/** What is asked for, as the journal keeps it: two fetches that agree in it may share their pages. */
export interface FetchRequest {
  via: 'api' | 'oai';
  categories: string[];
  perCategory: number;
  count: 'primary' | 'any';
  from?: string | undefined;
  to?: string | undefined;
}

/** How it is asked for. */
export interface Manners {
  endpoint: string;
  pauseMs: number;
  pageSize: number;
}

const LARGEST_PAGE = 2000;
/** arXiv's terms of use: one request every three seconds. */
const LEAST_PAUSE = 3;

/** @throws BAD_OPTION for what makes no sense, before anything is asked */
export function checkFetchOptions(options: FetchOptions): { request: FetchRequest; manners: Manners } {
  checkOptions(
    options,
    {
      categories: 'any',
      perCategory: 'number',
      from: 'string',
      to: 'string',
      count: 'string',
      via: 'string',
      output: 'string',
      force: 'boolean',
      pageSize: 'number',
      pause: 'number',
    },
    'fetchPapers',
  );
  const { perCategory = 3000, count = 'primary', via = 'api', pageSize = 1000, from, to } = options;
  if (typeof options.output !== 'string') throw bad('"output" is missing: name the file to write');
  checkChoice('count', count, ['primary', 'any'], 'fetchPapers');
  checkChoice('via', via, ['api', 'oai'], 'fetchPapers');
  checkWhole('perCategory', perCategory, 1, 'fetchPapers');
  checkWhole('pageSize', pageSize, 1, 'fetchPapers');
  if (pageSize > LARGEST_PAGE) throw bad(`"pageSize" must be at most ${LARGEST_PAGE}, not ${pageSize}`);
  checkDateRange({ from, to });
  if (from !== undefined && Date.parse(from) > Date.now()) throw bad(`"from" (${from}) lies in the future`);
  if (via === 'oai' && from === undefined) {
    throw bad(
      '"from" is missing: OAI-PMH cannot sort by submission, so the newest papers are known only when all have come',
      'Give --from, or take the API with --via api.',
    );
  }
  return {
    request: { via, categories: checkedCategories(options.categories), perCategory, count, from, to },
    manners: { ...source(via, options.pause), pageSize },
  };
}

function checkedCategories(categories: readonly string[]): string[] {
  if (!Array.isArray(categories) || categories.some(each => typeof each !== 'string')) {
    throw bad(`"categories" must be an array of texts, not ${show(categories)}`);
  }
  if (categories.length === 0) throw bad('"categories" is empty', 'Name some, e.g. cs.AI,cs.CL.');
  categories.forEach(checkCategory);
  return [...new Set(categories)];
}

/** arXiv's host, or the mirror that the environment names. */
function source(via: 'api' | 'oai', pause = LEAST_PAUSE): { endpoint: string; pauseMs: number } {
  const variable = via === 'api' ? 'ARXIV_API_ENDPOINT' : 'ARXIV_OAI_ENDPOINT';
  const endpoint = process.env[variable] || (via === 'api' ? ARXIV_API : ARXIV_OAI);
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw bad(`${variable} is ${show(endpoint)}; expected the address of a mirror`);
  }
  const isArxiv = url.hostname === ARXIV || url.hostname.endsWith(`.${ARXIV}`);
  if (!(pause >= 0 && pause < 3600)) throw bad(`"pause" must be a number of seconds, not ${show(pause)}`);
  if (isArxiv && pause < LEAST_PAUSE) {
    throw bad(
      `"pause" is ${pause}: arXiv asks for ${LEAST_PAUSE} seconds between two requests`,
      'Leave it out.',
    );
  }
  return { endpoint: url.href, pauseMs: 1000 * pause };
}

function bad(message: string, remedy?: string): ArxivNativeError {
  return new ArxivNativeError('BAD_OPTION', message, remedy ? { remedy } : {});
}
