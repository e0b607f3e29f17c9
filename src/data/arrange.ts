import { ArxivNativeError } from '../errors.js';
import { counted, grouped, percent } from '../util/format.js';
import { findClasses, type Labelled, labelRows, sampleClasses } from './classes.js';
import { type Child, findChildren, type Merged, mergeDuplicates } from './duplicates.js';
import { paperGroups } from './groups.js';
import { type Leaks, measureLeaks } from './leaks.js';
import { baseId, type Paper, SPLITS, type Split } from './paper.js';
import type { PrepareRule } from './prepare-options.js';
import { place, type Row, rowKey } from './rows.js';
import {
  type Origin,
  refuseSmallClasses,
  splitAsGiven,
  splitStratified,
  splitTemporal,
  type Unit,
} from './split.js';

/** What became of the rows; every row is counted once, but where it says otherwise. */
export interface ArrangeCounts {
  /** Rows dropped because another row is the same paper. */
  duplicates: number;
  /** Of them those with the other's id; the rest have its title only. */
  duplicatesById: number;
  /** Of them those whose label is not that of the row kept. */
  contradictions: number;
  /** Papers without a label: only the category that they were searched by is known. */
  unlabelled: number;
  /** Papers of no class. */
  outsideClasses: number;
  /** Rows, labelled, beyond the number asked for. */
  notSampled: number;
  /** Synthetic papers that train beside their parent; they are among the rows of `train`. */
  childrenKept: number;
  /** Synthetic papers whose parent is not there, or does not train. */
  childrenDropped: number;
  /** Rows whose file states another label (see Paper.stated) than they have now, also if they were dropped. */
  labelChanges: number;
  /** Rows by class, in the order of the labels. */
  train: number[];
  validation: number[];
  test: number[];
}

/** Rows, each with its label and its side. */
export interface Arrangement {
  /** The classes, in alphabetical order (by code units, as scikit-learn's LabelEncoder sorts). */
  labels: string[];
  rule: PrepareRule;
  parts: Record<Split, Paper[]>;
  counts: ArrangeCounts;
  leaks: Leaks;
  /** What does not hinder, but should be known. */
  warnings: string[];
}

export interface ArrangeOptions {
  rule: PrepareRule;
  seed: number;
  /** What the rows came from, for messages. */
  source: string;
  /** Whether a split was asked for: then the rows must not state one. */
  splitAsked?: boolean;
  /** Papers that were left out before; see {@link findChildren}. */
  lost?: readonly Paper[];
  /** The rows are a split as somebody made it: nobody's child is sought in it or taken out of it. */
  asTheyStand?: boolean;
}

/** Of a class in training: one paper alone tells too little about it. */
const FEWEST_TO_TRAIN_ON = 2;

/** A row in its final form. */
interface Placed {
  paper: Paper & { split: Split };
  row: Row;
}

/**
 * From rows to labelled parts: finds children, drops duplicates, labels, draws, splits. Every part keeps the rows'
 * order.
 * @throws BAD_INPUT for rows that cannot be arranged so; BAD_OPTION for a split asked for beside one that is stated
 */
