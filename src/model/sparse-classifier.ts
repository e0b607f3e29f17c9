import { Tfidf, type Vocabulary } from '../text/tfidf.js';

/** What a classifier of words reads of a paper. */
export function wordsText({ title, abstract }: { title: string; abstract: string }): string {
  return `${title} ${abstract}`;
}

export interface LinearModel {
  /** features × classes, row-major. */
  weights: Float32Array;
  /** One a class. */
  bias: Float32Array;
}

/** All that a classifier of words knows: plain data, to be saved and loaded. */
export interface SparseModel extends LinearModel {
  /** The classes, by index. */
  labels: readonly string[];
  vocabulary: Vocabulary;
  /** One a feature. */
  idf: Float32Array;
}

/** A classifier by words and pairs of words: TF-IDF and logistic regression. */
export class SparseClassifier {
  private readonly tfidf: Tfidf;

  /** @throws RangeError if the parts do not fit together, or a feature comes twice */
  constructor(readonly model: SparseModel) {
    const { labels, vocabulary, idf, weights, bias } = model;
    const features = vocabulary.words.length + vocabulary.pairs.length / 2;
    const classes = labels.length;
    if (idf.length !== features || bias.length !== classes || weights.length !== features * classes) {
      throw new RangeError(
        `${idf.length} idf, ${bias.length} biases and ${weights.length} weights for ${features} features and ${classes} classes`,
      );
    }
    this.tfidf = new Tfidf(vocabulary, idf);
  }

  /** One a label. Of a text without a known word the bias alone speaks. */
  probabilities(text: string): Float32Array {
    const logits = this.logits(text);
    softmax(logits);
    return Float32Array.from(logits);
  }

  /** What the probabilities are the softmax of. */
  logits(text: string): Float64Array {
    const { weights, bias } = this.model;
    const { columns, values } = this.tfidf.transform(text);
    const classes = bias.length;
    const logits = Float64Array.from(bias);
    for (let i = 0; i < columns.length; i++) {
      const base = columns[i]! * classes;
      for (let k = 0; k < classes; k++) logits[k]! += values[i]! * weights[base + k]!;
    }
    return logits;
  }
}

/** Turns logits into probabilities, in place, and returns the logarithm of the sum of their exponentials. */
export function softmax(logits: Float64Array): number {
  let largest = -Infinity;
  for (const logit of logits) largest = Math.max(largest, logit);
  let sum = 0;
  for (let k = 0; k < logits.length; k++) {
    logits[k] = Math.exp(logits[k]! - largest);
    sum += logits[k]!;
  }
  for (let k = 0; k < logits.length; k++) logits[k]! /= sum;
  return largest + Math.log(sum);
}
