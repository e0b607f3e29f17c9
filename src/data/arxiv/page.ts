import { IncompleteAnswer } from '../../util/http.js';
import { baseId, cleanText, type Paper } from '../paper.js';

/** When papers must have been submitted, both ends included: times in ISO 8601, GMT, to the second. */
export interface Window {
  from: string;
  until: string;
}

/** What is kept of one answer. */
export interface Page {
  /** Of the category that was asked for, and within the window. */
  papers: Paper[];
  /** How many the server gave, kept or not; one that stands twice counts once. */
  entries: number;
  /** How many of them lack what a paper must have. */
  partial: number;
}

/**
 * Brings one page: from the journal if it is there, else from the server, and then into the journal.
 * @param key tells it from the other pages of its category
 */
export type Ask = <P extends Page>(key: string, url: string, parse: (text: string) => P) => Promise<P>;

/** A time in one of the protocols' forms in ISO 8601, GMT, to the second; undefined for what is none. */
function utcTime(text: string): string | undefined {
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : `${new Date(time).toISOString().slice(0, 19)}Z`;
}

/** What either protocol says of a paper. */
interface PaperTexts {
  id: string;
  version: string;
  title: string;
  abstract: string;
  /** The primary one first; repetitions do not matter. */
  categories: string[];
  published: string;
  updated: string;
  doi: string;
  comment: string;
}

/** Undefined where a part is missing without which a paper is of no use: both services give such ones at times. */
export function arxivPaper(texts: PaperTexts): Paper | undefined {
  const id = baseId(texts.id);
  const [title, abstract] = [cleanText(texts.title), cleanText(texts.abstract)];
  const [doi, comment] = [cleanText(texts.doi), cleanText(texts.comment)];
  const [published, updated] = [utcTime(texts.published), utcTime(texts.updated)];
  const categories = [...new Set(texts.categories)];
  const isWhole = id !== '' && /^[1-9]\d*$/.test(texts.version) && categories.length > 0;
  if (!isWhole || published === undefined || (title === '' && abstract === '')) return undefined;
  return {
    id,
    version: Number(texts.version),
    title,
    abstract,
    categories,
    label: categories[0]!,
    published,
    ...(updated !== undefined && { updated }),
    ...(doi !== '' && { doi }),
    ...(comment !== '' && { comment }),
    line: 0,
  };
}

/**
 * What is kept of the papers of one answer.
 * @throws IncompleteAnswer where none of them is whole
 */
export function pageOf(found: (Paper | undefined)[], isWanted: (paper: Paper) => boolean): Page {
  const whole = found.filter(paper => paper !== undefined);
  if (found.length > 0 && whole.length === 0) {
    throw new IncompleteAnswer(`none of the ${found.length} papers of the answer is whole`);
  }
  const partial = found.length - whole.length;
  return {
    papers: whole.filter(isWanted),
    entries: new Set(whole.map(paper => paper.id)).size + partial,
    partial,
  };
}

export function isWithinWindow({ published }: Paper, { from, until }: Window): boolean {
  return published! >= from && published! <= until;
}
