import { ArxivNativeError } from '../errors.js';
import { didYouMean, show } from '../util/options.js';
import { checkDateRange, dateOf, isWithin } from './dates.js';
import type { FilterOptions, LeftOut } from './filter-options.js';
import { categoriesOfLine } from './kaggle.js';
import type { Paper } from './paper.js';

/** Most different names that a typing error is compared with. */
const MOST_SEEN = 1000;

/** Decides which papers are kept, and counts what it decides. */
export class PaperFilter {
  readonly leftOut: LeftOut = { otherCategories: 0, otherDates: 0, undated: 0 };
  /** Of each category that was asked for, how many papers that carry it were kept. */
  readonly kept = new Map<string, number>();
  private readonly wanted: ReadonlySet<string> | undefined;
  private readonly seen = new Set<string>();

  /** @throws BAD_OPTION */
  constructor(private readonly options: FilterOptions) {
    const { categories, primaryOnly = false } = options;
    checkDateRange(options);
    if (categories !== undefined) checkNames(categories);
    else if (primaryOnly) {
      throw new ArxivNativeError('BAD_OPTION', '"primaryOnly" goes with "categories"', {
        remedy: 'Say with --categories which ones a paper may have as its primary one.',
      });
    }
    this.wanted = categories && new Set(categories.map(name => name.trim()));
    for (const name of this.wanted ?? []) this.kept.set(name, 0);
  }

  keeps(paper: Paper): boolean {
    const carried = this.carried(paper);
    if (!this.isWanted(carried)) {
      this.leftOut.otherCategories++;
      return false;
    }
    const { from, to } = this.options;
    if (from !== undefined || to !== undefined) {
      const date = dateOf(paper.published);
      if (date === undefined || !isWithin(date, this.options)) {
        this.leftOut[date === undefined ? 'undated' : 'otherDates']++;
        return false;
      }
    }
    for (const name of carried) {
      const count = this.kept.get(name);
      if (count !== undefined) this.kept.set(name, count + 1);
    }
    return true;
  }

  /** Which of the categories asked for a paper carries, or has as its primary one if only that counts. */
  asked(paper: Paper): string[] {
    return this.counting(this.carried(paper)).filter(name => this.wanted?.has(name));
  }

  /** Whether a line of Kaggle's snapshot is of other categories, as far as that can be told without parsing it. */
  skips(line: Buffer): boolean {
    if (this.wanted === undefined) return false;
    const categories = categoriesOfLine(line);
    if (categories === undefined || this.isWanted(categories.split(' '))) return false;
    this.leftOut.otherCategories++;
    return true;
  }

  /** Of each category that was asked for and that no paper carries, which one may have been meant. */
  unseen(): Map<string, string> {
    const names = [...this.seen];
    const unseen = [...this.kept.keys()].filter(name => !this.seen.has(name));
    return new Map(unseen.map(name => [name, names.length === 0 ? '' : didYouMean(name, names)]));
  }

  /** What a paper without categories was found by, or is labelled as, stands for them. */
  private carried({ categories, queries, label }: Paper): readonly string[] {
    return categories.length > 0 ? categories : (queries ?? (label === '' ? [] : [label]));
  }

  private isWanted(carried: readonly string[]): boolean {
    if (this.wanted === undefined) return true;
    if (this.seen.size < MOST_SEEN) for (const name of carried) this.seen.add(name);
    return this.counting(carried).some(name => this.wanted!.has(name));
  }

  private counting(carried: readonly string[]): readonly string[] {
    return this.options.primaryOnly ? carried.slice(0, 1) : carried;
  }
}

function checkNames(categories: unknown): void {
  const isName = (each: unknown) => typeof each === 'string' && each.trim() !== '';
  if (Array.isArray(categories) && categories.length > 0 && categories.every(isName)) return;
  throw new ArxivNativeError('BAD_OPTION', `"categories" must be a list of names, not ${show(categories)}`, {
    remedy: 'Write them with commas between: --categories cs.AI,cs.CL',
  });
}
