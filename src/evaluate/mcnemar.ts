/** McNemar's test of two models that were given the same papers. */
export interface McNemar {
  both: number;
  /** Papers that only the first classifies rightly. */
  onlyFirst: number;
  onlySecond: number;
  neither: number;
  /** Probability, were both equally good, that they differ in accuracy at least this much on these papers. */
  pValue: number;
}

/**
 * McNemar's test (1947), two-sided. It is the exact binomial test at any number of papers, of which the common form by
 * chi-square is an approximation.
 *
 * @param first one class index a paper, as `second` and `targets` are
 */
export function mcnemar(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  targets: ArrayLike<number>,
): McNemar {
  if (first.length !== targets.length || second.length !== targets.length) {
    throw new RangeError(`${first.length} and ${second.length} predictions for ${targets.length} papers`);
  }
  const counts = { both: 0, onlyFirst: 0, onlySecond: 0, neither: 0 };
  for (let paper = 0; paper < targets.length; paper++) {
    const right = [first[paper] === targets[paper], second[paper] === targets[paper]];
    if (right[0]) counts[right[1] ? 'both' : 'onlyFirst'] += 1;
    else counts[right[1] ? 'onlySecond' : 'neither'] += 1;
  }
  return { ...counts, pValue: signTest(counts.onlyFirst, counts.onlySecond) };
}

/** Twice the probability of at most min(a, b) heads in a + b tosses of a fair coin, at most 1. */
function signTest(a: number, b: number): number {
  const tosses = a + b;
  const heads = Math.min(a, b);
  let logarithm = -tosses * Math.LN2;
  for (let i = 1; i <= heads; i++) logarithm += Math.log((tosses - heads + i) / i);
  let term = 1;
  let tail = 0;
  for (let k = heads; k >= 0; k--) {
    tail += term;
    term *= k / (tosses - k + 1);
  }
  return Math.min(1, 2 * Math.exp(logarithm) * tail);
}
