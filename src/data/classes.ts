import { ArxivNativeError } from '../errors.js';
import { didYouMean } from '../util/options.js';
import { seededOrder } from '../util/random.js';
import { dateOf } from './dates.js';
import { baseId } from './paper.js';
import type { PrepareRule } from './prepare-options.js';
import { type Row, rowKey } from './rows.js';

/** A row with the class that it is to teach. */
export interface Labelled {
  row: Row;
  label: string;
}

/**
 * The classes, in alphabetical order: those asked for, else the categories that were searched, where the papers know
 * them and are labelled by category, else every label there is.
 * @throws BAD_INPUT for a class asked for that no paper is of
 */
export function findClasses(rows: readonly Row[], rule: PrepareRule, source: string): string[] {
  const { categories, labels } = rule;
  const found = new Set(rows.flatMap(row => (labels === 'query' ? carried(row) : row.paper.label || [])));
  if (categories !== undefined) {
    const missing = categories.find(name => !found.has(name));
    if (missing === undefined) return categories;
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${source}: no paper is of the class ${JSON.stringify(missing)}`,
      {
        remedy:
          found.size === 0 ? 'Check --categories.' : didYouMean(missing, [...found].sort().slice(0, 20)),
      },
    );
  }
  const searched = new Set(rows.flatMap(({ paper }) => paper.queries ?? []));
  const isByCategory = rows.every(({ paper }) => paper.label === (paper.categories[0] ?? ''));
  if (searched.size > 0 && isByCategory) return [...searched].sort();
  // By query every category that is anybody's first: cross-lists name fields that nobody collected.
  return [...new Set(rows.flatMap(({ paper }) => paper.label || []))].sort();
}

/** What a search for each of its categories would find a paper by. */
function carried({ paper }: Row): string[] {
  return paper.queries ?? paper.categories;
}

/** Each row with its label or, by query, once for each class that it carries; the others are left out. */
export function labelRows(rows: readonly Row[], classes: readonly string[], rule: PrepareRule): Labelled[] {
  if (rule.labels === 'query') {
    return rows.flatMap(row => {
      const names = new Set(carried(row));
      return classes.filter(name => names.has(name)).map(label => ({ row, label }));
    });
  }
  const known = new Set(classes);
  return rows.filter(({ paper }) => known.has(paper.label)).map(row => ({ row, label: row.paper.label }));
}

/**
 * At most `perClass` rows of each class, in the order they came: by query the newest, as a search gives them (of one
 * date those with the higher id, undated ones last), else drawn by the seed.
 */
export function sampleClasses(
  rows: readonly Labelled[],
  perClass: number,
  rule: PrepareRule,
  seed: number,
  source: string,
): Labelled[] {
  const classes = new Map<string, Labelled[]>();
  for (const each of rows) {
    const members = classes.get(each.label);
    if (members) members.push(each);
    else classes.set(each.label, [each]);
  }
  const drawn = new Set<Labelled>();
  for (const [label, members] of classes) {
    const order =
      rule.labels === 'query'
        ? newestFirst(members, label, source)
        : seededOrder(members, ({ row }) => rowKey(row), `sample ${seed}`);
    for (const each of order.slice(0, perClass)) drawn.add(each);
  }
  return rows.filter(each => drawn.has(each));
}

function newestFirst(members: readonly Labelled[], label: string, source: string): Labelled[] {
  const dated = members.map(each => {
    const { published, id } = each.row.paper;
    return { each, date: dateOf(published) === undefined ? '' : published!, id: baseId(id) };
  });
  if (dated.every(({ date }) => date === '')) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${source}: no paper that carries ${label} has a date, so the newest are not known`,
      { remedy: 'Each needs "published" as in 2025-06-30; or leave --per-class out.' },
    );
  }
  return dated.sort((a, b) => compare(b.date, a.date) || compare(b.id, a.id)).map(({ each }) => each);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
