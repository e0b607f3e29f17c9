/**
 * Holm's step-down correction (1979): p-values of several tests, raised so that the chance of any false discovery among
 * them stays below the level at which they are read.
 *
 * @returns one a test, in the order given
 */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((a, b) => pValues[a]! - pValues[b]!);
  const adjusted = new Array<number>(pValues.length);
  let largest = 0;
  for (const [rank, test] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * pValues[test]!));
    adjusted[test] = largest;
  }
  return adjusted;
}
