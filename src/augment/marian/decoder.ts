import { type InferenceSession, Tensor } from 'onnxruntime-node';
import type { MarianShape } from './generation.js';

/** The keys or values of one layer, or what else a row keeps: `size` elements a row, in a buffer with room for more. */
interface Rows<Data extends Float32Array | BigInt64Array> {
  data: Data;
  size: number;
}

/**
 * The decoder of one batch, with the keys and values of what was written so far. A row is a hypothesis. Each sentence
 * begins with one; when its hypotheses multiply, the encoder's keys and values are copied into the new rows once, and
 * stay there.
 *
 * All keys and values lie in buffers of ours, which onnxruntime reads and writes in place; of those of the decoder
 * there are two sets, that are read and written in turn.
 */
export class Decoder {
  private rows: number;
  private readonly mostRows: number;
  /** Tokens in the cache. */
  private written = 0;
  /** Positions that the decoder's buffers have room for. */
  private room = 0;
  /** Which sentence each row belongs to. */
  private readonly sentences: number[];
  private readonly mask: Rows<BigInt64Array>;
  private readonly states: Rows<Float32Array>;
  private readonly encoder: ReadonlyMap<string, Rows<Float32Array>>;
  private past = new Map<string, Rows<Float32Array>>();
  private present = new Map<string, Rows<Float32Array>>();
  private readonly logits: Float32Array;

  /**
   * @param mask sentences × length
   * @param states of the encoder, sentences × length × width
   * @param beams rows that each sentence may come to need
   */
  constructor(
    private readonly session: InferenceSession,
    private readonly shape: MarianShape,
    mask: BigInt64Array,
    states: Float32Array,
    private readonly length: number,
    sentences: number,
    beams: number,
  ) {
    this.rows = sentences;
    this.sentences = Array.from({ length: sentences }, (_, i) => i);
    this.mostRows = sentences * beams;
    this.mask = { data: new BigInt64Array(this.mostRows * length), size: length };
    this.mask.data.set(mask);
    this.states = this.makeRows(length * shape.width);
    this.states.data.set(states);
    const { heads, headSize, layers } = shape;
    this.encoder = new Map(
      names(layers, 'encoder').map(name => [name, this.makeRows(heads * length * headSize)]),
    );
    this.logits = new Float32Array(this.mostRows * shape.vocabSize);
  }

  /** What the merged decoder is fed. */
  static inputs({ layers }: MarianShape): string[] {
    const cache = [...names(layers, 'decoder'), ...names(layers, 'encoder')];
    return [
      'input_ids',
      'encoder_attention_mask',
      'encoder_hidden_states',
      'use_cache_branch',
      ...cache.map(name => `past_key_values.${name}`),
    ];
  }

  private makeRows(size: number): Rows<Float32Array> {
    return { data: new Float32Array(this.mostRows * size), size };
  }

  /**
   * Writes one token in each row. @returns the logits of the next, rows × vocabulary, valid until the next call
   */
  async step(tokens: readonly number[]): Promise<Float32Array> {
    const { rows, written, length, shape } = this;
    const isFirst = written === 0;
    this.makeRoom();
    const cache = ({ data, size }: Rows<Float32Array>, positions: number) => {
      const used = positions === 0 ? 0 : rows * size;
      const dims = [rows, shape.heads, positions, shape.headSize];
      return new Tensor('float32', data.subarray(0, used), dims);
    };
    const feeds: Record<string, Tensor> = {
      input_ids: new Tensor('int64', BigInt64Array.from(tokens, BigInt), [rows, 1]),
      encoder_attention_mask: new Tensor('int64', this.mask.data.subarray(0, rows * length), [rows, length]),
      encoder_hidden_states: new Tensor('float32', this.states.data.subarray(0, rows * this.states.size), [
        rows,
        length,
        shape.width,
      ]),
      use_cache_branch: new Tensor('bool', [!isFirst], [1]),
    };
    const logits = this.logits.subarray(0, rows * shape.vocabSize);
    const fetches: Record<string, Tensor> = {
      logits: new Tensor('float32', logits, [rows, 1, shape.vocabSize]),
    };
    for (const [name, kept] of this.encoder) {
      // What the branch with a cache gives for the encoder are dummies.
      if (isFirst) fetches[`present.${name}`] = cache(kept, length);
      feeds[`past_key_values.${name}`] = cache(kept, isFirst ? 0 : length);
    }
    const width = shape.heads * shape.headSize;
    for (const [name, rowsNow] of this.past) {
      rowsNow.size = written * width;
      feeds[`past_key_values.${name}`] = cache(rowsNow, written);
      const next = this.present.get(name)!;
      next.size = (written + 1) * width;
      fetches[`present.${name}`] = cache(next, written + 1);
    }
    await this.session.run(feeds, fetches);
    [this.past, this.present] = [this.present, this.past];
    this.written++;
    return logits;
  }

  /**
   * Lets other hypotheses take the rows. A row that goes on stays where it is; only what two of them continue is copied,
   * into rows that nothing continues.
   *
   * @param parents for each hypothesis that goes on, the row that it continues
   * @returns for each the row that is now its own; they are the first ones
   */
  arrange(parents: readonly number[]): number[] {
    const places = parents.map(() => -1);
    const free = new Set(parents.keys());
    for (const [i, parent] of parents.entries()) {
      if (free.delete(parent)) places[i] = parent;
    }
    const settle = (isFit: (place: number, parent: number) => boolean) => {
      for (const [i, parent] of parents.entries()) {
        if (places[i] !== -1) continue;
        const place = [...free].find(each => isFit(each, parent));
        if (place === undefined) continue;
        free.delete(place);
        places[i] = place;
        this.copy(parent, place);
      }
    };
    const { sentences } = this;
    settle((place, parent) => sentences[place] === sentences[parent]);
    settle(() => true);
    this.rows = parents.length;
    return places;
  }

  private copy(from: number, to: number): void {
    for (const rows of this.past.values()) copyRow(rows, from, to);
    if (this.sentences[from] === this.sentences[to]) return;
    this.sentences[to] = this.sentences[from]!;
    copyRow(this.mask, from, to);
    copyRow(this.states, from, to);
    for (const rows of this.encoder.values()) copyRow(rows, from, to);
  }

  /** Doubles the decoder's buffers when the next token would not go in. */
  private makeRoom(): void {
    const { layers, heads, headSize } = this.shape;
    if (this.written < this.room) return;
    this.room = Math.max(16, 2 * this.room);
    const bigger = (old: Map<string, Rows<Float32Array>>) =>
      new Map(
        names(layers, 'decoder').map(name => {
          const rows = this.makeRows(heads * headSize * this.room);
          const before = old.get(name);
          if (before !== undefined) rows.data.set(before.data.subarray(0, this.rows * before.size));
          return [name, rows];
        }),
      );
    this.past = bigger(this.past);
    this.present = bigger(new Map());
  }
}

function copyRow({ data, size }: Rows<Float32Array | BigInt64Array>, from: number, to: number): void {
  data.copyWithin(to * size, from * size, (from + 1) * size);
}

function names(layers: number, side: 'decoder' | 'encoder'): string[] {
  return Array.from({ length: layers }, (_, i) => [`${i}.${side}.key`, `${i}.${side}.value`]).flat();
}
