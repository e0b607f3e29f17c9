import type { DateRange } from './dates.js';

export interface FilterOptions extends DateRange {
  /**
   * Only papers that carry one of these are kept: anywhere among their categories, since prepare may still want the
   * cross-lists, and drops them where it does not. All papers without it.
   */
  categories?: readonly string[] | undefined;
  /** Count only a paper's first category. */
  primaryOnly?: boolean | undefined;
}

/** Papers that were left out, by reason. */
export interface LeftOut {
  otherCategories: number;
  /** Published outside the range. */
  otherDates: number;
  /** Without a date of publication, where a range was asked for. */
  undated: number;
}
