import { closeSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReadHooks } from '../../data/rows.js';
import { unlabelledPapers } from '../../data/unlabelled.js';
import { ArxivNativeError } from '../../errors.js';
import type { PackedBatch } from '../../native.js';
import type { Tokenizer } from '../../text/tokenizer.js';
import { fileError, writeFileSynced, writeWhole } from '../../util/files.js';

const IDS = 'corpus-ids.bin';
const PAPERS = 'corpus-papers.bin';
const ABOUT = 'corpus.json';

/** The names of what a corpus consists of on the disk. */
export const CORPUS_FILES = /^corpus(-ids\.bin|-papers\.bin|\.json)(\.part)?$/;

/** A category of fewer papers is not worth guessing. */
const LEAST_PAPERS = 10;
const BLOCK = 1 << 20;
const LARGEST_SHORT = 2 ** 16;

interface About {
  /** What it was made of. */
  key: string;
  papers: number;
  tokens: number;
  categories: string[];
  /** An id. */
  bytes: 2 | 4;
}

/**
 * Papers as token ids in a file of their own, from which any of them is read in a moment; in memory are only each one's
 * length and category.
 */
export class TokenCorpus {
  private readonly starts: Float64Array;

  private constructor(
    private readonly descriptor: number,
    private readonly about: About,
    private readonly lengths: Int32Array,
    /** By paper, the index of its first category; -1 where it has none that is guessed. */
    readonly labels: Int32Array,
  ) {
    this.starts = new Float64Array(lengths.length + 1);
    lengths.forEach((length, i) => {
      this.starts[i + 1] = this.starts[i]! + length;
    });
  }

  /** How many papers there are. */
  get length(): number {
    return this.lengths.length;
  }

  get tokens(): number {
    return this.about.tokens;
  }

  get categories(): string[] {
    return this.about.categories;
  }

  /**
   * The corpus of a folder, made anew unless one with this key is there.
   *
   * @param key names all that it is made of: the content of the sources, the tokenizer, the longest text
   * @throws BAD_INPUT, IO, CANCELLED
   */
  static async prepare(
    folder: string,
    key: string,
    sources: readonly string[],
    tokenizer: Tokenizer,
    maxLength: number,
    hooks: ReadHooks,
  ): Promise<TokenCorpus> {
    const about = await readAbout(folder, key);
    if (about !== undefined) return TokenCorpus.open(folder, about);
    try {
      await rm(join(folder, ABOUT), { force: true });
      return await TokenCorpus.open(
        folder,
        await tokenize(folder, key, sources, tokenizer, maxLength, hooks),
      );
    } catch (error) {
      throw (error as NodeJS.ErrnoException).syscall ? fileError(error, `writing ${folder}`) : error;
    }
  }

  private static async open(folder: string, about: About): Promise<TokenCorpus> {
    const bytes = await readFile(join(folder, PAPERS));
    const pairs = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const [lengths, labels] = [new Int32Array(about.papers), new Int32Array(about.papers)];
    for (let i = 0; i < about.papers; i++) {
      lengths[i] = pairs[2 * i]!;
      labels[i] = pairs[2 * i + 1]!;
    }
    return new TokenCorpus(openSync(join(folder, IDS), 'r'), about, lengths, labels);
  }

  /** Of papers at these indices, in this order. Throws IO. */
  batch(indices: readonly number[]): PackedBatch {
    const offsets = new Int32Array(indices.length + 1);
    indices.forEach((index, i) => {
      offsets[i + 1] = offsets[i]! + this.lengths[index]!;
    });
    const ids = new Int32Array(offsets[indices.length]!);
    indices.forEach((index, i) => {
      ids.set(this.read(index), offsets[i]);
    });
    return { ids, offsets };
  }

  /** Tokens of a paper. */
  lengthOf(index: number): number {
    return this.lengths[index]!;
  }

  close(): void {
    closeSync(this.descriptor);
  }

