import { grouped } from '../util/format.js';
import type { DatasetCounts } from './prepare.js';

/** What became of the papers that were read, as far as there are any to tell of: how many, and what. */
export function outcomes(counts: DatasetCounts): [papers: number, what: string][] {
  const { duplicates, duplicatesById, contradictions } = counts;
  const all: [number, string][] = [
    [counts.read, 'read'],
    [counts.withdrawn, 'withdrawn'],
    [counts.empty, 'without title or abstract'],
    [
      duplicates,
      `duplicates (${grouped(duplicatesById)} by id, ${grouped(duplicates - duplicatesById)} by title; ${grouped(contradictions)} of another label)`,
    ],
    [counts.unlabelled, 'without a label'],
    [counts.outsideClasses, 'of no class'],
    [counts.notSampled, 'more than were asked for'],
    [counts.childrenDropped, 'synthetic, without a parent in training'],
    [counts.childrenKept, 'synthetic, in training with their parents'],
    [counts.labelChanges, 'labelled otherwise than in the file'],
  ];
  return all.filter(([papers], i) => i === 0 || papers > 0);
}
