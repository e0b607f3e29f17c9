import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ArxivNativeError } from '../../errors.js';
import { readJsonObject } from '../../util/json.js';
import type { TranslatorOptions } from '../translator.js';

/** How token ids are chosen; what transformers' GenerationConfig calls them stands beside each. */
export interface Generation {
  /** decoder_start_token_id */
  start: number;
  /** eos_token_id */
  end: number;
  /** pad_token_id */
  pad: number;
  /** forced_eos_token_id: what the last token of a sequence that reaches `maxLength` becomes. */
  forcedEnd: number | undefined;
  /** max_length, the start token among them. */
  maxLength: number;
  /** min_length, counted alike: the end token is banned below it. */
  minLength: number;
  /** num_beams; 1 is greedy. */
  beams: number;
  /** length_penalty: the power of its length by which a finished sequence's score is divided. */
  lengthPenalty: number;
  /** early_stopping */
  earlyStopping: boolean | 'never';
  /** bad_words_ids: sequences that must not be generated. */
  banned: readonly (readonly number[])[];
  /** no_repeat_ngram_size; 0 for none. */
  noRepeat: number;
  /** renormalize_logits: probabilities add up to 1 without what is banned. */
  renormalize: boolean;
  /** temperature, where do_sample: tokens are drawn in place of a search. */
  temperature: number | undefined;
  /** top_k: of so many most probable tokens; 0 for all, which is followed by a search alone. */
  topK: number;
}

/** What a Marian model's decoder looks like. */
export interface MarianShape {
  layers: number;
  heads: number;
  headSize: number;
  /** Width of the encoder's states. */
  width: number;
  vocabSize: number;
  /** The longest sequence that has positions, in tokens, on either side. */
  maxPositions: number;
}

/** GenerationConfig's settings that change what comes out and are not followed here, with the values that do nothing. */
const NOT_FOLLOWED: Readonly<Record<string, readonly unknown[]>> = {
  repetition_penalty: [1],
  encoder_repetition_penalty: [1],
  encoder_no_repeat_ngram_size: [0],
  num_beam_groups: [1],
  diversity_penalty: [0],
  penalty_alpha: [0],
  sequence_bias: [],
  constraints: [],
  force_words_ids: [],
  forced_bos_token_id: [],
  suppress_tokens: [],
  begin_suppress_tokens: [],
  exponential_decay_length_penalty: [],
  min_new_tokens: [0],
  guidance_scale: [1],
  top_p: [1],
  min_p: [],
  typical_p: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
};

const REMEDY =
  'A model is a folder with config.json, generation_config.json, tokenizer.json, encoder_model.onnx and ' +
  'decoder_model_merged.onnx, as optimum-cli export onnx writes it.';

/**
 * Reads config.json and, where there is one, generation_config.json, which then counts alone.
 *
 * @throws ArxivNativeError BAD_MODEL naming the file and the field
 */
export async function readMarianConfig(
  folder: string,
): Promise<{ shape: MarianShape; generation: Generation }> {
  const failure = { code: 'BAD_MODEL', remedy: REMEDY } as const;
  const path = join(folder, 'config.json');
  const config = new Fields(path, await readJsonObject(path, failure));
  const type = config.values.model_type;
  if (type !== 'marian') {
    throw config.bad(`model_type is ${JSON.stringify(type)}, not "marian"`);
  }
  const own = join(folder, 'generation_config.json');
  const settings = existsSync(own) ? new Fields(own, await readJsonObject(own, failure)) : config;
  const heads = config.count('decoder_attention_heads');
  const width = config.count('d_model');
  if (width % heads !== 0) throw config.bad(`d_model ${width} is no multiple of ${heads} heads`);
  const shape: MarianShape = {
    layers: config.count('decoder_layers'),
    heads,
    headSize: width / heads,
    width,
    vocabSize: config.count(config.isSet('decoder_vocab_size') ? 'decoder_vocab_size' : 'vocab_size'),
    maxPositions: config.count('max_position_embeddings'),
  };
  const generation = readGeneration(settings, config, shape);
  return { shape, generation };
}

/**
 * What a model's own generation becomes by the options.
 *
 * @param folder the model's
 * @throws ArxivNativeError BAD_MODEL where it draws in a way that is not followed here
 */
