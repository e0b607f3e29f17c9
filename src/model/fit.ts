import type { EncoderShape, HeadShape } from '../native.js';
import type { Lengths } from '../text/pack.js';
import { counted } from '../util/format.js';

/** No model is larger: what a config.json may claim, which is believed before any weights are read. */
export const LARGEST = {
  layers: 1000,
  width: 65_536,
  positions: 1_000_000,
  vocabulary: 10_000_000,
  words: 2 ** 26,
  pairs: 2 ** 28,
};

/** Why parts of a model do not go together. */
export interface Misfit {
  /** The setting to change. */
  about: 'attentionHeads' | 'crossAttentionHeads' | 'dropout' | keyof AnyLengths | 'lengths';
  /** What is wrong, as a part of a sentence. */
  what: string;
}

type AnyLengths = { title: number; abstract: number; joined: number };

/** What contradicts itself in a head and its lengths, whatever the encoder; undefined if nothing does. */
export function misfitOfHead(
  { type, hidden, dropout }: Pick<HeadShape, 'type' | 'hidden' | 'dropout'>,
  lengths: Lengths,
): Misfit | undefined {
  if (dropout.length !== hidden.length) {
    const what = `"dropout" has ${counted(dropout.length, 'number')} for the ${counted(hidden.length, 'layer')} of "hidden"`;
    return { about: 'dropout', what };
  }
  const keys = Object.keys(lengths).sort().join(' and ') || 'nothing';
  const expected = readsPairs(type) ? 'abstract and title' : 'joined';
  if (keys === expected) return undefined;
  return { about: 'lengths', what: `"lengths" has ${keys}, but the ${type} head needs ${expected}` };
}

/** Whether a head reads title and abstract as two sequences; the others read them as one. */
export function readsPairs(type: HeadShape['type']): boolean {
  return type === 'cross-attention' || type === 'concat';
}

/** What in a head and its lengths an encoder cannot serve; undefined if nothing. */
export function misfitOfEncoder(
  { hiddenSize, attentionHeads, maxPositions, positionOffset }: EncoderShape,
  head: Pick<HeadShape, 'type' | 'attentionHeads'>,
  lengths: Lengths,
): Misfit | undefined {
  if (hiddenSize % attentionHeads !== 0) {
    const what = `${attentionHeads} attention heads do not divide the encoder's width of ${hiddenSize}`;
    return { about: 'attentionHeads', what };
  }
  if (head.type === 'cross-attention' && hiddenSize % head.attentionHeads !== 0) {
    const what = `${head.attentionHeads} cross-attention heads do not divide the encoder's width of ${hiddenSize}`;
    return { about: 'crossAttentionHeads', what };
  }
  const longest = maxPositions - positionOffset;
  const [name, length] = Object.entries(lengths).find(([, length]) => length > longest) ?? [];
  if (name === undefined) return undefined;
  const what = `${name} length ${length} is more than the ${longest} tokens that the encoder reads`;
  return { about: name as keyof AnyLengths, what };
}
