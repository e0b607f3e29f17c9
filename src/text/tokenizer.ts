import * as huggingface from '@huggingface/tokenizers';
import { ArxivNativeError } from '../errors.js';
import { type BertNormalizerConfig, bertNormalizer } from './bert-normalizer.js';
import {
  type AddedToken,
  bertFiles,
  readTokenizerFiles,
  type TokenizerFiles,
  tokenName,
} from './tokenizer-files.js';
import { trainWordPiece } from './train-wordpiece.js';

/** What is used of the library, whose own types do not resolve in an ES module. */
interface Library {
  normalizer: { normalize(text: string): string } | null;
  pre_tokenizer: { pre_tokenize(text: string): string[] } | null;
  model: { encode(words: string[]): string[]; tokens_to_ids: Map<string, number>; unk_token_id: number };
  encode(text: string): { tokens: string[] };
  token_to_id(token: string): number | undefined;
}

/** Characters read at a time, for each token that is wanted: about what a token of English takes. */
const CHARACTERS_PER_TOKEN = 8;
const CACHED_WORDS = 100_000;
const LONGEST_CACHED_WORD = 64;

/**
 * Text to token ids, as Hugging Face's Rust tokenizers do it. The library's own pieces are used, driven from here
 * for speed: each word is split into pieces once and remembered, and a long text is read only as far as needed.
 *
 * As in Python, a special token's name in a text (a literal `[SEP]`) becomes that token.
 */
export class Tokenizer {
  /** Ids run from 0 to below this. */
  readonly vocabSize: number;
  readonly padTokenId: number;
  /** The name of the token with `lastId`. */
  private readonly separator: string;
  private readonly firstId: number;
  private readonly lastId: number;
  private readonly library: Library;
  private readonly normalize: (text: string) => string;
  private readonly addedRaw: AddedTokens;
  private readonly addedNormalized: AddedTokens;
  private readonly words = new Map<string, number[]>();
  /** Whether a text may be cut at a space without changing its ids. */
  private readonly divisible: boolean;

  private constructor(
    private readonly files: TokenizerFiles,
    origin: string,
  ) {
    const fail = (found: string, cause?: unknown) =>
      new ArxivNativeError('BAD_MODEL', `${origin}: ${found}`, { cause });
    const { tokenizer, config } = files;
    try {
      this.library = new huggingface.Tokenizer(tokenizer, config) as unknown as Library;
    } catch (error) {
      throw fail(`not a usable tokenizer (${(error as Error).message})`, error);
    }
    const { library } = this;
    this.normalize =
      tokenizer.normalizer?.type === 'BertNormalizer'
        ? bertNormalizer(tokenizer.normalizer as BertNormalizerConfig)
        : text => library.normalizer?.normalize(text) ?? text;
    const onNormalized = (token: AddedToken) => token.normalized ?? !token.special;
    const added = tokenizer.added_tokens;
    this.addedRaw = new AddedTokens(added.filter(token => !onNormalized(token)));
    this.addedNormalized = new AddedTokens(
      added.filter(onNormalized).map(token => ({ ...token, content: this.normalize(token.content) })),
    );
    this.divisible = !added.some(token => /\s/.test(token.content) || token.rstrip);

    const require = (token: string, role: string): number => {
      const id = library.token_to_id(token);
      if (id === undefined) throw fail(`no ${token}, the ${role} token`);
      return id;
    };
    const around = library.encode('').tokens;
    const [first, last] = around;
    if (first === undefined || last === undefined || around.length > 2) {
      throw fail(`expected one token before a text and one after ([CLS] … [SEP]), found ${around.length}`);
    }
    this.firstId = require(first, 'first');
    this.lastId = require(last, 'separator');
    this.separator = last;
    this.padTokenId = require(tokenName(config, 'pad_token'), 'padding');
    let largest = 0;
    for (const id of library.model.tokens_to_ids.values()) largest = Math.max(largest, id);
    this.vocabSize = largest + 1;
  }

  /**
   * From a folder with tokenizer.json, or vocab.txt, and (if it is there) tokenizer_config.json.
   * @throws BAD_MODEL naming the file: missing, broken, of an unsupported type, without its special tokens
   */
  static async open(folder: string): Promise<Tokenizer> {
    return new Tokenizer(await readTokenizerFiles(folder), folder);
  }

