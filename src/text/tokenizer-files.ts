import { isUtf8 } from 'node:buffer';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { readJsonObject } from '../util/json.js';

export interface AddedToken {
  id: number;
  content: string;
  special?: boolean;
  single_word?: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
  normalized?: boolean;
}

/** What of a tokenizer.json is looked at here; the rest is the library's. */
export interface TokenizerJson {
  truncation: null;
  padding: null;
  added_tokens: AddedToken[];
  normalizer: { type: string; [key: string]: unknown } | null;
  pre_tokenizer: object | null;
  post_processor: object | null;
  decoder: object | null;
  model: { type: string; vocab: Record<string, number>; unk_token: string; [key: string]: unknown };
}

/** The contents of tokenizer.json and tokenizer_config.json. */
export interface TokenizerFiles {
  tokenizer: TokenizerJson;
  config: Record<string, unknown>;
}

/**
 * Reads tokenizer.json or, where there is none, vocab.txt, with tokenizer_config.json beside it if it is there.
 * Truncation and padding of its own are dropped; do_lower_case, strip_accents and tokenize_chinese_chars of
 * tokenizer_config.json count more than tokenizer.json, as in transformers. A bare vocab.txt is lower-cased
 * unless do_lower_case says otherwise.
 * @throws BAD_MODEL naming the file
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const configFile = join(folder, 'tokenizer_config.json');
  const config = existsSync(configFile) ? await readObject(configFile) : {};
  const file = join(folder, 'tokenizer.json');
  if (existsSync(file)) return { tokenizer: checkTokenizer(await readObject(file), config, file), config };
  const vocabFile = join(folder, 'vocab.txt');
  if (existsSync(vocabFile)) return bertFiles(await readVocabulary(vocabFile), config, vocabFile);
  throw new ArxivNativeError('BAD_MODEL', `${folder}: no tokenizer.json and no vocab.txt`, {
    remedy: 'The folder of an encoder must hold one of them, as it does on the Hub.',
  });
}

/**
 * A BERT tokenizer around a vocabulary: id i is `vocabulary[i]`.
 * @throws BAD_MODEL naming `origin` if a special token is missing
 */
export function bertFiles(
  vocabulary: string[],
  config: Record<string, unknown>,
  origin: string,
): TokenizerFiles {
  const vocab = Object.fromEntries(vocabulary.map((token, id) => [token, id]));
  const special = (name: string) => {
    const content = tokenName(config, name);
    if (!Object.hasOwn(vocab, content)) {
      throw new ArxivNativeError('BAD_MODEL', `${origin}: no ${content}, the ${name.replace('_', ' ')}`);
    }
    return content;
  };
  const [pad, unk, cls, sep] = ['pad_token', 'unk_token', 'cls_token', 'sep_token'].map(special) as [
    string,
    string,
    string,
    string,
  ];
  const mask = tokenName(config, 'mask_token');
  const added = [pad, unk, cls, sep, ...(Object.hasOwn(vocab, mask) ? [mask] : [])]
    .map(content => ({ id: vocab[content]!, content, ...PLAIN_SPECIAL }))
    .sort((a, b) => a.id - b.id);
  const before = { SpecialToken: { id: cls, type_id: 0 } };
  const after = (type_id: number) => ({ SpecialToken: { id: sep, type_id } });
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const lowercase = config.do_lower_case !== false;
  return {
    tokenizer: {
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: config.tokenize_chinese_chars !== false,
        strip_accents: config.strip_accents ?? null,
        lowercase,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: {
        type: 'TemplateProcessing',
        single: [before, sequence('A', 0), after(0)],
        pair: [before, sequence('A', 0), after(0), sequence('B', 1), after(1)],
        special_tokens: Object.fromEntries(
          [cls, sep].map(token => [token, { id: token, ids: [vocab[token]], tokens: [token] }]),
        ),
      },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: {
        type: 'WordPiece',
        unk_token: unk,
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab,
      },
    },
    config: {
      tokenizer_class: 'BertTokenizer',
      model_max_length: 512,
      pad_token: pad,
      unk_token: unk,
      cls_token: cls,
      sep_token: sep,
      mask_token: mask,
      ...config,
      do_lower_case: lowercase,
    },
  };
}

