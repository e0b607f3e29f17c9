import { paperGroups } from './groups.js';
import { baseId, type Paper, titleKey } from './paper.js';
import { type Row, rowKey } from './rows.js';

/** A synthetic paper and, if it is among the papers, what it was made of. */
export interface Child {
  row: Row;
  parent: Row | undefined;
}

/** Rows of which each paper is one. */
export interface Merged {
  papers: Row[];
  children: Child[];
  /** Rows dropped because another has their id. */
  byId: number;
  /** Rows dropped because another has their title; of children, title and abstract. */
  byTitle: number;
  /** Dropped duplicates whose label was not that of the row kept. */
  contradictions: number;
}

/**
 * A row without an id of its own that has the title of a paper with one, and another abstract, is that paper's
 * synthetic child: in such a form do augmented papers stand beside their parents.
 *
 * @param lost papers that were left out before: their children have no parent any more
 */
export function findChildren(rows: readonly Row[], lost: readonly Paper[] = []): readonly Row[] {
  if (rows.every(({ named }) => named)) return rows;
  const named = new Map<string, { id: string; abstracts: Set<string> }>();
  const present = rows.filter(row => row.named).map(({ paper }) => paper);
  for (const paper of [...present, ...lost]) {
    const title = titleKey(paper.title);
    if (title === '' || paper.parent !== undefined) continue;
    const found = named.get(title);
    if (found) found.abstracts.add(paper.abstract);
    else named.set(title, { id: baseId(paper.id), abstracts: new Set([paper.abstract]) });
  }
  return rows.map(row => {
    const { paper } = row;
    const parent = row.named || paper.parent !== undefined ? undefined : named.get(titleKey(paper.title));
    if (parent === undefined || parent.abstracts.has(paper.abstract)) return row;
    return { ...row, paper: { ...paper, parent: parent.id } };
  });
}

/**
 * Keeps one row of each paper: of an id the highest version, for that is what the authors stand by; of a title the
 * paper published first, for a later one is a copy of it, or a new submission of what was known. What decides is in
 * the rows and not in their order. All queries that found a paper are kept. Children are nobody's duplicates, unless
 * they have a sibling's or the parent's very words.
 */
export function mergeDuplicates(rows: readonly Row[]): Merged {
  // Two copies of what is not there must not make one paper of two that they are called as.
  const groups = paperGroups(
    rows.map(({ paper }) => paper),
    { orphansByTitle: false },
  );
  const families = new Map<number, Row[]>();
  rows.forEach((row, i) => {
    const family = families.get(groups[i]!);
    if (family) family.push(row);
    else families.set(groups[i]!, [row]);
  });
  const merged: Merged = { papers: [], children: [], byId: 0, byTitle: 0, contradictions: 0 };
  for (const family of families.values()) mergeFamily(family, merged);
  return merged;
}

function mergeFamily(family: readonly Row[], merged: Merged): void {
  // Nearly every paper stands alone.
  if (family.length === 1 && family[0]!.paper.parent === undefined) {
    merged.papers.push(family[0]!);
    return;
  }
  const rows = family.filter(({ paper }) => paper.parent === undefined);
  const ids = new Set(rows.map(({ paper }) => baseId(paper.id)));
  const kept = rows.length === 0 ? undefined : withQueries(first(rows), rows);
  if (kept !== undefined) {
    merged.papers.push(kept);
    merged.byTitle += ids.size - 1;
    merged.byId += rows.length - ids.size;
    const others = rows.filter(({ paper }) => paper.label !== kept.paper.label);
    merged.contradictions += others.length;
  }
  const words = new Set(kept === undefined ? [] : [text(kept.paper)]);
  for (const row of family) {
    if (row.paper.parent === undefined) continue;
    if (words.has(text(row.paper))) {
      merged.byTitle++;
      continue;
    }
    words.add(text(row.paper));
    merged.children.push({ row, parent: kept });
  }
}

/** The row that stands for the paper. */
function first(rows: readonly Row[]): Row {
  const latest = new Map<string, Row>();
  for (const row of rows) {
    const id = baseId(row.paper.id);
    const before = latest.get(id);
    if (before === undefined || isNewer(row.paper, before.paper)) latest.set(id, row);
  }
  // Undated papers come last.
  const age = (row: Row) => `${row.paper.published ?? '~'}\n${rowKey(row)}`;
  return [...latest.values()].reduce((a, b) => (age(b) < age(a) ? b : a));
}

/** Of two rows of one id. Where versions and dates say nothing, label and words decide: the order must not. */
function isNewer(a: Paper, b: Paper): boolean {
  if (a.version !== b.version) return (a.version ?? 0) > (b.version ?? 0);
  if (a.updated !== b.updated) return (a.updated ?? '') > (b.updated ?? '');
  return `${a.label}\n${text(a)}` < `${b.label}\n${text(b)}`;
}

function withQueries(kept: Row, rows: readonly Row[]): Row {
  const queries = [...new Set(rows.flatMap(({ paper }) => paper.queries ?? []))].sort();
  return queries.length === 0 ? kept : { ...kept, paper: { ...kept.paper, queries } };
}

function text({ title, abstract }: Paper): string {
  return `${title}\n${abstract}`;
}
