import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fitLogisticRegression } from '../../../src/evaluate/baseline/logistic-regression.js';
import { SparseClassifier, wordsText } from '../../../src/model/sparse-classifier.js';
import { Tfidf, type Vocabulary, wordsOf } from '../../../src/text/tfidf.js';

const url = (path: string) => new URL(path, import.meta.url);
const fixture = (name: string) => JSON.parse(readFileSync(url(`../../fixtures/baseline/${name}`), 'utf8'));
const expected = fixture('examples.json');
const papers: { title: string; abstract: string; categories: string[] }[] = readFileSync(
  url('../../../examples/papers.jsonl'),
  'utf8',
)
  .trim()
  .split('\n')
  .map(line => JSON.parse(line));
const heldOut = papers.filter((_, i) => expected.heldOut.includes(i));
const training = papers.filter((_, i) => !expected.heldOut.includes(i));

const rest = async () => {};
const onProgress = () => {};
const fitted = await Tfidf.fit(training.map(wordsText), { rest, onProgress });
const terms = termsOf(fitted.tfidf.vocabulary);

function termsOf({ words, pairs }: Vocabulary): string[] {
  const found = [...words];
  for (let i = 0; i < pairs.length; i += 2) found.push(`${words[pairs[i]!]} ${words[pairs[i + 1]!]}`);
  return found;
}

/** Trained on the training papers of these labels. */
async function classifierOf(labels: string[]): Promise<SparseClassifier> {
  const { matrix, tfidf } = fitted;
  const rows = training.map((_, i) => i).filter(i => labels.includes(training[i]!.categories[0]!));
  const starts = [0];
  const columns: number[] = [];
  const values: number[] = [];
  for (const row of rows) {
    columns.push(...matrix.columns.subarray(matrix.starts[row], matrix.starts[row + 1]));
    values.push(...matrix.values.subarray(matrix.starts[row], matrix.starts[row + 1]));
    starts.push(columns.length);
  }
  const chosen = {
    starts: Int32Array.from(starts),
    columns: Int32Array.from(columns),
    values: Float32Array.from(values),
  };
  const targets = rows.map(row => labels.indexOf(training[row]!.categories[0]!));
  const size = { features: terms.length, classes: labels.length };
  const { weights, bias } = await fitLogisticRegression(chosen, targets, size, { rest, onProgress });
  return new SparseClassifier({ labels, vocabulary: tfidf.vocabulary, idf: tfidf.idf, weights, bias });
}

/** The largest difference between two lists of lists. */
function difference(a: number[][], b: number[][]): number {
  expect(a.map(row => row.length)).toEqual(b.map(row => row.length));
  return Math.max(...a.flatMap((row, i) => row.map((value, j) => Math.abs(value - b[i]![j]!))));
}

describe('words', () => {
  const { texts, inWords, unassigned } = fixture('words.json');

  it.each<[string, string[]]>(texts)('of %j', (text, words) => expect(wordsOf(text)).toEqual(words));

  it('are made of the same characters', () => {
    const holds = (boundaries: number[]) => {
      const marks = new Uint8Array(0x110000);
      for (let i = 0; i < boundaries.length; i += 2) marks.fill(1, boundaries[i], boundaries[i + 1]);
      return marks;
    };
    const [inside, empty] = [holds(inWords), holds(unassigned)];
    const different: string[] = [];
    for (let code = 0; code < 0x110000; code++) {
      if (empty[code] === 1 || (code >= 0xd800 && code < 0xe000)) continue;
      const isWord = wordsOf(String.fromCodePoint(code).repeat(2)).length > 0;
      if (isWord !== (inside[code] === 1)) different.push(code.toString(16));
    }
    expect(different).toEqual([]);
  });
});

describe('TF-IDF', () => {
  it('has the same terms and idf', () => {
    expect([...terms].sort()).toEqual(Object.keys(expected.idf).sort());
    for (const [i, term] of terms.entries()) {
      expect(fitted.tfidf.idf[i]).toBeCloseTo(expected.idf[term], 6);
    }
  });

  it('gives the same vectors of papers it has not seen', () => {
    for (const [i, row] of (expected.rows as Record<string, number>[]).entries()) {
      const { columns, values } = fitted.tfidf.transform(wordsText(heldOut[i]!));
      const found = Object.fromEntries([...columns].map((column, at) => [terms[column]!, values[at]!]));
      expect(Object.keys(found).sort()).toEqual(Object.keys(row).sort());
      for (const term of Object.keys(row)) expect(found[term]).toBeCloseTo(row[term]!, 6);
    }
  });

  it('gives a training paper the row that it has in the matrix', () => {
    const { starts, columns, values } = fitted.matrix;
    for (const [i, paper] of training.entries()) {
      const vector = fitted.tfidf.transform(wordsText(paper));
      expect(vector.columns).toEqual(columns.slice(starts[i], starts[i + 1]));
      expect(vector.values).toEqual(values.slice(starts[i], starts[i + 1]));
    }
  });
});

describe('logistic regression', () => {
  it('comes to the same weights, bias and probabilities', async () => {
    const classifier = await classifierOf(expected.labels);
    const { weights, bias } = classifier.model;
    const rows = terms.map((_, i) => [...weights.subarray(4 * i, 4 * i + 4)]);
    const theirs = terms.map(term => expected.weights[term] as number[]);
    expect(difference(rows, theirs)).toBeLessThan(5e-3);
    expect(difference([[...bias]], [expected.bias])).toBeLessThan(1e-3);
    const probabilities = heldOut.map(paper => [...classifier.probabilities(wordsText(paper))]);
    expect(difference(probabilities, expected.probabilities)).toBeLessThan(1e-3);
  });

  it('takes two classes as scikit-learn does', async () => {
    const classifier = await classifierOf(expected.pair.labels);
    const probabilities = heldOut.map(paper => [...classifier.probabilities(wordsText(paper))]);
    expect(difference(probabilities, expected.pair.probabilities)).toBeLessThan(1e-3);
  });
});
