import type { Example } from '../data/dataset.js';
import type { PackedBatch } from '../native.js';
import { type Lengths, packPapers } from '../text/pack.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { targetsOf } from './figures.js';

export interface LabelledBatch extends PackedBatch {
  /** One class index a paper. */
  labels: Int32Array;
}

/**
 * The papers of a split as token ids. Each is tokenized when a batch first asks for it, which the loop does while
 * the engine works on the batch before, and then kept.
 */
export class TokenizedExamples {
  private readonly papers: PackedBatch[] = [];

  constructor(
    private readonly tokenizer: Tokenizer,
    readonly examples: readonly Example[],
    private readonly lengths: Lengths,
  ) {}

  get length(): number {
    return this.examples.length;
  }

  /** One class index a paper. */
  get targets(): number[] {
    return targetsOf(this.examples);
  }

  /** The papers of these indices, in this order. */
  batch(indices: ArrayLike<number>): LabelledBatch {
    const order = Array.from(indices);
    const labels = Int32Array.from(order, index => this.examples[index]!.label);
    return { ...concatenate(order.map(index => this.tokenized(index))), labels };
  }

  /** The papers from index `start` to before `end`, as far as there are any. */
  range(start: number, end: number): LabelledBatch {
    const count = Math.max(0, Math.min(end, this.length) - start);
    return this.batch(Array.from({ length: count }, (_, i) => start + i));
  }

  private tokenized(index: number): PackedBatch {
    this.papers[index] ??= packPapers(this.tokenizer, [this.examples[index]!.paper], this.lengths);
    return this.papers[index];
  }
}

function concatenate(parts: PackedBatch[]): PackedBatch {
  const tokens = parts.reduce((sum, part) => sum + part.ids.length, 0);
  const sequences = parts.reduce((sum, part) => sum + part.offsets.length - 1, 0);
  const ids = new Int32Array(tokens);
  const offsets = new Int32Array(sequences + 1);
  let sequence = 0;
  let token = 0;
  for (const part of parts) {
    ids.set(part.ids, token);
    for (let i = 0; i < part.offsets.length - 1; i++) offsets[sequence++] = token + part.offsets[i]!;
    token += part.ids.length;
  }
  offsets[sequence] = token;
  return { ids, offsets };
}
