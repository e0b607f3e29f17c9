import { ArxivNativeError } from '../errors.js';

export const SPLITS = ['train', 'validation', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** One paper as it was read: text cleaned by {@link cleanText}, nothing else changed. */
export interface Paper {
  /** As given; `line-N` where the file has none. */
  id: string;
  title: string;
  abstract: string;
  /** The first is the label; empty when unlabelled. */
  categories: string[];
  split?: Split;
  /** Where it stood: the line's number in its file, from 1 (of a CSV record, its first line). */
  line: number;
}

const SPLIT_NAMES: Record<string, Split> = {
  train: 'train',
  training: 'train',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  test: 'test',
};

/** cs.AI, math.CO, hep-th, nlin.AO: what arXiv's own lists are made of. */
const ARXIV_CATEGORY = /^(?=.*[.-])[a-z]+(-[a-z]+)?(\.[A-Za-z-]+)?$/;

/**
 * Runs of white space and control characters (NUL among them) become one space; half a surrogate pair becomes
 * U+FFFD. Nothing else is touched: case, accents and invisible format characters are the tokenizer's affair.
 */
export function cleanText(text: string): string {
  return text
    .replace(/\p{Surrogate}/gu, '\uFFFD')
    .replace(/[\0-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g, ' ')
    .trim();
}

/** The arXiv id without address, prefix and version: `http://arxiv.org/abs/2506.00019v2` → `2506.00019`. */
export function baseId(id: string): string {
  return id
    .replace(/^https?:\/\/(?:[a-z]+\.)?arxiv\.org\/(?:abs|pdf)\//i, '')
    .replace(/^arxiv:/i, '')
    .replace(/\.pdf$/i, '')
    .replace(/(?<=\d)v\d+$/, '');
}

/** Equal for titles that differ in case, punctuation, spacing or form of characters only; empty for none. */
export function titleKey(title: string): string {
  return title
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}]+/gu, ' ')
    .trim();
}

/**
 * A paper from one record of a file. `title` and `abstract` must be there, and one of them filled. The label is
 * `category` where there is one, else the first of `categories`; either may be an array or a string. A string whose
 * words are all arXiv categories (`cs.AI cs.LG`, `cs.AI, cs.LG`) is a list of them. Another is one name in
 * `category`, also with commas; in `categories` commas part names.
 * @throws BAD_INPUT with `source:line`
 */
export function paperFromFields(
  fields: Record<string, unknown>,
  where: { source: string; line: number },
  labelled: boolean,
): Paper {
  const fail = (found: string, remedy?: string) =>
    new ArxivNativeError('BAD_INPUT', `${where.source}:${where.line}: ${found}`, remedy ? { remedy } : {});
  const text = (name: string): string => {
    const value = fields[name];
    if (value === undefined) {
      throw fail(
        `no "${name}" (found: ${describeKeys(fields)})`,
        'Each paper needs "title" and "abstract"; to train, also "category" or "categories".',
      );
    }
    if (value === null) return '';
    if (typeof value !== 'string') throw fail(`"${name}" is ${describe(value)}; expected text`);
    return cleanText(value);
  };

  const title = text('title');
  const abstract = text('abstract');
  if (title === '' && abstract === '') throw fail('title and abstract are both empty');

  const categories: string[] = [];
  for (const name of ['category', 'categories']) {
    const names = categoryNames(fields[name], { commas: name === 'categories' });
    if (!Array.isArray(names)) {
      if (labelled) throw fail(`"${name}" ${names.misfit}; expected text or an array of texts`);
      continue;
    }
    for (const each of names) if (!categories.includes(each)) categories.push(each);
  }
  if (labelled && categories.length === 0) {
    throw fail(
      `no category (found: ${describeKeys(fields)})`,
      'To train, each paper needs its label in "category", or first in "categories".',
    );
  }

  const paper: Paper = { id: paperId(fields.id, where.line), title, abstract, categories, line: where.line };
  const split = fields.split;
  if (split !== undefined && split !== null && split !== '') {
    const known = typeof split === 'string' ? SPLIT_NAMES[split.trim().toLowerCase()] : undefined;
    if (known === undefined) {
      throw fail(`split ${describe(split)} is unknown; expected train, validation or test`);
    }
    paper.split = known;
  }
  return paper;
}

function paperId(value: unknown, line: number): string {
  if (typeof value === 'number') return String(value);
  const id = typeof value === 'string' ? cleanText(value) : '';
  return id === '' ? `line-${line}` : id;
}

/**
 * The names in a category field, none for an absent one; of what is neither text nor texts, what it is instead.
 * @param commas whether they part names that are not arXiv's
 */
function categoryNames(value: unknown, { commas }: { commas: boolean }): string[] | { misfit: string } {
  if (value === undefined || value === null) return [];
  const list = typeof value === 'string' ? splitCategories(value, commas) : value;
  if (!Array.isArray(list)) return { misfit: `is ${describe(value)}` };
  const stranger = list.findIndex(each => typeof each !== 'string');
  if (stranger !== -1) return { misfit: `has ${describe(list[stranger])} at position ${stranger + 1}` };
  return list.map(cleanText).filter(each => each !== '');
}

function splitCategories(value: string, commas: boolean): string[] {
  const words = value.split(/[,\s]+/).filter(word => word !== '');
  if (words.every(word => ARXIV_CATEGORY.test(word))) return words;
  return commas ? value.split(',') : [value];
}

function describeKeys(fields: Record<string, unknown>): string {
  const keys = Object.keys(fields);
  if (keys.length === 0) return 'nothing';
  return keys.length > 12 ? `${keys.slice(0, 12).join(', ')}, …` : keys.join(', ');
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (value !== null && typeof value === 'object') return 'an object';
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
