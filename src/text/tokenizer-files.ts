import { isUtf8 } from 'node:buffer';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { readJsonObject } from '../util/json.js';
import { byteLevelFiles, wordPieceFiles } from './bare-vocabulary.js';

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
  pre_tokenizer: { type: string; [key: string]: unknown } | null;
  post_processor: object | null;
  decoder: object | null;
  model: {
    type: 'WordPiece' | 'BPE';
    vocab: Record<string, number>;
    /** BPE on bytes has none. */
    unk_token: string | null;
    [key: string]: unknown;
  };
}

/** The contents of tokenizer.json and tokenizer_config.json. */
export interface TokenizerFiles {
  tokenizer: TokenizerJson;
  config: Record<string, unknown>;
}

/**
 * Reads tokenizer.json or, where there is none, vocab.txt (BERT, MPNet), or vocab.json and merges.txt (RoBERTa), with
 * tokenizer_config.json beside it if it is there. Truncation and padding of its own are dropped; do_lower_case,
 * strip_accents, tokenize_chinese_chars and add_prefix_space of tokenizer_config.json count more than tokenizer.json,
 * as in transformers. A bare vocab.txt is lower-cased unless do_lower_case says otherwise.
 * @throws BAD_MODEL naming the file
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const at = (name: string) => join(folder, name);
  const optional = async (name: string) => (existsSync(at(name)) ? await readObject(at(name)) : {});
  const config = await optional('tokenizer_config.json');
  if (existsSync(at('tokenizer.json'))) {
    const file = at('tokenizer.json');
    return { tokenizer: checkTokenizer(await readObject(file), config, file), config };
  }
  if (existsSync(at('vocab.txt'))) {
    const { model_type } = await optional('config.json');
    const style = isMpnet(config.tokenizer_class ?? model_type) ? 'mpnet' : 'bert';
    return wordPieceFiles(await readVocabulary(at('vocab.txt')), config, at('vocab.txt'), style);
  }
  if (existsSync(at('vocab.json')) && existsSync(at('merges.txt'))) {
    const file = at('vocab.json');
    const vocab = checkVocabulary(await readObject(file), file);
    return byteLevelFiles(vocab, await readMerges(at('merges.txt'), vocab), config, file);
  }
  throw new ArxivNativeError('BAD_MODEL', `${folder}: ${NO_TOKENIZER}`, {
    remedy: 'The folder of an encoder must hold one of them, as it does on the Hub.',
  });
}

const NO_TOKENIZER = 'no tokenizer.json, no vocab.txt, and no vocab.json with merges.txt';

/** By the name of its class, MPNetTokenizer or MPNetTokenizerFast, or of its family. */
function isMpnet(name: unknown): boolean {
  return typeof name === 'string' && /^mpnet/i.test(name);
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
  if (type !== 'WordPiece' && type !== 'BPE') {
    throw fail(`tokenizers of type ${type} are not supported; expected WordPiece or byte-level BPE`);
  }
  if (model.vocab === null || typeof model.vocab !== 'object' || Array.isArray(model.vocab)) {
    throw fail('"model" has no "vocab"');
  }
  checkVocabulary(model.vocab, file);
  const unknown = model.unk_token ?? null;
  const needsUnknown = type === 'WordPiece' || unknown !== null;
  if (needsUnknown && (typeof unknown !== 'string' || !Object.hasOwn(model.vocab, unknown))) {
    throw fail(`the unknown token ${JSON.stringify(model.unk_token)} is not in the vocabulary`);
  }
  const added = (value.added_tokens ?? []) as AddedToken[];
  const badToken = added.find(token => !Number.isInteger(token?.id) || !token.content || token.single_word);
  if (badToken) throw fail(`the added token ${JSON.stringify(badToken)} is not supported`);

  let preTokenizer = (value.pre_tokenizer ?? null) as TokenizerJson['pre_tokenizer'];
  if (type === 'BPE') {
    if (preTokenizer?.type !== 'ByteLevel' || preTokenizer.use_regex === false) {
      throw fail('BPE that is not byte-level is not supported');
    }
    if (!Array.isArray(model.merges)) throw fail('"model" has no "merges"');
    const { add_prefix_space } = config;
    if (typeof add_prefix_space === 'boolean') preTokenizer = { ...preTokenizer, add_prefix_space };
  }
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
    pre_tokenizer: preTokenizer,
    post_processor: (value.post_processor ?? null) as object | null,
    decoder: (value.decoder ?? null) as object | null,
    model: { ...model, type, unk_token: unknown },
  };
}

function checkVocabulary(vocab: Record<string, unknown>, file: string): Record<string, number> {
  const bad = Object.entries(vocab).find(([, id]) => !Number.isInteger(id) || (id as number) < 0);
  if (!bad) return vocab as Record<string, number>;
  const [token, id] = bad.map(part => JSON.stringify(part));
  throw new ArxivNativeError('BAD_MODEL', `${file}: the id of ${token} is ${id}`);
}

/** A line each: two tokens of the vocabulary that are joined into a third, the most important first. */
async function readMerges(file: string, vocab: Record<string, number>): Promise<string[]> {
  const merges: string[] = [];
  for (const [i, line] of (await readUtf8(file)).split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#version')) continue;
    const parts = line.split(' ');
    if (parts.length !== 2 || [...parts, parts.join('')].some(token => !Object.hasOwn(vocab, token))) {
      const found = JSON.stringify(line.slice(0, 80));
      throw new ArxivNativeError('BAD_MODEL', `${file}:${i + 1}: ${found} joins no two tokens of vocab.json`);
    }
    merges.push(line);
  }
  return merges;
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
