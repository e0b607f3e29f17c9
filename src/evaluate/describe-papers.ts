import type { Example } from '../data/dataset.js';
import { dateOf } from '../data/dates.js';
import type { Paper } from '../data/paper.js';
import { seededRandom, shuffle } from '../util/random.js';

/** How far the classes share their papers. */
export interface Overlap {
  /** matrix[i][j]: papers that carry both class i and class j; on the diagonal all that carry class i. */
  matrix: number[][];
  /** Papers that carry more than one class. */
  several: number;
}

/** A paper carries its label, and every class that is among its categories. */
export function overlap(examples: readonly Example[], labels: readonly string[]): Overlap {
  const index = new Map(labels.map((label, k) => [label, k]));
  const matrix = labels.map(() => new Array<number>(labels.length).fill(0));
  let several = 0;
  for (const { paper, label } of examples) {
    const carried = new Set([label]);
    for (const category of paper.categories) {
      const k = index.get(category);
      if (k !== undefined) carried.add(k);
    }
    if (carried.size > 1) several++;
    for (const i of carried) for (const j of carried) matrix[i]![j]!++;
  }
  return { matrix, several };
}

export interface Month {
  /** 2025-06. */
  month: string;
  /** By class. */
  papers: number[];
}

export interface Dates {
  /** From the first month with papers to the last, those without any left out. */
  months: Month[];
  /** Papers without a date that begins with year and month. */
  unknown: number;
}

/** Papers by the month in which they were published. */
export function dates(examples: readonly Example[], classes: number): Dates {
  const months = new Map<string, number[]>();
  let unknown = 0;
  for (const { paper, label } of examples) {
    const month = dateOf(paper.published)?.slice(0, 7) ?? '';
    if (month.length < 7) {
      unknown++;
      continue;
    }
    const papers = months.get(month) ?? new Array<number>(classes).fill(0);
    papers[label]!++;
    months.set(month, papers);
  }
  const inOrder = [...months].sort(([a], [b]) => (a < b ? -1 : 1));
  return { months: inOrder.map(([month, papers]) => ({ month, papers })), unknown };
}

/** What a paper may lack, and how it is known. */
const FIELDS: Record<string, (paper: Paper) => boolean> = {
  title: ({ title }) => title === '',
  abstract: ({ abstract }) => abstract === '',
  categories: ({ categories }) => categories.length === 0,
  published: ({ published }) => published === undefined,
  updated: ({ updated }) => updated === undefined,
  version: ({ version }) => version === undefined,
  doi: ({ doi }) => doi === undefined,
};

/** Of each field, the papers that lack it. */
export function missing(examples: readonly Example[]): Record<string, number> {
  return Object.fromEntries(
    Object.entries(FIELDS).map(([field, lacks]) => [
      field,
      examples.reduce((sum, { paper }) => sum + Number(lacks(paper)), 0),
    ]),
  );
}

export type SamplePaper = Pick<Paper, 'id' | 'title' | 'abstract' | 'categories'>;

/** Of each class `count` papers, or all where there are fewer, drawn by the seed. */
export function samplePapers(
  examples: readonly Example[],
  classes: number,
  count: number,
  seed: number,
): SamplePaper[][] {
  const byClass = Array.from({ length: classes }, (): Paper[] => []);
  for (const { paper, label } of examples) byClass[label]!.push(paper);
  const random = seededRandom(`examples ${seed}`);
  return byClass.map(papers =>
    shuffle(papers, random)
      .slice(0, count)
      .map(({ id, title, abstract, categories }) => ({ id, title, abstract, categories })),
  );
}
