import type { Paper } from '../paper.js';

/** Beyond this many papers more than needed, those that are too old are let go. */
const SLACK = 1000;

/** What came of one category. */
export interface CategoryCount {
  category: string;
  /** Papers that were counted, at most as many as were wanted. */
  papers: number;
  /** Others of its list: cross-listed, where only primary ones count. */
  others: number;
}

/**
 * The newest papers of several categories, from lists of them in any order. Of each category it keeps the newest paper
 * and all down to the last one that counts, and forgets the rest: memory is bounded by what is kept.
 */
export class Newest {
  /** Papers that had come before, in the same list or another. */
  duplicates = 0;
  private readonly papers = new Map<string, Paper>();
  private readonly lists: Map<string, { ids: Set<string>; limit: number }>;

  /** @param count which papers of a list count towards `perCategory` */
  constructor(
    categories: readonly string[],
    private readonly perCategory: number,
    private readonly count: 'primary' | 'any',
  ) {
    this.lists = new Map(
      categories.map(category => [category, { ids: new Set<string>(), limit: perCategory + SLACK }]),
    );
  }

  /** Takes papers of a category's list. Of two versions of a paper the newer one stays, whatever list it is from. */
  add(category: string, papers: Paper[]): void {
    const list = this.lists.get(category)!;
    for (const paper of papers) {
      const known = this.papers.get(paper.id);
      if (known !== undefined) this.duplicates++;
      if (known === undefined || paper.version! > known.version!) this.papers.set(paper.id, paper);
      list.ids.add(paper.id);
    }
    if (list.ids.size > list.limit) this.prune(category);
  }

  /** How many papers of the category count so far. */
  counted(category: string): number {
    let counted = 0;
    for (const id of this.lists.get(category)!.ids) {
      if (this.counts(this.papers.get(id)!, category)) counted++;
    }
    return Math.min(counted, this.perCategory);
  }

  /** All that is kept, the newest first; `queries` of each tells in which lists it stood. */
  result(): { papers: Paper[]; categories: CategoryCount[] } {
    const queries = new Map<string, string[]>();
    const categories: CategoryCount[] = [];
    for (const category of this.lists.keys()) {
      const kept = this.newestOf(category);
      for (const { id } of kept) queries.set(id, [...(queries.get(id) ?? []), category]);
      const papers = this.counted(category);
      categories.push({ category, papers, others: kept.length - papers });
    }
    const papers = [...queries].map(([id, asked]) => ({ ...this.papers.get(id)!, queries: asked }));
    return { papers: papers.sort(newerFirst), categories };
  }

  private counts(paper: Paper, category: string): boolean {
    return this.count === 'any' || paper.categories[0] === category;
  }

  /** Down to the last one that counts. */
  private newestOf(category: string): Paper[] {
    const papers = [...this.lists.get(category)!.ids].map(id => this.papers.get(id)!).sort(newerFirst);
    let counted = 0;
    const last = papers.findIndex(paper => this.counts(paper, category) && ++counted === this.perCategory);
    return last === -1 ? papers : papers.slice(0, last + 1);
  }

  private prune(category: string): void {
    const list = this.lists.get(category)!;
    const kept = new Set(this.newestOf(category).map(paper => paper.id));
    const dropped = [...list.ids].filter(id => !kept.has(id));
    list.ids = kept;
    list.limit = 2 * kept.size + SLACK;
    const others = [...this.lists.values()];
    for (const id of dropped) if (!others.some(({ ids }) => ids.has(id))) this.papers.delete(id);
  }
}

/** By the time of submission; of the same second, by id. */
function newerFirst(a: Paper, b: Paper): number {
  if (a.published !== b.published) return a.published! < b.published! ? 1 : -1;
  return a.id < b.id ? 1 : -1;
}
