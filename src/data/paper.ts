import { ArxivNativeError } from '../errors.js';

export const SPLITS = ['train', 'validation', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** One paper as it was read: text cleaned by {@link cleanText}, nothing else changed. */
export interface Paper {
  /** As given; `line-N` where the file has none (see {@link hasOwnId}). */
  id: string;
  /** arXiv's, from 1. */
  version?: number;
  title: string;
  abstract: string;
  /** arXiv's, or the user's own: the primary one first, cross-lists after it; empty where the file names none. */
  categories: string[];
  /** The class; empty when unlabelled. */
  label: string;
  /** As given: a date, a month (`2025-06`) or a time in ISO 8601, unless the file has another form. */
  published?: string;
  updated?: string;
  doi?: string;
  /** The authors' remark: pages, venue, and where it was withdrawn often that. */
  comment?: string;
  /** The label that the file gives it where its primary category is known to decide: a category that was asked for. */
  stated?: string;
  /** Categories that were asked for when this paper was among the answers. */
  queries?: string[];
  /** Id of the paper that this one is a synthetic copy of: it is for training only, on its parent's side. */
  parent?: string;
  /** Of a back-translated copy: what made it. */
  translator?: string;
  split?: Split;
  /** Where it stood: the line's number in its file, from 1 (of a CSV record, its first line). */
  line: number;
}

const SPLIT_NAMES: ReadonlyMap<string, Split> = new Map([
  ['train', 'train'],
  ['training', 'train'],
  ['validation', 'validation'],
  ['valid', 'validation'],
  ['val', 'validation'],
  ['dev', 'validation'],
  ['test', 'test'],
]);

/** cs.AI, math.CO, hep-th, nlin.AO: what arXiv's own lists are made of. */
const ARXIV_CATEGORY = /^(?=.*[.-])[a-z]+(-[a-z]+)?(\.[A-Za-z-]+)?$/;

export function isArxivCategory(name: string): boolean {
  return ARXIV_CATEGORY.test(name);
}

/**
 * Runs of white space and control characters (NUL among them) become one space; half a surrogate pair becomes
 * U+FFFD. Nothing else is touched: case, accents and invisible format characters are the tokenizer's affair.
 */
export function cleanText(text: string): string {
  return (
    text
      .replace(/\p{Surrogate}/gu, '\uFFFD')
      // Two steps, as a pattern that matches the single spaces too would take three times as long.
      .replace(/[\0-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/g, ' ')
      .replace(/ {2,}/g, ' ')
      .trim()
  );
}

/**
 * The arXiv id without address, prefix and version: `http://arxiv.org/abs/2506.00019v2` → `2506.00019`, and so its DOI
 * (`10.48550/arXiv.2506.00019`).
 */
export function baseId(id: string): string {
  return id
    .replace(/^(?:https?:\/\/)?(?:[a-z]+\.)?arxiv\.org\/(?:abs|pdf|html)\//i, '')
    .replace(/^(?:(?:https?:\/\/)?(?:dx\.)?doi\.org\/|doi:)?10\.48550\/(?=arxiv\.)/i, '')
    .replace(/^arxiv[.:]/i, '')
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

export interface FieldOptions {
  /** Whether a paper without a label is an error. */
  labelled: boolean;
  /** The field that holds the label; see {@link paperFromFields} for what is taken without it. */
  labelColumn?: string | undefined;
  /** Whether title and abstract may both be empty; where one of them is, no label is asked for then. */
  mayBeEmpty?: boolean | undefined;
}

/**
 * A paper from one record of a file. `title` and `abstract` must be there, and one of them filled.
 *
 * Categories are `category`, then `categories`; either may be an array or a string. A string whose words are all
 * arXiv categories (`cs.AI cs.LG`, `cs.AI, cs.LG`) is a list of them. Another is one name in `category`, also with
 * commas; in `categories` commas part names. Where there is `all_categories` (as in the predecessor's files), it
 * alone holds the categories, and `category` is the one that was asked for.
 *
 * The label is the label column's where one is named, else `label`, else the first category.
 * @throws BAD_INPUT with `source:line`
 */
export function paperFromFields(
  fields: Record<string, unknown>,
  where: { source: string; line: number },
  { labelled: mustHaveLabel, labelColumn, mayBeEmpty = false }: FieldOptions,
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
  if (title === '' && abstract === '' && !mayBeEmpty) throw fail('title and abstract are both empty');
  const labelled = mustHaveLabel && !(mayBeEmpty && (title === '' || abstract === ''));

  const names = (field: string): string[] => {
    const found = categoryNames(fields[field], { commas: field !== 'category' });
    if (Array.isArray(found)) return found;
    if (labelled) throw fail(`"${field}" ${found.misfit}; expected text or an array of texts`);
    return [];
  };
  const asked = 'all_categories' in fields;
  const categories = [
    ...new Set(asked ? names('all_categories') : [...names('category'), ...names('categories')]),
  ];
  const queries = [...new Set([...names('queries'), ...(asked ? names('category') : [])])];
  const stated = plainText(fields.stated) || (asked ? names('category')[0] : undefined);
  const label = labelOf(fields, labelColumn, labelled, fail) ?? categories[0] ?? '';
  // A row without categories of its own may be a copy of a paper that has them: only all rows together tell.
  if (labelled && label === '' && queries.length === 0) {
    throw fail(
      `no category (found: ${describeKeys(fields)})`,
      'The label of a paper is its "category", or the first of "categories"; train, prepare and describe take another field by --label-column.',
    );
  }

  const paper: Paper = {
    id: plainText(fields.id) || `line-${where.line}`,
    title,
    abstract,
    categories,
    label,
    line: where.line,
  };
  const version = Number(fields.version || /(?<=\d)v(\d+)$/.exec(paper.id)?.[1]);
  if (Number.isSafeInteger(version) && version > 0) paper.version = version;
  for (const name of ['published', 'updated', 'doi', 'parent', 'translator'] as const) {
    const value = plainText(fields[name]);
    if (value !== '') paper[name] = value;
  }
  // The API's name of it, and that of the dumps.
  const comment = plainText(fields.comment ?? fields.comments);
  if (comment !== '') paper.comment = comment;
  if (stated) paper.stated = stated;
  if (queries.length > 0) paper.queries = queries;
  const split = fields.split;
  if (split !== undefined && split !== null && split !== '') {
    const known = typeof split === 'string' ? SPLIT_NAMES.get(split.trim().toLowerCase()) : undefined;
    if (known === undefined) {
      throw fail(`split ${describe(split)} is unknown; expected train, validation or test`);
    }
    paper.split = known;
  }
  return paper;
}

/** The label that a field of its own states; undefined where there is none. */
function labelOf(
  fields: Record<string, unknown>,
  column: string | undefined,
  labelled: boolean,
  fail: (found: string, remedy?: string) => ArxivNativeError,
): string | undefined {
  const field = column ?? 'label';
  const value = Object.hasOwn(fields, field) ? fields[field] : undefined;
  const isName = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  const name = isName ? cleanText(String(value)) : '';
  if (name !== '') return name;
  if (!labelled || (column === undefined && (value === undefined || value === null || value === ''))) {
    return undefined;
  }
  if (value === undefined)
    throw fail(`no "${column}" (found: ${describeKeys(fields)})`, 'Check --label-column.');
  throw fail(`"${field}" is ${describe(value)}; expected the name of a class`);
}

/** Whether the file gave this paper an id: otherwise it was made of its line's number. */
export function hasOwnId({ id, line }: Paper): boolean {
  return id !== `line-${line}`;
}

/** The id, in a folder of parts, of a paper without one: lines are numbered in each file apart. */
export function numberedId(part: Split, line: number): string {
  return `${part}-line-${line}`;
}

/** Whether {@link numberedId} made this paper's id: it says where the paper stands, and not which one it is. */
export function isNumbered({ id, split, line }: Paper): boolean {
  return split !== undefined && id === numberedId(split, line);
}

/** A paper as the object that is written for it, one JSON line: what {@link paperFromFields} reads. */
export function paperRecord(paper: Paper): Record<string, unknown> {
  const { version, title, abstract, categories, label, published, updated, doi, comment } = paper;
  const { stated, queries, parent, translator, split } = paper;
  return {
    // One that was made of a line's number would be taken for the file's own in another place.
    id: hasOwnId(paper) ? baseId(paper.id) : undefined,
    version,
    title,
    abstract,
    categories,
    ...(label !== '' && label !== categories[0] && { label }),
    published,
    updated,
    doi,
    comment,
    stated,
    queries,
    parent,
    translator,
    split,
  };
}

/** Of a text or a number, as ids of somebody's own often are; empty for anything else. */
function plainText(value: unknown): string {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? cleanText(value) : '';
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
  if (words.every(isArxivCategory)) return words;
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
