import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as huggingface from '@huggingface/tokenizers';
import { ArxivNativeError } from '../../errors.js';
import { readJsonObject } from '../../util/json.js';

/** What is used of the library, whose own types do not resolve in an ES module. */
interface Library {
  encode(text: string): { ids: number[] };
  decode(ids: number[], options: { skip_special_tokens: boolean }): string;
  model: { tokens_to_ids: Map<string, number>; unk_token_id: number };
}

const UNKNOWN = '<unk>';

const REMEDY =
  'Choose a repository of the Hub that has tokenizer.json, as Xenova/opus-mt-en-es: from source.spm alone no tokenizer is made here.';

/** Text to token ids and back, by a Marian model's tokenizer.json (Unigram). */
export class MarianTokenizer {
  private constructor(
    private readonly library: Library,
    /** The largest id, and one more. */
    readonly vocabSize: number,
  ) {}

  /** @throws ArxivNativeError BAD_MODEL naming the file */
  static async open(folder: string): Promise<MarianTokenizer> {
    const file = join(folder, 'tokenizer.json');
    const failure = { code: 'BAD_MODEL', remedy: REMEDY } as const;
    const fail = (what: string, cause?: unknown) =>
      new ArxivNativeError('BAD_MODEL', `${file}: ${what}`, { remedy: REMEDY, cause });
    const tokenizer = await readJsonObject(file, failure);
    const beside = join(folder, 'tokenizer_config.json');
    const config = existsSync(beside) ? await readJsonObject(beside, failure) : {};
    const model = tokenizer.model as { type?: string; vocab?: unknown; unk_id?: number } | undefined;
    if (model?.type !== 'Unigram' || !Array.isArray(model.vocab)) {
      throw fail(`a model of type ${JSON.stringify(model?.type)}; expected Unigram with its vocabulary`);
    }
    // Conversions of Marian's are known to name another token, which would then never be used as itself.
    const unknown = model.vocab.findIndex(entry => Array.isArray(entry) && entry[0] === UNKNOWN);
    if (unknown !== -1) model.unk_id = unknown;
    let library: Library;
    try {
      library = new huggingface.Tokenizer(tokenizer, config) as unknown as Library;
    } catch (error) {
      throw fail(`not a usable tokenizer (${(error as Error).message})`, error);
    }
    let largest = 0;
    for (const id of library.model.tokens_to_ids.values()) largest = Math.max(largest, id);
    return new MarianTokenizer(library, largest + 1);
  }

  /** With the end token, whatever the length. */
  encode(text: string): number[] {
    return this.library.encode(text).ids;
  }

  /** Without special tokens. */
  decode(ids: readonly number[]): string {
    return ids.length === 0 ? '' : this.library.decode([...ids], { skip_special_tokens: true }).trim();
  }
}
