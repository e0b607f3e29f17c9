import { createHash } from 'node:crypto';

/** Of everything that draws and is given no seed. */
export const DEFAULT_SEED = 42;

/**
 * Random numbers in [0, 1), the same on every machine for the same key: Chris Doty-Humphrey's sfc32, its state
 * taken from the key's SHA-256. Not for secrets.
 */
export function seededRandom(key: string): () => number {
  const digest = createHash('sha256').update(key).digest();
  let [a, b, c, counter] = [0, 4, 8, 12].map(offset => digest.readInt32LE(offset)) as [
    number,
    number,
    number,
    number,
  ];
  return () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
}

/** Shuffles in place (Fisher and Yates) with numbers in [0, 1) from `random`, and returns the array. */
export function shuffle<T extends { length: number; [index: number]: unknown }>(
  array: T,
  random: () => number,
): T {
  for (let i = array.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [array[i], array[j]] = [array[j], array[i]];
  }
  return array;
}

/**
 * The items in an order that depends on the seed and on each one's own key alone: not on the order they came in, and
 * hardly on the others, so that one paper more moves few. Items of one key are told apart by that order.
 */
export function seededOrder<T>(items: readonly T[], keyOf: (item: T) => string, seed: string): T[] {
  const seen = new Map<string, number>();
  const ranked = items.map(item => {
    const key = keyOf(item);
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return { item, rank: createHash('sha256').update(`${seed}\n${before}\n${key}`).digest('hex') };
  });
  return ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1)).map(({ item }) => item);
}
