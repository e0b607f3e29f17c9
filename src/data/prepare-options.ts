import { ArxivNativeError } from '../errors.js';
import { checkChoice, checkOptions, checkWhole, type OptionTypes, show } from '../util/options.js';

/** How a paper comes to its label. */
export const LABEL_RULES = ['primary', 'query'] as const;
export type LabelRule = (typeof LABEL_RULES)[number];

/** What may be asked for; a data set may also have come with a split of its own. */
export const SPLIT_RULES = ['grouped', 'rows', 'temporal'] as const;
export type SplitRule = (typeof SPLIT_RULES)[number];

export interface PrepareOptions {
  /**
   * `primary` (the default): a paper's label is its label column's, else its first category. `query`: a paper stands
   * once for each class that it carries, labelled so, as if each class had been asked for apart.
   */
  labels?: LabelRule | undefined;
  /** The field that holds the label: classes of your own. */
  labelColumn?: string | undefined;
  /** The classes; if absent the categories that were asked for, where the papers know them, else every label. */
  categories?: readonly string[] | undefined;
  /** At most so many papers a class: drawn by the seed, for `query` the newest. */
  perClass?: number | undefined;
  /**
   * `grouped` (the default): each class apart, and a paper never on two sides. `temporal`: the oldest train, the
   * newest test. `rows` (the default of `query`): each row for itself, duplicates and copies too.
   */
  split?: SplitRule | undefined;
  /** Shares of train, validation and test; 70, 15 and 15 if absent. */
  ratios?: readonly number[] | undefined;
  /** Decides which papers are drawn and where they go; 42 if absent. */
  seed?: number | undefined;
}

/** The options, each with the value that counts: what makes the data set again from its sources. */
export interface PrepareRule {
  labels: LabelRule;
  labelColumn?: string;
  categories?: string[];
  perClass?: number;
  /** `given`: the papers themselves state it. */
  split: SplitRule | 'given';
  /** Absent where the split is given. */
  ratios?: number[];
}

const DEFAULT_RATIOS = [70, 15, 15];

export const PREPARE_TYPES: OptionTypes<PrepareOptions> = {
  labels: 'string',
  labelColumn: 'string',
  categories: 'any',
  perClass: 'number',
  split: 'string',
  ratios: 'any',
  seed: 'number',
};

/** Holds the options against their types and ranges. Throws BAD_OPTION. */
export function checkPrepareOptions(options: PrepareOptions): void {
  checkOptions(options, PREPARE_TYPES, 'prepare');
  const { labels, labelColumn, categories, perClass, split, ratios, seed } = options;
  checkChoice('labels', labels, LABEL_RULES, 'prepare');
  checkChoice('split', split, SPLIT_RULES, 'prepare');
  checkWhole('perClass', perClass, 1, 'prepare');
  checkWhole('seed', seed, 0, 'prepare');
  if (labels === 'query' && labelColumn !== undefined) {
    throw bad('labels: "query" labels by category, "labelColumn" by a column', 'Leave one of the two out.');
  }
  if (categories !== undefined) checkCategories(categories);
  if (ratios !== undefined) checkRatios(ratios);
}

/** The rule that the options make, but for a split that the papers may state. */
export function ruleOf(options: PrepareOptions): PrepareRule & { split: SplitRule; ratios: number[] } {
  const { labels = 'primary', labelColumn, categories, perClass, ratios = DEFAULT_RATIOS } = options;
  return {
    labels,
    ...(labelColumn !== undefined && { labelColumn }),
    ...(categories !== undefined && { categories: [...new Set(categories)].sort() }),
    ...(perClass !== undefined && { perClass }),
    split: options.split ?? (labels === 'query' ? 'rows' : 'grouped'),
    ratios: [...ratios],
  };
}

/** How papers came to their labels, for a person; undefined where it is not known. */
export function labelsText(labels: string | undefined, labelColumn: string | undefined): string | undefined {
  if (labelColumn !== undefined) return `those in the column ${JSON.stringify(labelColumn)}`;
  switch (labels as LabelRule | undefined) {
    case 'primary':
      return 'the one that a paper states, else its first category';
    case 'query':
      return 'a row for each of the classes that a paper carries';
    default:
      return labels;
  }
}

function checkCategories(categories: unknown): void {
  const fit =
    Array.isArray(categories) && categories.every(each => typeof each === 'string' && each.trim() !== '');
  if (!fit) throw bad(`categories (--categories) must be a list of names, not ${show(categories)}`);
  if (new Set(categories).size > 1) return;
  throw bad(`categories (--categories): ${show(categories)} is one class only; a classifier needs two`);
}

function checkRatios(ratios: unknown): void {
  const fit =
    Array.isArray(ratios) &&
    ratios.length === 3 &&
    ratios.every(each => typeof each === 'number' && Number.isFinite(each) && each > 0);
  if (fit) return;
  throw bad(
    `ratios (--ratios) must be three numbers above 0, not ${show(ratios)}`,
    'They are the shares of train, validation and test: 70,15,15.',
  );
}

function bad(message: string, remedy?: string): ArxivNativeError {
  return new ArxivNativeError('BAD_OPTION', `prepare: ${message}`, remedy ? { remedy } : {});
}
