/**
 * Learns word pieces from word counts: begins with single characters (`##c` inside a word) and joins the most
 * frequent pair of neighbours until there are `size` pieces or nothing left to join. Ties go to the pair that sorts
 * first, so the result depends on the counts alone. Characters beyond `size` are dropped, rarest first.
 */
export function trainWordPiece(counts: ReadonlyMap<string, number>, size: number): string[] {
  const names: string[] = [];
  const ids = new Map<string, number>();
  const idOf = (piece: string): number => {
    let id = ids.get(piece);
    if (id === undefined) {
      id = names.push(piece) - 1;
      ids.set(piece, id);
    }
    return id;
  };
  const words = [...counts].map(([word, count]) => ({
    count,
    pieces: [...word].map((char, i) => idOf(i === 0 ? char : `##${char}`)),
  }));
  const vocabulary = new Set(frequentPieces(words, names, size));
  const pairs = new Pairs(names);
  for (const [index, { pieces, count }] of words.entries()) pairs.add(pieces, count, index);
  pairs.arrange();

  while (vocabulary.size < size) {
    const best = pairs.take();
    if (best === undefined) break;
    const joined = names[best.left]! + names[best.right]!.slice(2);
    vocabulary.add(joined);
    const joinedId = idOf(joined);
    for (const index of best.words) {
      const word = words[index]!;
      const pieces = join(word.pieces, best.left, best.right, joinedId);
      // It had the pair once, and lost it to another since.
      if (pieces.length === word.pieces.length) continue;
      pairs.add(word.pieces, -word.count, index);
      pairs.add(pieces, word.count, index);
      word.pieces = pieces;
    }
    pairs.rearrange();
  }
  return [...vocabulary];
}

interface Pair {
  left: number;
  right: number;
  count: number;
  /** Indices of words that have it, or had it once. */
  words: Set<number>;
}

/** A pair as it was when it took its place in the queue; what has changed since takes another. */
interface Entry {
  pair: Pair;
  count: number;
}

/** All pairs of neighbours, the most frequent at hand. */
class Pairs {
  private readonly pairs = new Map<number, Pair>();
  private readonly changed = new Set<Pair>();
  /** A binary heap: the first is the best. */
  private readonly heap: Entry[] = [];

  constructor(private readonly names: readonly string[]) {}

  /** Counts the pairs of a word in, or with a negative count out. */
  add(pieces: readonly number[], count: number, word: number): void {
    for (let i = 1; i < pieces.length; i++) {
      const [left, right] = [pieces[i - 1]!, pieces[i]!];
      const key = left * 2 ** 26 + right;
      let pair = this.pairs.get(key);
      if (pair === undefined) {
        pair = { left, right, count: 0, words: new Set() };
        this.pairs.set(key, pair);
      }
      pair.count += count;
      if (count > 0) pair.words.add(word);
      this.changed.add(pair);
    }
  }

  /** Gives all pairs that were counted their place. */
  arrange(): void {
    for (const pair of this.changed) this.heap.push({ pair, count: pair.count });
    this.changed.clear();
    for (let i = (this.heap.length >> 1) - 1; i >= 0; i--) this.sink(i);
  }

  /** Gives those that have changed another. */
  rearrange(): void {
    for (const pair of this.changed) {
      if (pair.count === 0) this.pairs.delete(pair.left * 2 ** 26 + pair.right);
      else this.push({ pair, count: pair.count });
    }
    this.changed.clear();
  }

  /** The best pair, which is no longer at hand after; undefined if there is none. */
  take(): Pair | undefined {
    for (;;) {
      const first = this.heap[0];
      if (first === undefined) return undefined;
      const last = this.heap.pop()!;
      if (this.heap.length > 0) {
        this.heap[0] = last;
        this.sink(0);
      }
      if (first.count === first.pair.count) return first.pair;
    }
  }

  private push(entry: Entry): void {
    const { heap } = this;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.isBetter(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  private sink(start: number): void {
    const { heap } = this;
    const entry = heap[start]!;
    let i = start;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.isBetter(heap[child + 1]!, heap[child]!)) child++;
      if (!this.isBetter(heap[child]!, entry)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = entry;
  }

  private isBetter(a: Entry, b: Entry): boolean {
    if (a.count !== b.count) return a.count > b.count;
    return a.pair !== b.pair && compare(this.nameOf(a.pair), this.nameOf(b.pair)) < 0;
  }

  private nameOf({ left, right }: Pair): string {
    return `${this.names[left]} ${this.names[right]}`;
  }
}

function frequentPieces(
  words: { count: number; pieces: number[] }[],
  names: readonly string[],
  size: number,
): string[] {
  const totals = new Float64Array(names.length);
  for (const { count, pieces } of words) {
    for (const piece of pieces) totals[piece]! += count;
  }
  return [...names.keys()]
    .sort((a, b) => totals[b]! - totals[a]! || compare(names[a]!, names[b]!))
    .slice(0, Math.max(size, 0))
    .map(piece => names[piece]!)
    .sort(compare);
}

function join(pieces: readonly number[], left: number, right: number, joined: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < pieces.length; i++) {
    if (pieces[i] === left && pieces[i + 1] === right) {
      result.push(joined);
      i++;
    } else {
      result.push(pieces[i]!);
    }
  }
  return result;
}

/** By code units, whatever the locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
