import type { MaskedBatch } from '../../native.js';
import { seededRandom, shuffle } from '../../util/random.js';
import { epochOrder } from '../batches.js';
import type { TokenCorpus } from './corpus.js';
import { type MaskingVocabulary, maskWords } from './masking.js';
import type { TeacherStates } from './teacher.js';

const MOST_HELD_OUT = 1000;
const HELD_OUT_SHARE = 0.02;

export interface BatchOptions {
  corpus: TokenCorpus;
  vocabulary: MaskingVocabulary;
  /** Whether papers' categories are guessed. */
  categories: boolean;
  /** What another encoder makes of the same papers. */
  teacher?: TeacherStates | undefined;
  maskRate: number;
  batchTokens: number;
  seed: number;
}

/** A masked batch, and what is counted of it. */
export interface Batch extends Omit<MaskedBatch, 'learningRateScale'> {
  papers: number;
  /** Papers with a category. */
  labelled: number;
}

/**
 * The masked batches of a corpus. All is decided by the seed and by where the batch begins: which papers are held out,
 * the order of each epoch, the words that are masked.
 */
export class Batches {
  private readonly training: Int32Array;
  private readonly heldOut: Int32Array;
  private epoch: { number: number; order: Int32Array } | undefined;

  constructor(private readonly options: BatchOptions) {
    const { corpus, seed } = options;
    const count = corpus.length < 2 ? 0 : Math.min(MOST_HELD_OUT, Math.ceil(HELD_OUT_SHARE * corpus.length));
    const all = Int32Array.from({ length: corpus.length }, (_, index) => index);
    shuffle(all, seededRandom(`held out ${seed}`));
    this.heldOut = all.subarray(0, count);
    this.training = all.subarray(count).sort();
  }

  /** Papers that are trained on. */
  get papers(): number {
    return this.training.length;
  }

  get heldOutPapers(): number {
    return this.heldOut.length;
  }

  /** The batch of a step, counted from 0, that begins after so many papers of all epochs. */
  at(step: number, papers: number): Batch {
    const { corpus, batchTokens, seed } = this.options;
    const chosen: number[] = [];
    for (let tokens = 0; tokens < batchTokens; ) {
      const index = this.paperAt(papers + chosen.length);
      chosen.push(index);
      tokens += corpus.lengthOf(index);
    }
    return this.masked(chosen, `masks ${seed} ${step}`);
  }

  /** The papers held out, masked always in the same way. */
  *evaluation(): Generator<Batch> {
    const { corpus, batchTokens, seed } = this.options;
    for (let start = 0; start < this.heldOut.length; ) {
      const chosen: number[] = [];
      for (let tokens = 0; tokens < batchTokens && start < this.heldOut.length; start++) {
        chosen.push(this.heldOut[start]!);
        tokens += corpus.lengthOf(this.heldOut[start]!);
      }
      yield this.masked(chosen, `held-out masks ${seed} ${start}`);
    }
  }

  private paperAt(position: number): number {
    const number = Math.floor(position / this.training.length);
    if (this.epoch?.number !== number) {
      this.epoch = { number, order: epochOrder(this.training.length, this.options.seed, number) };
    }
    return this.training[this.epoch.order[position % this.training.length]!]!;
  }

  private masked(papers: number[], key: string): Batch {
    const { corpus, vocabulary, categories, teacher, maskRate } = this.options;
    const packed = corpus.batch(papers);
    const labels = categories ? Int32Array.from(papers, index => corpus.labels[index]!) : new Int32Array();
    return {
      ...maskWords(packed, maskRate, vocabulary, seededRandom(key)),
      offsets: packed.offsets,
      labels,
      ...(teacher && { teacher: teacher.batch(papers) }),
      microBatch: papers.length,
      papers: papers.length,
      labelled: labels.reduce((count, label) => count + Number(label >= 0), 0),
    };
  }
}
