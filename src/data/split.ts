import { ArxivNativeError } from '../errors.js';
import { counted } from '../util/format.js';
import { seededRandom, shuffle } from '../util/random.js';
import { type Paper, SPLITS, type Split } from './paper.js';

/** Shares of a class that validation and test get; training has the rest. */
const VALIDATION_SHARE = 0.15;
const TEST_SHARE = 0.15;
/** Two to train on, one to validate, one to test. */
const FEWEST_PER_CLASS = 4;

/** Where papers came from, for messages. */
interface Origin {
  source: string;
  /** Papers that were left out before as duplicates: they may be what is missed. */
  duplicates: number;
}

/**
 * Splits papers 70/15/15, each class apart (so that the shares hold within one paper in every class), by a
 * shuffle that depends on the seed and the papers' order alone. Every part keeps the papers' order.
 * @throws BAD_INPUT if a class has fewer than four papers
 */
export function splitStratified(papers: Paper[], seed: number, origin: Origin): Record<Split, Paper[]> {
  const classes = new Map<string, Paper[]>();
  for (const paper of papers) {
    const label = paper.label;
    const members = classes.get(label);
    if (members) members.push(paper);
    else classes.set(label, [paper]);
  }
  const labels = [...classes.keys()].sort();
  refuseSmallClasses(labels, label => classes.get(label)!.length, FEWEST_PER_CLASS, origin);
  const random = seededRandom(`split ${seed}`);
  const sides = new Map<Paper, Split>();
  for (const label of labels) {
    const members = shuffle([...classes.get(label)!], random);
    const test = Math.max(1, Math.round(members.length * TEST_SHARE));
    const validation = Math.max(1, Math.round(members.length * VALIDATION_SHARE));
    members.forEach((paper, i) => {
      sides.set(paper, i < test ? 'test' : i < test + validation ? 'validation' : 'train');
    });
  }
  const parts: Record<Split, Paper[]> = { train: [], validation: [], test: [] };
  for (const paper of papers) parts[sides.get(paper)!].push(paper);
  return parts;
}

/**
 * The split that the papers themselves state.
 * @throws BAD_INPUT if only some do, or if a part is empty
 */
export function splitAsGiven(papers: Paper[], source: string): Record<Split, Paper[]> {
  const without = papers.filter(paper => paper.split === undefined);
  if (without.length > 0) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${source}:${without[0]!.line}: no split, though other papers have one (${without.length} of ${papers.length} have none)`,
      { remedy: 'Give every paper a split (train, validation or test), or none.' },
    );
  }
  const parts: Record<Split, Paper[]> = { train: [], validation: [], test: [] };
  for (const paper of papers) parts[paper.split!].push(paper);
  for (const part of SPLITS) {
    if (parts[part].length === 0) {
      throw new ArxivNativeError('BAD_INPUT', `${source}: no paper has the split ${part}`, {
        remedy: 'A given split needs train, validation and test; without a split column one is made.',
      });
    }
  }
  return parts;
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
      { remedy: 'Add papers of these classes, or leave the classes out.' },
    );
  }
}