const PLAIN_SPECIAL = { special: true, single_word: false, lstrip: false, rstrip: false, normalized: false };

/** A special token by its key in tokenizer_config.json, where it stands as text or as an object with `content`. */
export function tokenName(config: Record<string, unknown>, key: string): string {
  const value = config[key];
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : `[${key.replace('_token', '').toUpperCase()}]`;
}

function checkTokenizer(
  value: Record<string, unknown>,
  config: Record<string, unknown>,
  file: string,
): TokenizerJson {
  const fail = (found: string) => new ArxivNativeError('BAD_MODEL', `${file}: ${found}`);
  const model = value.model as TokenizerJson['model'] | undefined;
  if (model === null || typeof model !== 'object') throw fail('no "model"');
  // Files of the first versions name no type.
  const type = model.type ?? ('continuing_subword_prefix' in model ? 'WordPiece' : undefined);
  if (type !== 'WordPiece') throw fail(`tokenizers of type ${type} are not supported; expected WordPiece`);
  if (model.vocab === null || typeof model.vocab !== 'object' || Array.isArray(model.vocab)) {
    throw fail('"model" has no "vocab"');
  }
  const badId = Object.entries(model.vocab).find(([, id]) => !Number.isInteger(id) || id < 0);
  if (badId) throw fail(`the id of ${JSON.stringify(badId[0])} is ${JSON.stringify(badId[1])}`);
  if (typeof model.unk_token !== 'string' || !Object.hasOwn(model.vocab, model.unk_token)) {
    throw fail(`the unknown token ${JSON.stringify(model.unk_token)} is not in the vocabulary`);
  }
  const added = (value.added_tokens ?? []) as AddedToken[];
  const badToken = added.find(token => !Number.isInteger(token?.id) || !token.content || token.single_word);
  if (badToken) throw fail(`the added token ${JSON.stringify(badToken)} is not supported`);

  let normalizer = (value.normalizer ?? null) as TokenizerJson['normalizer'];
  if (normalizer?.type === 'BertNormalizer') {
    const { do_lower_case, strip_accents, tokenize_chinese_chars } = config;
    normalizer = {
      ...normalizer,
      ...(typeof do_lower_case === 'boolean' && { lowercase: do_lower_case }),
      ...(typeof strip_accents === 'boolean' && { strip_accents }),
      ...(typeof tokenize_chinese_chars === 'boolean' && { handle_chinese_chars: tokenize_chinese_chars }),
    };
  }
  return {
    ...value,
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer,
    pre_tokenizer: (value.pre_tokenizer ?? null) as object | null,
    post_processor: (value.post_processor ?? null) as object | null,
    decoder: (value.decoder ?? null) as object | null,
    model: { ...model, type },
  };
}

async function readVocabulary(file: string): Promise<string[]> {
  const tokens = (await readUtf8(file)).split(/\r?\n/);
  if (tokens.at(-1) === '') tokens.pop();
  const lines = new Map<string, number>();
  tokens.forEach((token, i) => {
    const first = lines.get(token);
    if (first !== undefined) {
      throw new ArxivNativeError(
        'BAD_MODEL',
        `${file}:${i + 1}: ${JSON.stringify(token)} stands on line ${first} too`,
      );
    }
    lines.set(token, i + 1);
  });
  return tokens;
}

function readObject(file: string): Promise<Record<string, unknown>> {
  return readJsonObject(file, { code: 'BAD_MODEL', remedy: 'The file may be cut short: fetch it again.' });
}

async function readUtf8(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new ArxivNativeError('BAD_MODEL', `${file}: cannot be read (${error.code})`, { cause: error });
  });
  if (!isUtf8(bytes)) throw new ArxivNativeError('BAD_MODEL', `${file}: not UTF-8`);
  return bytes.toString('utf8');
}
