import type { PackedBatch } from '../../native.js';

/** What masking needs to know of a tokenizer. */
export interface MaskingVocabulary {
  size: number;
  maskTokenId: number;
  /** Tokens that are never guessed, nor put in another's place. */
  specialIds: ReadonlySet<number>;
}

export interface MaskedWords {
  /** The batch's ids with the masks in them. */
  ids: Int32Array;
  positions: Int32Array;
  targets: Int32Array;
}

/**
 * Chooses the words to be guessed, as BERT does: of each sequence a fixed share (at least one word, where there is
 * one), and of those 80 % are replaced by the mask, 10 % by any word, and 10 % stay.
 *
 * @param rate above 0 and below 1
 * @param random numbers in [0, 1)
 */
export function maskWords(
  { ids, offsets }: PackedBatch,
  rate: number,
  { size, maskTokenId, specialIds }: MaskingVocabulary,
  random: () => number,
): MaskedWords {
  const masked = ids.slice();
  const positions: number[] = [];
  for (let s = 0; s + 1 < offsets.length; s++) {
    const words: number[] = [];
    for (let i = offsets[s]!; i < offsets[s + 1]!; i++) if (!specialIds.has(ids[i]!)) words.push(i);
    const count = Math.min(words.length, Math.max(1, Math.round(rate * words.length)));
    // The first steps of a shuffle.
    for (let k = 0; k < count; k++) {
      const other = k + Math.floor(random() * (words.length - k));
      [words[k], words[other]] = [words[other]!, words[k]!];
    }
    positions.push(...words.slice(0, count).sort((a, b) => a - b));
  }
  for (const position of positions) {
    const draw = random();
    if (draw < 0.8) masked[position] = maskTokenId;
    else if (draw < 0.9) masked[position] = anyWord(size, specialIds, random);
  }
  return {
    ids: masked,
    positions: Int32Array.from(positions),
    targets: Int32Array.from(positions, position => ids[position]!),
  };
}

function anyWord(size: number, specialIds: ReadonlySet<number>, random: () => number): number {
  for (;;) {
    const id = Math.floor(random() * size);
    if (!specialIds.has(id)) return id;
  }
}
