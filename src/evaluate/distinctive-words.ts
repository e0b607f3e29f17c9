/** A word that tells a class from the others. */
export interface DistinctiveWord {
  word: string;
  /** Of the class's papers, the share that has it in title or abstract. */
  share: number;
  /** Of all other papers. */
  elsewhere: number;
}

/** Letters, then letters, digits and hyphens. */
const WORD = /\p{L}[\p{L}\p{N}-]*[\p{L}\p{N}]/gu;

/**
 * Of each class the words that its papers have more often than the others', the most distinctive first: by the log
 * odds ratio of having the word over its standard error (Haldane and Anscombe's: a half is added to each count), so
 * that neither rare nor common words win by chance. Case does not count.
 *
 * @param papers their texts, and which of the classes 0 … classes − 1 each is of
 * @returns one list a class, with at most `count` words
 */
export function distinctiveWords(
  papers: readonly { text: string; label: number }[],
  classes: number,
  count: number,
): DistinctiveWord[][] {
  const sizes = new Array<number>(classes).fill(0);
  /** In how many papers of each class a word stands. */
  const counts = new Map<string, Uint32Array>();
  for (const { text, label } of papers) {
    sizes[label]!++;
    for (const word of new Set(text.toLowerCase().match(WORD) ?? [])) {
      const known = counts.get(word);
      const ofWord = known ?? new Uint32Array(classes);
      ofWord[label]!++;
      if (known === undefined) counts.set(word, ofWord);
    }
  }
  const scored = sizes.map((): (DistinctiveWord & { score: number })[] => []);
  for (const [word, ofWord] of counts) {
    const all = ofWord.reduce((sum, papers) => sum + papers, 0);
    for (const [label, size] of sizes.entries()) {
      const inside = ofWord[label]!;
      const outside = all - inside;
      const others = papers.length - size;
      const score = zScore(inside + 0.5, size - inside + 0.5, outside + 0.5, others - outside + 0.5);
      if (score < SIGNIFICANT) continue;
      scored[label]!.push({ word, share: inside / size, elsewhere: outside / others, score });
    }
  }
  return scored.map(words =>
    words
      .sort((a, b) => b.score - a.score || (a.word < b.word ? -1 : 1))
      .slice(0, count)
      .map(({ score: _, ...word }) => word),
  );
}

/** Standard errors; below it a class's lead with a word is no more than chance. */
const SIGNIFICANT = 2;

function zScore(a: number, b: number, c: number, d: number): number {
  return Math.log((a * d) / (b * c)) / Math.sqrt(1 / a + 1 / b + 1 / c + 1 / d);
}
