import { ArxivNativeError } from '../errors.js';
import { didYouMean } from '../util/options.js';
import { checkDateRange, type DateRange, dateOf, isWithin } from './dates.js';
import { categoriesOfLine } from './kaggle.js';
import type { Paper } from './paper.js';

export interface FilterOptions extends DateRange {
  /**
   * Only papers that carry one of these are kept: anywhere among their categories, since prepare may still want the
   * cross-lists, and drops them where it does not. All papers without it.
   */
  categories?: readonly string[] | undefined;
  /** Count only a paper's first category. */
  primaryOnly?: boolean | undefined;
}

/** Most different names that a typing error is compared with. */
const MOST_SEEN = 1000;

/** Decides which papers are kept, and counts what it decides. */
export class PaperFilter {
  readonly leftOut = {
    otherCategories: 0,
    /** Published outside the range. */
    otherDates: 0,
    /** Without a date of publication, where a range was asked for. */
    undated: 0,
  };
  /** Of each category that was asked for, how many papers that carry it were kept. */
  readonly kept: Record<string, number>;
  private readonly wanted: ReadonlySet<string> | undefined;
  private readonly seen = new Set<string>();

  /** @throws BAD_OPTION */
  constructor(private readonly options: FilterOptions) {
    const { categories, primaryOnly = false } = options;
    checkDateRange(options);
    if (
      categories?.length === 0 ||
      categories?.some(name => typeof name !== 'string' || name.trim() === '')
    ) {
      throw new ArxivNativeError('BAD_OPTION', '"categories" must be names', {
        remedy: 'Write them with commas between: cs.AI,cs.CL',
      });
    }
    if (primaryOnly && categories === undefined) {
      throw new ArxivNativeError(
        'BAD_OPTION',
        'there are no categories that a paper could have as its primary one',
        {
          remedy: 'Say which ones with --categories.',
        },
      );
    }
    this.wanted = categories && new Set(categories.map(name => name.trim()));
    this.kept = Object.fromEntries([...(this.wanted ?? [])].map(name => [name, 0]));
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
    for (const name of carried) if (name in this.kept) this.kept[name]!++;
    return true;
  }

  /** Whether a line of Kaggle's snapshot is of other categories, as far as that can be told without parsing it. */
  skips(line: Buffer): boolean {
    if (this.wanted === undefined) return false;
    const categories = categoriesOfLine(line);
    if (categories === undefined || this.isWanted(categories.split(' '))) return false;
    this.leftOut.otherCategories++;
    return true;
  }

  /** Categories that no paper which was kept carries: most likely they are misspelt. */
  warnings(): string[] {
    return Object.entries(this.kept)
      .filter(([, count]) => count === 0)
      .map(([name]) => `no paper that is kept carries "${name}". ${didYouMean(name, [...this.seen])}`);
  }

  /** What a paper without categories was found by, or is labelled as, stands for them. */
  private carried({ categories, queries, label }: Paper): readonly string[] {
    return categories.length > 0 ? categories : (queries ?? (label === '' ? [] : [label]));
  }

  private isWanted(carried: readonly string[]): boolean {
    if (this.wanted === undefined) return true;
    const first = carried[0];
    if (first === undefined) return false;
    if (this.seen.size < MOST_SEEN) this.seen.add(first);
    return this.options.primaryOnly ? this.wanted.has(first) : carried.some(name => this.wanted!.has(name));
  }
}