export function arrange(read: readonly Row[], options: ArrangeOptions): Arrangement {
  const { seed, source, asTheyStand = false } = options;
  const rule = withStatedSplit(read, options);
  const inRows = rule.split === 'rows';
  const rows = inRows ? withParentsLabels(read) : asTheyStand ? read : findChildren(read, options.lost);
  if (rule.split === 'given') refuseCrossing(rows);

  const merged = inRows ? unmerged(rows) : mergeDuplicates(rows);
  // Of children that somebody put into the parts, those in training stay; nobody is judged by the others.
  const trains = ({ row }: Child) => asTheyStand && row.paper.split === 'train';
  const papers = [...merged.papers, ...merged.children.filter(trains).map(({ row }) => row)];
  const children = merged.children.filter(child => !trains(child));
  const duplicates = merged.byId + merged.byTitle;
  const origin: Origin = { source, duplicates };

  const classes = findClasses(papers, rule, source);
  const labelled = labelRows(papers, classes, rule);
  const { perClass } = rule;
  const drawn = perClass === undefined ? labelled : sampleClasses(labelled, perClass, rule, seed, source);
  if (drawn.length === 0) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${source}: none of ${counted(read.length, 'paper')} has a class`,
      {
        remedy: 'The label is "category", or the first of "categories"; --label-column names another field.',
      },
    );
  }
  const sides = split(inRows ? drawn.map(each => [each]) : byPaper(drawn), rule, seed, origin);
  const placed = placeRows(sides, children);
  const labels = checkClasses(placed, origin, rule);
  const parts: Record<Split, Paper[]> = { train: [], validation: [], test: [] };
  for (const { paper } of placed) parts[paper.split].push(paper);

  const ofClass = new Set(labelled.map(({ row }) => row));
  const unlabelled = papers.filter(row => row.paper.label === '' && !ofClass.has(row)).length;
  const stays = new Set(placed.map(({ row }) => row));
  const counts: ArrangeCounts = {
    duplicates,
    duplicatesById: merged.byId,
    contradictions: merged.contradictions,
    unlabelled,
    outsideClasses: papers.length - ofClass.size - unlabelled,
    notSampled: labelled.length - drawn.length,
    childrenKept: [...stays].filter(({ paper }) => paper.parent !== undefined).length,
    childrenDropped: children.filter(({ row }) => !stays.has(row)).length,
    labelChanges: rule.labels === 'query' ? 0 : countLabelChanges(rows, children, new Set(classes)),
    train: countByClass(parts.train, labels),
    validation: countByClass(parts.validation, labels),
    test: countByClass(parts.test, labels),
  };
  const warnings = warningsAbout(labels, counts, countByClass(drawn, labels), rule);
  return {
    labels,
    rule: { ...rule, categories: classes },
    parts,
    counts,
    leaks: measureLeaks(parts),
    warnings,
  };
}

function withStatedSplit(
  rows: readonly Row[],
  { rule, source, splitAsked = false }: ArrangeOptions,
): PrepareRule {
  if (!rows.some(({ paper }) => paper.split !== undefined)) return rule;
  if (splitAsked) {
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${source}: the papers state their split, and another is asked for`,
      {
        remedy: 'Leave --split and --ratios out, or the field "split" of the papers.',
      },
    );
  }
  const { ratios: _, ...rest } = rule;
  return { ...rest, split: 'given' };
}

/** Every row as it is; only a synthetic one, which may have no label of its own, takes that of its parent. */
function withParentsLabels(rows: readonly Row[]): Row[] {
  const labels = new Map(rows.map(({ paper }) => [baseId(paper.id), paper.label]));
  return findChildren(rows).map(({ paper }, i) => {
    const row = rows[i]!;
    if (row.paper.label !== '' || paper.parent === undefined) return row;
    return { ...row, paper: { ...row.paper, label: labels.get(baseId(paper.parent)) ?? '' } };
  });
}

function unmerged(rows: readonly Row[]): Merged {
  return { papers: [...rows], children: [], byId: 0, byTitle: 0, contradictions: 0 };
}

/** @throws BAD_INPUT if rows of one paper state different splits */
export function refuseCrossing(rows: readonly Row[]): void {
  const groups = paperGroups(rows.map(({ paper }) => paper));
  const first = new Map<number, Row>();
  const crossing = new Map<number, [Row, Row]>();
  rows.forEach((row, i) => {
    const group = groups[i]!;
    const before = first.get(group);
    if (row.paper.split === undefined) return;
    if (before === undefined) first.set(group, row);
    else if (before.paper.split !== row.paper.split && !crossing.has(group))
      crossing.set(group, [before, row]);
  });
  const pair = crossing.values().next().value;
  if (pair === undefined) return;
  const [a, b] = pair;
  const where = (row: Row) => `${place(row)} (${row.paper.split})`;
  const are = [a, b].some(({ paper }) => paper.parent !== undefined)
    ? 'are a paper and a copy of it'
    : 'are the same paper';
  throw new ArxivNativeError(
    'BAD_INPUT',
    `${crossing.size === 1 ? '1 paper stands' : `${crossing.size} papers stand`} on two sides of the split; ${where(a)} and ${where(b)} ${are}: ${a.paper.id}, ${JSON.stringify(a.paper.title.slice(0, 80))}`,
    { remedy: 'Keep each paper on one side, or give no split and let one be made.' },
  );
}

/** The rows of each paper together. */
function byPaper(rows: readonly Labelled[]): Labelled[][] {
  const papers = new Map<Row, Labelled[]>();
  for (const each of rows) {
    const others = papers.get(each.row);
    if (others) others.push(each);
    else papers.set(each.row, [each]);
  }
  return [...papers.values()];
}