  /**
   * A lower-casing BERT tokenizer whose vocabulary is learnt from texts; the same texts give the same one. It has
   * `vocabSize` entries, or fewer where the texts have no more to merge.
   */
  static train(texts: Iterable<string>, vocabSize: number): Tokenizer {
    const bare = new Tokenizer(bertFiles(SPECIAL_TOKENS, {}, 'training'), 'training');
    const counts = new Map<string, number>();
    for (const text of texts) {
      for (const word of bare.split(bare.normalize(text))) {
        counts.set(word, (counts.get(word) ?? 0) + 1);
      }
    }
    const vocabulary = [...SPECIAL_TOKENS, ...trainWordPiece(counts, vocabSize - SPECIAL_TOKENS.length)];
    return new Tokenizer(bertFiles(vocabulary, {}, 'training'), 'training');
  }

  /** `[CLS] text [SEP]`, the text cut so that there are at most `maxLength` ids (2 or more). */
  encode(text: string, maxLength: number): number[] {
    if (!Number.isInteger(maxLength) || maxLength < 2) {
      throw new ArxivNativeError(
        'BAD_OPTION',
        `a length of ${maxLength} tokens; [CLS] and [SEP] alone need 2`,
      );
    }
    const ids = this.encodeStart(text, maxLength - 2);
    ids.unshift(this.firstId);
    ids.push(this.lastId);
    return ids;
  }

  /** `[CLS] title [SEP] abstract [SEP]`, cut at the end so that there are at most `maxLength` ids (2 or more). */
  encodeJoined(title: string, abstract: string, maxLength: number): number[] {
    return this.encode(`${title} ${this.separator} ${abstract}`, maxLength);
  }

  /** What tokenizer.json and tokenizer_config.json of a saved model hold; `open` gives the same ids from them. */
  toJSON(): { tokenizer: object; config: object } {
    return this.files;
  }

  /**
   * The first `limit` ids of a text. It is read a part at a time, and each part ends at a space: no normalisation, word or special token reaches across, so the ids are those of the whole text.
   */
  private encodeStart(text: string, limit: number): number[] {
    const ids: number[] = [];
    for (let start = 0; start < text.length && ids.length < limit; ) {
      const space = this.divisible ? text.indexOf(' ', start + limit * CHARACTERS_PER_TOKEN) : -1;
      const end = space < 0 ? text.length : space;
      this.encodePart(text.slice(start, end), ids);
      start = end;
    }
    if (ids.length > limit) ids.length = limit;
    return ids;
  }

  private encodePart(text: string, ids: number[]): void {
    this.addedRaw.divide(text, ids, section => {
      this.addedNormalized.divide(this.normalize(section), ids, rest => {
        for (const word of this.split(rest)) {
          const pieces = this.words.get(word) ?? this.encodeWord(word);
          for (let i = 0; i < pieces.length; i++) ids.push(pieces[i]!);
        }
      });
    });
  }

  private split(normalized: string): string[] {
    return this.library.pre_tokenizer?.pre_tokenize(normalized) ?? [normalized];
  }

  private encodeWord(word: string): number[] {
    const { model } = this.library;
    const pieces = model.encode([word]).map(piece => model.tokens_to_ids.get(piece) ?? model.unk_token_id);
    if (word.length <= LONGEST_CACHED_WORD) {
      if (this.words.size >= CACHED_WORDS) this.words.clear();
      // A copy: a slice would keep the whole text that it came from in memory.
      this.words.set(Buffer.from(word, 'utf16le').toString('utf16le'), pieces);
    }
    return pieces;
  }
}

const SPECIAL_TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

/** Tokens that are found in a text by their name, before it is split into words. */
class AddedTokens {
  private readonly ids = new Map<string, number>();
  private readonly pattern: RegExp | undefined;

  constructor(tokens: AddedToken[]) {
    if (tokens.length === 0) return;
    for (const token of tokens) this.ids.set(token.content.trim(), token.id);
    // Of those that begin at one place the longest counts.
    const longestFirst = [...tokens].sort((a, b) => b.content.length - a.content.length);
    const names = longestFirst.map(({ content, lstrip, rstrip }) => {
      const name = content.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
      return `${lstrip ? '\\s*' : ''}${name}${rstrip ? '\\s*' : ''}`;
    });
    this.pattern = new RegExp(names.join('|'), 'g');
  }

  /** Appends the ids of the tokens found, and calls `between` for the text before, between and after them. */
  divide(text: string, ids: number[], between: (text: string) => void): void {
    let start = 0;
    if (this.pattern !== undefined) {
      for (const { 0: found, index } of text.matchAll(this.pattern)) {
        if (index > start) between(text.slice(start, index));
        ids.push(this.ids.get(found.trim())!);
        start = index + found.length;
      }
    }
    if (start < text.length) between(text.slice(start));
  }
}
