import type { Leaks } from '../data/leaks.js';
import { counted, grouped, percent } from '../util/format.js';

/** How far the data contradicts itself and leaks, in two lines. */
export function describeLeaks(leaks: Leaks): string {
  const { rows, contradictingRows, crossingPapers, seenTestRows, bestAccuracy, bestTestAccuracy } = leaks;
  return [
    `contradictions: ${grouped(contradictingRows)} of ${counted(rows, 'row')} (${percent(contradictingRows / rows)}) have another label elsewhere; the best possible accuracy is ${percent(bestAccuracy)} (on test ${percent(bestTestAccuracy)})`,
    `leaks: ${counted(crossingPapers, 'paper')} on two sides; ${counted(seenTestRows, 'test row')} of papers that are trained on`,
  ].join('\n');
}
