import type { SparseModel } from '../../model/sparse-classifier.js';
import { fromBfloat16, toBfloat16 } from '../../model/words.js';

/** Of the features so many stay: fewer cost accuracy, more only space. */
const KEPT = 0.3;
/** Where there are no more than these, all stay. */
const LEAST = 10_000;

/**
 * A classifier to be carried by a saved model: without the features that tell the classes apart least, by the largest
 * difference of a feature's weights, and rounded as a file holds it, so that saving changes nothing.
 */
export function compact(model: SparseModel): SparseModel {
  const { vocabulary, labels, bias } = model;
  const { words, pairs } = vocabulary;
  const kept = keptFeatures(model);
  const numbers = new Map<number, number>();
  const columns: number[] = [];
  for (let word = 0; word < words.length; word++) {
    if (kept[word] === 1) numbers.set(word, columns.push(word) - 1);
  }
  const keptWords = columns.map(word => words[word]!);
  const keptPairs: number[] = [];
  for (let pair = 0; pair < pairs.length / 2; pair++) {
    if (kept[words.length + pair] !== 1) continue;
    columns.push(words.length + pair);
    keptPairs.push(numbers.get(pairs[2 * pair]!)!, numbers.get(pairs[2 * pair + 1]!)!);
  }
  const classes = labels.length;
  const weights = new Float32Array(columns.length * classes);
  for (const [i, column] of columns.entries()) {
    weights.set(model.weights.subarray(column * classes, (column + 1) * classes), i * classes);
  }
  return {
    labels,
    vocabulary: { words: keptWords, pairs: Int32Array.from(keptPairs) },
    idf: rounded(Float32Array.from(columns, column => model.idf[column]!)),
    weights: rounded(weights),
    bias,
  };
}

/** 1 for each feature that stays; a pair's words stay with it. */
function keptFeatures({ vocabulary: { words, pairs }, labels, weights, idf }: SparseModel): Uint8Array {
  const features = idf.length;
  const count = Math.min(features, Math.max(LEAST, Math.round(KEPT * features)));
  const spreads = Float32Array.from({ length: features }, (_, feature) => {
    const row = weights.subarray(feature * labels.length, (feature + 1) * labels.length);
    return Math.max(...row) - Math.min(...row);
  });
  const threshold = count === features ? -Infinity : spreads.toSorted()[features - count]!;
  const kept = Uint8Array.from(spreads, spread => (spread >= threshold ? 1 : 0));
  for (let pair = 0; pair < pairs.length / 2; pair++) {
    if (kept[words.length + pair] === 1) kept[pairs[2 * pair]!] = kept[pairs[2 * pair + 1]!] = 1;
  }
  return kept;
}

function rounded(values: Float32Array): Float32Array {
  return fromBfloat16(toBfloat16(values));
}