export function generationFor(
  own: Generation,
  { beams, temperature }: Pick<TranslatorOptions, 'beams' | 'temperature'>,
  folder: string,
): Generation {
  const generation = {
    ...own,
    ...(beams !== undefined && { beams, temperature: undefined }),
    ...(temperature !== undefined && { temperature }),
  };
  if (generation.temperature === undefined) return generation;
  const bad = (what: string, remedy: string) =>
    new ArxivNativeError('BAD_MODEL', `${folder}: the model's own ${what} is not supported`, { remedy });
  if (temperature === undefined && own.beams > 1) {
    throw bad(
      `drawing (do_sample) with ${own.beams} beams`,
      'Search with --beams, or draw with --temperature.',
    );
  }
  if (own.topK === 0) throw bad('drawing from all tokens (top_k 0)', 'Search with --beams.');
  return generation;
}

function readGeneration(settings: Fields, config: Fields, shape: MarianShape): Generation {
  for (const [name, idle] of Object.entries(NOT_FOLLOWED)) {
    const value = settings.values[name];
    if (value === undefined || value === null || idle.includes(value)) continue;
    throw settings.bad(`${name} ${JSON.stringify(value)} is not supported`);
  }
  const id = (name: string): number =>
    (settings.isSet(name) ? settings : config).token(name, shape.vocabSize);
  const stated = settings.isSet('max_new_tokens')
    ? settings.count('max_new_tokens') + 1
    : settings.count('max_length', shape.maxPositions);
  const early = settings.values.early_stopping ?? false;
  if (typeof early !== 'boolean' && early !== 'never') {
    throw settings.bad(`early_stopping is ${JSON.stringify(early)}; expected true, false or "never"`);
  }
  const end = id('eos_token_id');
  return {
    start: id('decoder_start_token_id'),
    end,
    pad: id('pad_token_id'),
    forcedEnd: settings.isSet('forced_eos_token_id')
      ? settings.token('forced_eos_token_id', shape.vocabSize)
      : undefined,
    // The start token takes the first position, and the last token none.
    maxLength: Math.min(stated, shape.maxPositions + 1),
    minLength: settings.count('min_length', 0, 0),
    beams: settings.count('num_beams', 1),
    lengthPenalty: settings.number('length_penalty', 1),
    earlyStopping: early,
    banned: settings
      .idLists('bad_words_ids', shape.vocabSize)
      .filter(ids => ids.length > 1 || ids[0] !== end),
    noRepeat: settings.count('no_repeat_ngram_size', 0, 0),
    renormalize: settings.values.renormalize_logits === true,
    temperature: settings.values.do_sample === true ? settings.number('temperature', 1) : undefined,
    topK: settings.count('top_k', 50, 0),
  };
}

class Fields {
  constructor(
    private readonly path: string,
    readonly values: Readonly<Record<string, unknown>>,
  ) {}

  bad(what: string): ArxivNativeError {
    return new ArxivNativeError('BAD_MODEL', `${this.path}: ${what}`, { remedy: REMEDY });
  }

  isSet(name: string): boolean {
    return this.values[name] !== undefined && this.values[name] !== null;
  }

  number(name: string, standard?: number): number {
    const value = this.values[name] ?? standard;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw this.bad(`${name} is ${JSON.stringify(value)}; expected a number`);
  }

  count(name: string, standard?: number, least = 1): number {
    const value = this.number(name, standard);
    if (Number.isInteger(value) && value >= least) return value;
    throw this.bad(`${name} is ${value}; expected a whole number of at least ${least}`);
  }

  /** A token's id, or a list of one. */
  token(name: string, vocabSize: number): number {
    const value = this.values[name];
    const [id, ...more] = Array.isArray(value) ? value : [value];
    if (more.length === 0 && isToken(id, vocabSize)) return id;
    throw this.bad(`${name} is ${JSON.stringify(value)}; expected one id below ${vocabSize}`);
  }

  idLists(name: string, vocabSize: number): number[][] {
    const value = this.values[name] ?? [];
    const isList = (ids: unknown) =>
      Array.isArray(ids) && ids.length > 0 && ids.every(id => isToken(id, vocabSize));
    if (Array.isArray(value) && value.every(isList)) return value;
    throw this.bad(`${name} is ${JSON.stringify(value)}; expected lists of ids below ${vocabSize}`);
  }
}

function isToken(value: unknown, vocabSize: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < vocabSize;
}
