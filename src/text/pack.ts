import type { PackedBatch } from '../native.js';
import type { Tokenizer } from './tokenizer.js';

/** Most tokens a sequence, special tokens included: for title and abstract apart, or for both in one sequence. */
export type Lengths = { title: number; abstract: number } | { joined: number };

/**
 * Tokenizes papers and lays all sequences end to end, without padding: title and abstract of the first paper, of
 * the second, …; or one joined sequence a paper.
 */
export function packPapers(
  tokenizer: Tokenizer,
  papers: readonly { title: string; abstract: string }[],
  lengths: Lengths,
): PackedBatch {
  const sequences = papers.flatMap(({ title, abstract }) =>
    'joined' in lengths
      ? [tokenizer.encodeJoined(title, abstract, lengths.joined)]
      : [tokenizer.encode(title, lengths.title), tokenizer.encode(abstract, lengths.abstract)],
  );
  const offsets = new Int32Array(sequences.length + 1);
  sequences.forEach((sequence, i) => {
    offsets[i + 1] = offsets[i]! + sequence.length;
  });
  const ids = new Int32Array(offsets[sequences.length]!);
  sequences.forEach((sequence, i) => {
    ids.set(sequence, offsets[i]!);
  });
  return { ids, offsets };
}