  private read(index: number): Uint16Array | Int32Array {
    const { bytes } = this.about;
    const ids = bytes === 2 ? new Uint16Array(this.lengths[index]!) : new Int32Array(this.lengths[index]!);
    try {
      if (readSync(this.descriptor, ids, 0, ids.byteLength, this.starts[index]! * bytes) === ids.byteLength) {
        return ids;
      }
    } catch (error) {
      throw fileError(error, 'reading the tokenized corpus');
    }
    throw new ArxivNativeError('IO', 'the tokenized corpus has become shorter');
  }
}

/** What a folder holds, if it is whole and was made of the same. */
async function readAbout(folder: string, key: string): Promise<About | undefined> {
  try {
    const about = JSON.parse(await readFile(join(folder, ABOUT), 'utf8')) as About;
    const [ids, papers] = await Promise.all([IDS, PAPERS].map(name => stat(join(folder, name))));
    const whole = ids!.size === about.tokens * about.bytes && papers!.size === about.papers * 8;
    return whole && about.key === key ? about : undefined;
  } catch {
    return undefined;
  }
}

async function tokenize(
  folder: string,
  key: string,
  sources: readonly string[],
  tokenizer: Tokenizer,
  maxLength: number,
  hooks: ReadHooks,
): Promise<About> {
  const bytes = tokenizer.vocabSize <= LARGEST_SHORT ? 2 : 4;
  const file = await open(join(folder, IDS), 'w');
  const lengths: number[] = [];
  const named: number[] = [];
  const found = new Map<string, { index: number; papers: number }>();
  let tokens = 0;
  try {
    const out = new BlockWriter(file, bytes);
    for await (const { title, abstract, categories } of unlabelledPapers(sources, hooks)) {
      const ids = tokenizer.encodeJoined(title, abstract, maxLength);
      await out.add(ids);
      tokens += ids.length;
      lengths.push(ids.length);
      const [first] = categories;
      if (first !== undefined && !found.has(first)) found.set(first, { index: found.size, papers: 0 });
      const category = first === undefined ? undefined : found.get(first)!;
      if (category !== undefined) category.papers++;
      named.push(category?.index ?? -1);
    }
    await out.end();
    await file.sync();
  } finally {
    await file.close();
  }
  const categories = [...found]
    .filter(([, { papers }]) => papers >= LEAST_PAPERS)
    .map(([name]) => name)
    .sort();
  const label = new Int32Array(found.size).fill(-1);
  categories.forEach((name, i) => {
    label[found.get(name)!.index] = i;
  });
  const pairs = new Int32Array(2 * lengths.length);
  lengths.forEach((length, i) => {
    pairs[2 * i] = length;
    pairs[2 * i + 1] = named[i] === -1 ? -1 : label[named[i]!]!;
  });
  await writeFileSynced(join(folder, PAPERS), new Uint8Array(pairs.buffer));
  const about: About = { key, papers: lengths.length, tokens, categories, bytes };
  // Last: with it the corpus is whole.
  await writeWhole(join(folder, ABOUT), part => writeFileSynced(part, JSON.stringify(about)));
  return about;
}

/** Gathers ids into blocks. */
class BlockWriter {
  private readonly block: Uint16Array | Int32Array;
  private used = 0;

  constructor(
    private readonly file: FileHandle,
    bytes: 2 | 4,
  ) {
    this.block = bytes === 2 ? new Uint16Array(BLOCK) : new Int32Array(BLOCK);
  }

  async add(ids: readonly number[]): Promise<void> {
    if (this.used + ids.length > BLOCK) await this.end();
    this.block.set(ids, this.used);
    this.used += ids.length;
  }

  async end(): Promise<void> {
    const { buffer, byteOffset, BYTES_PER_ELEMENT } = this.block;
    const bytes = new Uint8Array(buffer, byteOffset, this.used * BYTES_PER_ELEMENT);
    for (let written = 0; written < bytes.length; ) {
      written += (await this.file.write(bytes, written)).bytesWritten;
    }
    this.used = 0;
  }
}
