import * as huggingface from '@huggingface/tokenizers';
import { ArxivNativeError } from '../errors.js';
import { BERT_TOKENS, ROBERTA_TOKENS, statedToken, wordPieceFiles } from './bare-vocabulary.js';
import { type BertNormalizerConfig, bertNormalizer } from './bert-normalizer.js';
import { byteLevelSpelling, byteLevelWords } from './byte-level.js';
import { type AddedToken, readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.js';
import { trainWordPiece } from './train-wordpiece.js';

/** What is used of the library, whose own types do not resolve in an ES module. */
interface Library {
  normalizer: { normalize(text: string): string } | null;
  pre_tokenizer: { pre_tokenize(text: string): string[] } | null;
  model: {
    encode(words: string[]): string[];
    tokens_to_ids: Map<string, number>;
    unk_token_id: number | undefined;
  };
  post_processor: { post_process(first: string[], second: string[] | null): { tokens: string[] } } | null;
  token_to_id(token: string): number | undefined;
}

/** Characters read at a time, for each token that is wanted: about what a token of English takes. */
const CHARACTERS_PER_TOKEN = 8;
/** Where a text may be divided: neither half's words or tokens depend on the other. */
const SINGLE_SPACE = /(?<=\S) (?=\S)/g;
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
  /** Stands for a word that is to be guessed; undefined where the vocabulary has none. */
  readonly maskTokenId: number | undefined;
  /** Of the tokens that are no words: padding, mask, what begins and ends a text. */
  readonly specialIds: ReadonlySet<number>;
  private readonly firstId: number;
  /** Between the texts of a pair. */
  private readonly separatorIds: number[];
  private readonly lastId: number;
  private readonly library: Library;
  private readonly normalize: (text: string) => string;
  private readonly isByteLevel: boolean;
  private readonly split: (normalized: string) => string[];
  private readonly addedRaw: AddedTokens;
  private readonly addedNormalized: AddedTokens;
  private readonly words = new Map<string, number[]>();
  /** Whether a text may be divided at a space without changing its ids. */
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
    const { pre_tokenizer: preTokenizer, model } = tokenizer;
    this.isByteLevel = model.type === 'BPE';
    this.split = this.isByteLevel
      ? text => byteLevelWords(text, preTokenizer?.add_prefix_space === true)
      : text => library.pre_tokenizer?.pre_tokenize(text) ?? [text];
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
    const around = library.post_processor?.post_process([], null).tokens ?? [];
    const [first, last] = around;
    if (first === undefined || last === undefined || around.length > 2) {
      throw fail(`expected one token before a text and one after ([CLS] … [SEP]), found ${around.length}`);
    }
    this.firstId = require(first, 'first');
    this.lastId = require(last, 'separator');
    const pair = library.post_processor!.post_process(['A'], ['B']).tokens;
    const between = pair.slice(pair.indexOf('A') + 1, pair.indexOf('B'));
    this.separatorIds = (between.length > 0 ? between : [last]).map(token => require(token, 'separator'));
    const { pad_token, mask_token } = first === ROBERTA_TOKENS.cls_token ? ROBERTA_TOKENS : BERT_TOKENS;
    this.padTokenId = require(statedToken(config, 'pad_token') ?? pad_token, 'padding');
    this.maskTokenId = library.token_to_id(statedToken(config, 'mask_token') ?? mask_token);
    this.specialIds = new Set(added.flatMap(({ id, special }) => (special ? [id] : [])));
    let largest = 0;
    for (const id of library.model.tokens_to_ids.values()) largest = Math.max(largest, id);
    this.vocabSize = largest + 1;
  }

  /**
   * From a folder with tokenizer.json, or vocab.txt, or vocab.json and merges.txt, and (if it is there)
   * tokenizer_config.json.
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
    const { read, learn } = Tokenizer.trainer();
    for (const text of texts) read(text);
    return learn(vocabSize);
  }

  /** As `train`, for texts that come one by one: all that is kept of them is how often each word stood there. */
  static trainer(): { read(text: string): void; learn(vocabSize: number): Tokenizer } {
    const special = Object.values(BERT_TOKENS);
    const bare = new Tokenizer(wordPieceFiles(special, {}, 'training'), 'training');
    const counts = new Map<string, number>();
    return {
      read(text) {
        for (const word of bare.split(bare.normalize(text))) {
          const count = counts.get(word);
          if (count === undefined) counts.set(ownCopy(word), 1);
          else counts.set(word, count + 1);
        }
      },
      learn(vocabSize) {
        const vocabulary = [...special, ...trainWordPiece(counts, vocabSize - special.length)];
        return new Tokenizer(wordPieceFiles(vocabulary, {}, 'training'), 'training');
      },
    };
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

  /**
   * `[CLS] title [SEP] abstract [SEP]`, or `<s> title </s></s> abstract </s>` where a pair is joined so, cut at the end
   * so that there are at most `maxLength` ids (2 or more).
   */
  encodeJoined(title: string, abstract: string, maxLength: number): number[] {
    const ids = this.encode(title, maxLength);
    ids.pop();
    ids.push(...this.separatorIds, ...this.encodeStart(abstract, maxLength));
    if (ids.length >= maxLength) ids.length = maxLength - 1;
    ids.push(this.lastId);
    return ids;
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
      SINGLE_SPACE.lastIndex = start + limit * CHARACTERS_PER_TOKEN;
      const end = (this.divisible && SINGLE_SPACE.exec(text)?.index) || text.length;
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

  /** A byte that the vocabulary lacks is passed over, as in Rust. */
  private bytesOf(word: string): string {
    const { unk_token_id, tokens_to_ids } = this.library.model;
    const spelling = byteLevelSpelling(word);
    if (unk_token_id !== undefined) return spelling;
    return Array.from(spelling)
      .filter(byte => tokens_to_ids.has(byte))
      .join('');
  }

  private encodeWord(word: string): number[] {
    const { model } = this.library;
    const pieces = model
      .encode([this.isByteLevel ? this.bytesOf(word) : word])
      .map(piece => model.tokens_to_ids.get(piece) ?? model.unk_token_id!);
    if (word.length <= LONGEST_CACHED_WORD) {
      if (this.words.size >= CACHED_WORDS) this.words.clear();
      this.words.set(ownCopy(word), pieces);
    }
    return pieces;
  }
}

/** A slice would keep the whole text that it came from in memory. */
function ownCopy(word: string): string {
  return Buffer.from(word, 'utf16le').toString('utf16le');
}

const SPACE = /\p{White_Space}/u;

/** Tokens that are found in a text by their name, before it is split into words. */
class AddedTokens {
  private readonly tokens: Map<string, AddedToken>;
  private readonly pattern: RegExp | undefined;

  constructor(tokens: AddedToken[]) {
    this.tokens = new Map(tokens.map(token => [token.content, token]));
    if (tokens.length === 0) return;
    // Of those that begin at one place the longest counts.
    const longestFirst = [...this.tokens.keys()].sort((a, b) => b.length - a.length);
    this.pattern = new RegExp(
      longestFirst.map(name => name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|'),
      'g',
    );
  }

  /**
   * Appends the ids of the tokens found, and calls `between` for the text before, between and after them, less the
   * space that a token takes with it.
   */
  divide(text: string, ids: number[], between: (text: string) => void): void {
    let start = 0;
    if (this.pattern !== undefined) {
      for (const { 0: found, index } of text.matchAll(this.pattern)) {
        const { id, lstrip, rstrip } = this.tokens.get(found)!;
        let end = index;
        if (lstrip) while (end > start && SPACE.test(text[end - 1]!)) end--;
        if (end > start) between(text.slice(start, end));
        ids.push(id);
        start = index + found.length;
        if (rstrip) while (start < text.length && SPACE.test(text[start]!)) start++;
      }
    }
    if (start < text.length) between(text.slice(start));
  }
}
