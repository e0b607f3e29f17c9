import { ArxivNativeError } from '../errors.js';
import { counted } from '../util/format.js';
import { seededOrder } from '../util/random.js';
import type { Labelled } from './classes.js';
import { dateOf } from './dates.js';
import { SPLITS, type Split } from './paper.js';
import { place } from './rows.js';

/** Two to train on, one to validate, one to test. */
const FEWEST_PER_CLASS = 4;

/** Where papers came from, for messages. */
export interface Origin {
  source: string;
  /** Papers that were left out before as duplicates: they may be what is missed. */
  duplicates: number;
}

/** Rows that go to one side together, because they are one paper. */
export interface Unit {
  rows: readonly Labelled[];
  /** The class whose shares it counts for. */
  label: string;
  /** Decides its place, with the seed. */
  key: string;
}

/**
 * Splits each class apart, so that the shares hold within one paper in every class. Where a paper goes depends on the
 * seed, its key and its class's other papers, not on the order of the file.
 * @param shares of train, validation and test, in any unit
 * @throws BAD_INPUT if a class has fewer than four papers
 */
export function splitStratified(
  units: readonly Unit[],
  shares: readonly number[],
  seed: number,
  origin: Origin,
): Map<Unit, Split> {
  const classes = new Map<string, Unit[]>();
  for (const unit of units) {
    const members = classes.get(unit.label);
    if (members) members.push(unit);
    else classes.set(unit.label, [unit]);
  }
  const labels = [...classes.keys()].sort();
  refuseSmallClasses(labels, label => classes.get(label)!.length, FEWEST_PER_CLASS, origin);
  const [, validationShare, testShare] = portions(shares);
  const sides = new Map<Unit, Split>();
  for (const label of labels) {
    // By class too: of two rows of one paper neither must tell where the other stands.
    const members = seededOrder(classes.get(label)!, unit => unit.key, `split ${seed} ${label}`);
    const test = within(1, Math.round(members.length * testShare), members.length - 3);
    const validation = within(1, Math.round(members.length * validationShare), members.length - 2 - test);
    members.forEach((unit, i) => {
      sides.set(unit, i < test ? 'test' : i < test + validation ? 'validation' : 'train');
    });
  }
  return sides;
}

/**
 * The oldest papers train, the newest test. What is dated alike is never torn apart, since nobody could say which
 * came first: where papers of a month are dated by the month alone, the whole month stands together, else each day.
 * The cuts lie where the shares are met best; the classes have what their times gave them.
 * @throws BAD_INPUT for papers without a date, and for fewer than three different dates
 */
export function splitTemporal(
  units: readonly Unit[],
  shares: readonly number[],
  { source }: Origin,
): Map<Unit, Split> {
  const dates = units.map(({ rows }) => dateOf(rows[0]!.row.paper.published));
  const without = units.filter((_, i) => dates[i] === undefined);
  if (without.length > 0) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${source}: ${without.length} of ${counted(units.length, 'paper')} have no date to be split by; the first is ${place(without[0]!.rows[0]!.row)}`,
      { remedy: 'Each needs "published" as in 2025-06-30 or 2025-06; or split by --split grouped.' },
    );
  }
  const coarse = new Set(dates.filter(date => date!.length < 10));
  // Never longer than the coarsest date that it shares: 2025 before 2025-06 before 2025-06-30.
  const periods = dates.map(
    date => [date!.slice(0, 4), date!.slice(0, 7)].find(each => coarse.has(each)) ?? date!,
  );
  const sizes = new Map<string, number>();
  for (const period of periods) sizes.set(period, (sizes.get(period) ?? 0) + 1);
  const ordered = [...sizes.keys()].sort();
  if (ordered.length < 3) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${source}: the papers have ${counted(ordered.length, 'date')} only (${ordered.join(', ')}); a split by date needs three`,
      { remedy: 'Split by --split grouped.' },
    );
  }
  let total = 0;
  const until = ordered.map(period => {
    total += sizes.get(period)!;
    return total;
  });
  const [trainShare, validationShare] = portions(shares);
  const train = nearest(until, trainShare * total, 0, ordered.length - 3);
  const validation = nearest(until, (trainShare + validationShare) * total, train + 1, ordered.length - 2);
  const [lastTrained, lastValidated] = [ordered[train]!, ordered[validation]!];
  return new Map(
    units.map((unit, i) => {
      const period = periods[i]!;
      return [unit, period <= lastTrained ? 'train' : period <= lastValidated ? 'validation' : 'test'];
    }),
  );
}

/**
 * The split that the papers themselves state.
 * @throws BAD_INPUT if only some do, if a part is empty, or if rows of one paper state different ones
 */
export function splitAsGiven(units: readonly Unit[], { source }: Origin): Map<Unit, Split> {
  const rows = units.flatMap(unit => unit.rows.map(({ row }) => row));
  const without = rows.filter(({ paper }) => paper.split === undefined);
  if (without.length > 0) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${place(without[0]!)}: no split, though other papers have one (${without.length} of ${rows.length} have none)`,
      { remedy: 'Give every paper a split (train, validation or test), or none.' },
    );
  }
  const stated = new Set(rows.map(({ paper }) => paper.split));
  for (const part of SPLITS) {
    if (stated.has(part)) continue;
    throw new ArxivNativeError('BAD_INPUT', `${source}: no paper has the split ${part}`, {
      remedy: 'A given split needs train, validation and test; without a split column one is made.',
    });
  }
  return new Map(units.map(unit => [unit, unit.rows[0]!.row.paper.split!]));
}

/** @throws BAD_INPUT if there is one class only, or one with fewer than `fewest` papers */
export function refuseSmallClasses(
  labels: readonly string[],
  size: (label: string) => number,
  fewest: number,
  { source, duplicates }: Origin,
): void {
  const without = duplicates === 0 ? '' : ` without the ${counted(duplicates, 'duplicate')} of its papers`;
  if (labels.length < 2) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${source}: one class only (${labels[0]})${without}; a classifier needs two`,
      {
        remedy: `The label is "category", or the first of "categories".${duplicates === 0 ? '' : ' Papers of one id or title are duplicates.'}`,
      },
    );
  }
  const small = labels.filter(label => size(label) < fewest);
  if (small.length > 0) {
    const list = small.slice(0, 8).map(label => `${label} has ${size(label)}`);
    if (small.length > list.length) list.push('…');
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${source}: needs at least ${fewest} papers a class${fewest === FEWEST_PER_CLASS ? '' : ' to train on'}${without}; ${list.join(', ')}`,
      {
        remedy: `Add papers of these classes, or leave the classes out: ${naming(labels.filter(label => !small.includes(label)))}.`,
      },
    );
  }
}

function naming(labels: readonly string[]): string {
  const most = labels.slice(0, 8).join(',');
  return `prepare's --categories names those to keep${labels.length > 1 ? ` (${most}${labels.length > 8 ? ',…' : ''})` : ''}`;
}

/** Three shares that sum to 1. */
function portions(shares: readonly number[]): [number, number, number] {
  const sum = shares.reduce((a, b) => a + b, 0);
  return shares.map(share => share / sum) as [number, number, number];
}

function within(least: number, value: number, most: number): number {
  return Math.max(least, Math.min(value, most));
}

/** The index from `first` to `last` whose value is nearest to `target`. */
function nearest(values: readonly number[], target: number, first: number, last: number): number {
  let best = first;
  for (let i = first + 1; i <= last; i++) {
    if (Math.abs(values[i]! - target) < Math.abs(values[best]! - target)) best = i;
  }
  return best;
}
