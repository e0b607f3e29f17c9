import { counted, grouped, percent } from '../util/format.js';
import { paperGroups } from './groups.js';
import { type Paper, SPLITS, type Split } from './paper.js';

/** How far a data set contradicts itself, and its test part has been seen in training. */
export interface Leaks {
  /** Of all parts together. */
  rows: number;
  /** Rows of a paper that another row gives another label. */
  contradictingRows: number;
  /** Papers that stand in more than one part. */
  crossingPapers: number;
  /** Test rows whose paper stands in training too. */
  seenTestRows: number;
  /**
   * The best accuracy on all rows of whoever gives each paper one answer, knowing the labels of all its rows: its
   * most frequent one. 1 where no row contradicts another.
   */
  bestAccuracy: number;
  /** What that answer is worth on the test rows, if any row of a paper may be the one that is tested. */
  bestTestAccuracy: number;
}

/** Counts over all rows of the three parts; rows of one paper are those of {@link paperGroups}. */
export function measureLeaks(parts: Record<Split, readonly Paper[]>): Leaks {
  const rows = SPLITS.flatMap(part => parts[part].map(paper => ({ paper, part })));
  const groups = paperGroups(rows.map(({ paper }) => paper));
  const papers = new Map<
    number,
    { labels: Map<string, number>; parts: Set<Split>; rows: number; best: number }
  >();
  rows.forEach(({ paper: { label }, part }, i) => {
    let found = papers.get(groups[i]!);
    if (found === undefined) {
      found = { labels: new Map(), parts: new Set(), rows: 0, best: 0 };
      papers.set(groups[i]!, found);
    }
    const count = (found.labels.get(label) ?? 0) + 1;
    found.labels.set(label, count);
    found.parts.add(part);
    found.rows++;
    found.best = Math.max(found.best, count);
  });

  const leaks = { rows: rows.length, contradictingRows: 0, crossingPapers: 0, seenTestRows: 0 };
  let right = 0;
  for (const { labels, parts: sides, rows: all, best } of papers.values()) {
    if (labels.size > 1) leaks.contradictingRows += all;
    if (sides.size > 1) leaks.crossingPapers++;
    right += best;
  }
  let rightOfTest = 0;
  rows.forEach(({ part }, i) => {
    if (part !== 'test') return;
    const { parts: sides, rows: all, best } = papers.get(groups[i]!)!;
    if (sides.has('train')) leaks.seenTestRows++;
    rightOfTest += best / all;
  });
  return {
    ...leaks,
    bestAccuracy: right / rows.length,
    bestTestAccuracy: rightOfTest / parts.test.length,
  };
}

/** The figures as a person reads them, in two lines. */
export function describeLeaks(leaks: Leaks): string {
  const { rows, contradictingRows, crossingPapers, seenTestRows, bestAccuracy, bestTestAccuracy } = leaks;
  return [
    `contradictions: ${grouped(contradictingRows)} of ${counted(rows, 'row')} (${percent(contradictingRows / rows)}) have another label elsewhere; the best possible accuracy is ${percent(bestAccuracy)} (on test ${percent(bestTestAccuracy)})`,
    `leaks: ${counted(crossingPapers, 'paper')} on two sides; ${counted(seenTestRows, 'test row')} of papers that are trained on`,
  ].join('\n');
}
