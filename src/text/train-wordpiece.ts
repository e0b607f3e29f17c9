/**
 * Learns word pieces from word counts: begins with single characters (`##c` inside a word) and joins the most
 * frequent pair of neighbours until there are `size` pieces or nothing left to join. Ties go to the pair that sorts
 * first, so the result depends on the counts alone. Characters beyond `size` are dropped, rarest first.
 */
export function trainWordPiece(counts: ReadonlyMap<string, number>, size: number): string[] {
  const words = [...counts]
    .sort(([a], [b]) => compare(a, b))
    .map(([word, count]) => ({ count, pieces: [...word].map((char, i) => (i === 0 ? char : `##${char}`)) }));

  const vocabulary = new Set(frequentPieces(words, size));
  const pairs = new Map<string, { left: string; right: string; count: number; words: Set<number> }>();
  const count = (index: number, sign: 1 | -1) => {
    const { pieces, count } = words[index]!;
    for (let i = 1; i < pieces.length; i++) {
      const [left, right] = [pieces[i - 1]!, pieces[i]!];
      const key = `${left} ${right}`;
      const pair = pairs.get(key) ?? { left, right, count: 0, words: new Set() };
      pairs.set(key, pair);
      pair.count += sign * count;
      pair.words.add(index);
      if (pair.count === 0) pairs.delete(key);
    }
  };
  for (const index of words.keys()) count(index, 1);

  while (vocabulary.size < size && pairs.size > 0) {
    let [bestKey, best] = pairs.entries().next().value!;
    for (const [key, pair] of pairs) {
      if (pair.count > best.count || (pair.count === best.count && compare(key, bestKey) < 0)) {
        [bestKey, best] = [key, pair];
      }
    }
    const joined = best.left + best.right.slice(2);
    vocabulary.add(joined);
    for (const index of best.words) {
      count(index, -1);
      words[index]!.pieces = join(words[index]!.pieces, best.left, best.right, joined);
      count(index, 1);
    }
  }
  return [...vocabulary];
}

function frequentPieces(words: { count: number; pieces: string[] }[], size: number): string[] {
  const totals = new Map<string, number>();
  for (const { count, pieces } of words) {
    for (const piece of pieces) totals.set(piece, (totals.get(piece) ?? 0) + count);
  }
  return [...totals]
    .sort((a, b) => b[1] - a[1] || compare(a[0], b[0]))
    .slice(0, Math.max(size, 0))
    .map(([piece]) => piece)
    .sort(compare);
}

function join(pieces: string[], left: string, right: string, joined: string): string[] {
  const result: string[] = [];
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
