import { ArxivNativeError } from '../errors.js';
import type { AddedToken, TokenizerFiles, TokenizerJson } from './tokenizer-files.js';

/** The special tokens of a family by their keys in tokenizer_config.json. */
export type SpecialTokens = Record<
  'pad_token' | 'unk_token' | 'cls_token' | 'sep_token' | 'mask_token',
  string
>;

export const BERT_TOKENS: SpecialTokens = {
  pad_token: '[PAD]',
  unk_token: '[UNK]',
  cls_token: '[CLS]',
  sep_token: '[SEP]',
  mask_token: '[MASK]',
};
export const ROBERTA_TOKENS: SpecialTokens = {
  pad_token: '<pad>',
  unk_token: '<unk>',
  cls_token: '<s>',
  sep_token: '</s>',
  mask_token: '<mask>',
};
export const MPNET_TOKENS: SpecialTokens = { ...ROBERTA_TOKENS, unk_token: '[UNK]' };

/** A special token's name in tokenizer_config.json, where it stands as text or as an object with `content`. */
export function statedToken(config: Record<string, unknown>, key: keyof SpecialTokens): string | undefined {
  const value = config[key];
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

/**
 * A tokenizer of BERT's or MPNet's around a vocabulary of word pieces: id i is `vocabulary[i]`.
 * @throws BAD_MODEL naming `origin` if a special token is missing
 */
export function wordPieceFiles(
  vocabulary: string[],
  config: Record<string, unknown>,
  origin: string,
  style: 'bert' | 'mpnet' = 'bert',
): TokenizerFiles {
  const vocab = Object.fromEntries(vocabulary.map((token, id) => [token, id]));
  const tokens = specialTokens(vocab, config, style === 'bert' ? BERT_TOKENS : MPNET_TOKENS, origin);
  const lowercase = config.do_lower_case !== false;
  return {
    tokenizer: {
      truncation: null,
      padding: null,
      added_tokens: addedTokens(vocab, tokens, style !== 'bert'),
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: config.tokenize_chinese_chars !== false,
        strip_accents: config.strip_accents ?? null,
        lowercase,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: template(vocab, tokens, style === 'bert' ? 1 : 2),
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: {
        type: 'WordPiece',
        unk_token: tokens.unk_token,
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab,
      },
    },
    config: {
      tokenizer_class: style === 'bert' ? 'BertTokenizer' : 'MPNetTokenizer',
      model_max_length: 512,
      ...config,
      ...tokens,
      do_lower_case: lowercase,
    },
  };
}

/**
 * RoBERTa's tokenizer around a byte-level vocabulary and its merges, each two tokens with a space between.
 * @throws BAD_MODEL naming `origin` if a special token is missing
 */
export function byteLevelFiles(
  vocab: Record<string, number>,
  merges: string[],
  config: Record<string, unknown>,
  origin: string,
): TokenizerFiles {
  const tokens = specialTokens(vocab, config, ROBERTA_TOKENS, origin);
  return {
    tokenizer: {
      truncation: null,
      padding: null,
      added_tokens: addedTokens(vocab, tokens, true),
      normalizer: null,
      pre_tokenizer: {
        type: 'ByteLevel',
        add_prefix_space: config.add_prefix_space === true,
        trim_offsets: true,
        use_regex: true,
      },
      post_processor: template(vocab, tokens, 2),
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: { type: 'BPE', unk_token: null, vocab, merges },
    },
    config: { tokenizer_class: 'RobertaTokenizer', model_max_length: 512, ...config, ...tokens },
  };
}

function specialTokens(
  vocab: Record<string, number>,
  config: Record<string, unknown>,
  usual: SpecialTokens,
  origin: string,
): SpecialTokens {
  const keys = Object.keys(usual) as (keyof SpecialTokens)[];
  const entries = keys.map(key => [key, statedToken(config, key) ?? usual[key]] as const);
  for (const [key, token] of entries) {
    if (key === 'mask_token' || Object.hasOwn(vocab, token)) continue;
    throw new ArxivNativeError('BAD_MODEL', `${origin}: no ${token}, the ${key.replace('_', ' ')}`);
  }
  return Object.fromEntries(entries) as SpecialTokens;
}

/** They are found in a text by their names; a mask may take the space before it with it, as if it were a word. */
function addedTokens(
  vocab: Record<string, number>,
  tokens: SpecialTokens,
  maskTakesSpace: boolean,
): AddedToken[] {
  return [...new Set(Object.values(tokens))]
    .filter(content => Object.hasOwn(vocab, content))
    .map(content => ({
      id: vocab[content]!,
      content,
      special: true,
      single_word: false,
      lstrip: maskTakesSpace && content === tokens.mask_token,
      rstrip: false,
      normalized: false,
    }))
    .sort((a, b) => a.id - b.id);
}

/** One token before a text, one after, and so many between two texts. */
function template(
  vocab: Record<string, number>,
  { cls_token: cls, sep_token: sep }: SpecialTokens,
  between: 1 | 2,
): TokenizerJson['post_processor'] {
  const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const single = [special(cls, 0), sequence('A', 0), special(sep, 0)];
  return {
    type: 'TemplateProcessing',
    single,
    pair: [...single, ...(between === 2 ? [special(sep, 0)] : []), sequence('B', 1), special(sep, 1)],
    special_tokens: Object.fromEntries(
      [cls, sep].map(token => [token, { id: token, ids: [vocab[token]], tokens: [token] }]),
    ),
  };
}
