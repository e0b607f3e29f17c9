import { Growing } from '../util/growing.js';
import { PairTable } from './pair-table.js';

/** Terms of fewer texts are left out. */
const MIN_DOCUMENTS = 3;
/** scikit-learn's (?u)\b\w\w+\b, where \w is a letter, a number of any kind or an underscore. */
const WORD = /[\p{L}\p{N}_]{2,}/gu;

/** The features: words first, then pairs of neighbouring ones, each in the order in which they first came. */
export interface Vocabulary {
  words: string[];
  /** Two indices into `words` a pair. */
  pairs: Int32Array;
}

/** A vector's entries other than 0. */
export interface SparseVector {
  /** Indices of features, in no order. */
  columns: Int32Array;
  values: Float32Array;
}

/** Vectors one after another: row i has `values[p]` in `columns[p]` for p from `starts[i]` to `starts[i + 1]`. */
export interface SparseMatrix extends SparseVector {
  starts: Int32Array;
}

interface FitHooks {
  /** Awaited between texts. */
  rest: () => Promise<void>;
  onProgress: (done: number) => void;
}

/**
 * Texts as vectors: of each word and pair of neighbouring words (1 + ln tf)·idf with idf = ln((1 + n) / (1 + df)) + 1,
 * scaled to length 1. Equal to scikit-learn's TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=3), the
 * order of the features aside.
 */
export class Tfidf {
  private readonly words: Map<string, number>;
  private readonly pairs: PairTable;
  /** Of each feature how often the text at hand has it; 0 between texts. */
  private readonly counts: Int32Array;

  /**
   * @param idf one a feature
   * @throws RangeError if a word or pair comes twice
   */
  constructor(
    readonly vocabulary: Vocabulary,
    readonly idf: Float32Array,
  ) {
    const { words, pairs } = vocabulary;
    this.words = new Map(words.map((word, i) => [word, i]));
    this.pairs = new PairTable(pairs.length / 2);
    for (let i = 0; i < pairs.length; i += 2) this.pairs.add(pairs[i]!, pairs[i + 1]!);
    if (this.words.size < words.length || this.pairs.size < pairs.length / 2) {
      throw new RangeError('a word or pair comes twice');
    }
    this.counts = new Int32Array(idf.length);
  }

  /** Learns the vocabulary of these texts, and gives their vectors. */
  static async fit(
    texts: readonly string[],
    { rest, onProgress }: FitHooks,
  ): Promise<{ tfidf: Tfidf; matrix: SparseMatrix }> {
    const { words, frequencies, documents } = await countWords(texts, { rest, onProgress });
    const pairs = await countPairs(documents, rest);
    const idf = Float32Array.from(
      [...frequencies, ...pairs.frequencies],
      frequency => Math.log((1 + texts.length) / (1 + frequency)) + 1,
    );
    const tfidf = new Tfidf({ words, pairs: pairs.pairs }, idf);

    const starts = new Int32Array(texts.length + 1);
    const columns = new Growing(new Int32Array(0));
    const values = new Growing(new Float32Array(0));
    for (const [i, document] of documents.entries()) {
      const row = tfidf.vector(document);
      for (const column of row.columns) columns.push(column);
      for (const value of row.values) values.push(value);
      starts[i + 1] = columns.length;
      await rest();
    }
    return { tfidf, matrix: { starts, columns: columns.toArray(), values: values.toArray() } };
  }

  /** The vector of a text; empty if no word of it is known. */
  transform(text: string): SparseVector {
    return this.vector(wordsOf(text).map(word => this.words.get(word) ?? -1));
  }

  /** @param document the words' indices; −1 where one is not in the vocabulary */
  private vector(document: ArrayLike<number>): SparseVector {
    const { counts, idf } = this;
    const found: number[] = [];
    const count = (feature: number) => {
      if (counts[feature]! === 0) found.push(feature);
      counts[feature]! += 1;
    };
    for (let i = 0; i < document.length; i++) {
      const word = document[i]!;
      if (word === -1) continue;
      count(word);
      const next = document[i + 1] ?? -1;
      const pair = next === -1 ? -1 : this.pairs.find(word, next);
      if (pair !== -1) count(this.vocabulary.words.length + pair);
    }
    const values = new Float32Array(found.length);
    let squares = 0;
    for (const [i, feature] of found.entries()) {
      const value = (1 + Math.log(counts[feature]!)) * idf[feature]!;
      values[i] = value;
      squares += value * value;
      counts[feature] = 0;
    }
    const length = Math.sqrt(squares);
    for (let i = 0; i < values.length; i++) values[i]! /= length;
    return { columns: Int32Array.from(found), values };
  }
}

export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(WORD) ?? [];
}

/** The words of enough texts, in how many texts each is, and the texts as indices of words. */
async function countWords(texts: readonly string[], { rest, onProgress }: FitHooks) {
  const numbers = new Map<string, number>();
  const all: string[] = [];
  const counter = new DocumentCounter();
  const documents: Int32Array[] = [];
  for (const [i, text] of texts.entries()) {
    const document = wordsOf(text);
    documents.push(
      Int32Array.from(document, word => {
        let number = numbers.get(word);
        if (number === undefined) {
          number = all.length;
          // A copy: V8's longer substrings keep the whole text that they were cut from in memory.
          const copy = Buffer.from(word).toString();
          numbers.set(copy, number);
          all.push(copy);
        }
        counter.see(number, i);
        return number;
      }),
    );
    onProgress(i + 1);
    await rest();
  }
  const { renumbered, frequencies } = counter.frequent();
  for (const document of documents) {
    for (let i = 0; i < document.length; i++) document[i] = renumbered[document[i]!]!;
  }
  return { words: all.filter((_, number) => renumbered[number] !== -1), frequencies, documents };
}

/** The same of pairs. Where a pair is in enough texts its words are, so that others need not be counted. */
async function countPairs(documents: readonly Int32Array[], rest: () => Promise<void>) {
  const table = new PairTable();
  const counter = new DocumentCounter();
  for (const [i, document] of documents.entries()) {
    for (let at = 1; at < document.length; at++) {
      const [first, second] = [document[at - 1]!, document[at]!];
      if (first !== -1 && second !== -1) counter.see(table.add(first, second), i);
    }
    await rest();
  }
  const { renumbered, frequencies } = counter.frequent();
  const pairs = new Int32Array(2 * frequencies.length);
  table.forEach((first, second, number) => {
    const kept = renumbered[number]!;
    if (kept !== -1) pairs.set([first, second], 2 * kept);
  });
  return { pairs, frequencies };
}

/** In how many documents each of the numbers 0, 1, … is. */
class DocumentCounter {
  private readonly counts = new Growing(new Int32Array(0));
  private readonly lastSeenIn = new Growing(new Int32Array(0));

  /** @param number one that was seen before, or the next */
  see(number: number, document: number): void {
    if (number === this.counts.length) {
      this.counts.push(1);
      this.lastSeenIn.push(document);
    } else if (this.lastSeenIn.array[number] !== document) {
      this.counts.array[number]! += 1;
      this.lastSeenIn.array[number] = document;
    }
  }

  /** Of the numbers that enough documents have the counts; new numbers for these by the old, −1 for the rest. */
  frequent(): { renumbered: Int32Array; frequencies: Int32Array } {
    const counts = this.counts.toArray();
    let kept = 0;
    const renumbered = counts.map(count => (count < MIN_DOCUMENTS ? -1 : kept++));
    return { renumbered, frequencies: counts.filter(count => count >= MIN_DOCUMENTS) };
  }
}