function split(
  groups: readonly (readonly Labelled[])[],
  rule: PrepareRule,
  seed: number,
  origin: Origin,
): Map<Unit, Split> {
  const sizes = new Map<string, number>();
  for (const { label } of groups.flat()) sizes.set(label, (sizes.get(label) ?? 0) + 1);
  const units = groups.map(rows => {
    // Of a paper of several classes the smallest one has most to lose.
    const { label } = rows.reduce((a, b) => (sizes.get(b.label)! < sizes.get(a.label)! ? b : a));
    return { rows, label, key: rowKey(rows[0]!.row) };
  });
  const shares = rule.ratios ?? [];
  if (rule.split === 'given') return splitAsGiven(units, origin);
  return rule.split === 'temporal'
    ? splitTemporal(units, shares, origin)
    : splitStratified(units, shares, seed, origin);
}

/** All rows on their sides, children beside parents that train, in the order in which they were read. */
function placeRows(sides: ReadonlyMap<Unit, Split>, children: readonly Child[]): Placed[] {
  const placed: Placed[] = [];
  const training = new Map<Row, Unit>();
  for (const [unit, side] of sides) {
    if (side === 'train') training.set(unit.rows[0]!.row, unit);
    for (const { row, label } of unit.rows) placed.push({ row, paper: { ...row.paper, label, split: side } });
  }
  for (const { row, parent } of children) {
    const unit = parent && training.get(parent);
    if (unit === undefined) continue;
    for (const { label } of unit.rows) {
      const paper = { ...row.paper, parent: baseId(parent!.paper.id), label, split: 'train' as const };
      placed.push({ row, paper });
    }
  }
  return placed.sort((a, b) => a.row.index - b.row.index);
}

/** The labels of training, in order. @throws BAD_INPUT if it lacks one, or has too little of one */
function checkClasses(placed: readonly Placed[], origin: Origin, rule: PrepareRule): string[] {
  const sizes = new Map<string, number>();
  for (const { paper } of placed) {
    if (paper.split === 'train') sizes.set(paper.label, (sizes.get(paper.label) ?? 0) + 1);
  }
  const labels = [...sizes.keys()].sort();
  const strange = placed.find(({ paper }) => !sizes.has(paper.label));
  if (strange !== undefined) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${place(strange.row)}: category ${JSON.stringify(strange.paper.label)} is not among those of the training papers (${labels.join(', ')})`,
      rule.split === 'temporal' ? { remedy: 'It is too young for this split: leave the class out.' } : {},
    );
  }
  refuseSmallClasses(labels, label => sizes.get(label)!, FEWEST_TO_TRAIN_ON, origin);
  return labels;
}

function countByClass(papers: readonly { label: string }[], labels: readonly string[]): number[] {
  const index = new Map(labels.map((label, k) => [label, k]));
  const counts = labels.map(() => 0);
  for (const { label } of papers) counts[index.get(label)!]!++;
  return counts;
}

function sharesOf(sizes: readonly number[]): number[] {
  const sum = sizes.reduce((a, b) => a + b, 0);
  return sizes.map(size => size / sum);
}

function countLabelChanges(
  rows: readonly Row[],
  children: readonly Child[],
  classes: ReadonlySet<string>,
): number {
  const parents = new Map(children.map(({ row, parent }) => [row.index, parent?.paper.label ?? '']));
  return rows.filter(({ paper, index }) => {
    const stated = paper.stated ?? paper.label;
    const label = parents.get(index) ?? paper.label;
    return classes.has(label) && stated !== '' && stated !== label;
  }).length;
}

function warningsAbout(
  labels: readonly string[],
  counts: ArrangeCounts,
  drawn: readonly number[],
  { perClass, split, ratios }: PrepareRule,
): string[] {
  const warnings: string[] = [];
  for (const part of SPLITS) {
    const missing = labels.filter((_, k) => counts[part][k] === 0);
    if (missing.length > 0) warnings.push(`${part} has no paper of ${missing.join(', ')}`);
  }
  labels.forEach((label, k) => {
    if (perClass !== undefined && drawn[k]! < perClass) {
      warnings.push(
        `${label} has ${counted(drawn[k]!, 'paper')}, fewer than the ${grouped(perClass)} asked for`,
      );
    }
  });
  if (split === 'temporal' && ratios !== undefined) {
    const sizes = SPLITS.map(part => counts[part].reduce((a, b) => a + b, 0));
    const shares = sharesOf(sizes);
    const furthest = Math.max(...sharesOf(ratios).map((share, i) => Math.abs(share - shares[i]!)));
    if (furthest > 0.02) {
      warnings.push(
        `the dates allow no closer shares than ${shares.map(percent).join(', ')}: papers of one time stay together`,
      );
    }
  }
  return warnings;
}
