import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EncoderShape } from '../native.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { fileError, StagedFolder, type StagingOptions, writeFileSynced } from '../util/files.js';
import { encoderTensors, FAMILIES, wordHeadNames } from './families.js';
import { METRICS, WEIGHTS } from './saved-model.js';
import { refuseShipped } from './shipped.js';

const CONFIG = 'config.json';
const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json'] as const;
const RECORD = 'pretraining.json';
const CARD = 'README.md';

/** What an encoder's folder holds beside its weights and metrics.jsonl. */
export interface EncoderFolderParts {
  /** As Hugging Face's libraries read it. */
  config: Record<string, unknown>;
  tokenizer: Tokenizer;
  /** How it was made. */
  record: object;
  /** Markdown. */
  card: string;
}

interface EncoderSaving {
  /** Replace any encoder that was pre-trained here. */
  force: boolean;
  /** Whether the one with this record may be replaced, though not forced. */
  replaces?: (record: Record<string, unknown>) => boolean;
}

/** Where an encoder may be written: throws BAD_OPTION if `folder` is taken, IO if it cannot be written. */
export async function stageEncoder(folder: string, options: EncoderSaving): Promise<StagedFolder> {
  refuseShipped(folder);
  return StagedFolder.create(folder, staging(options));
}

/** Throws BAD_OPTION if an encoder may not be written there. */
export async function checkEncoderPlace(folder: string, options: EncoderSaving): Promise<void> {
  refuseShipped(folder);
  await StagedFolder.check(folder, staging(options));
}

function staging({ force, replaces }: EncoderSaving): StagingOptions {
  return {
    replace: force || replaces !== undefined,
    isOurs: async folder => {
      const record = await pretrainingOf(folder);
      return record !== undefined && (force || replaces?.(record) === true);
    },
    holds: [CONFIG, WEIGHTS, ...TOKENIZER, RECORD, CARD, METRICS],
    what: 'an encoder that was pre-trained here',
    name: 'encoder',
  };
}

/** How an encoder was pre-trained here; undefined if it was not. */
export async function pretrainingOf(folder: string): Promise<Record<string, unknown> | undefined> {
  if (!existsSync(join(folder, CONFIG))) return undefined;
  try {
    return JSON.parse(await readFile(join(folder, RECORD), 'utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Completes a staged folder that already holds its weights, and gives it its final name. Throws IO. */
export async function commitEncoder(staged: StagedFolder, parts: EncoderFolderParts): Promise<void> {
  const { tokenizer, config } = parts.tokenizer.toJSON();
  const files = {
    [CONFIG]: json(parts.config),
    [TOKENIZER[0]]: json(tokenizer),
    [TOKENIZER[1]]: json(config),
    [RECORD]: json(parts.record),
    [CARD]: parts.card,
  };
  try {
    for (const [name, content] of Object.entries(files))
      await writeFileSynced(join(staged.path, name), content);
    await staged.commit();
  } catch (error) {
    throw fileError(error, `writing ${staged.target}`);
  }
}

/** A BERT's config.json. */
export function bertConfig(shape: EncoderShape): Record<string, unknown> {
  return {
    architectures: ['BertForMaskedLM'],
    model_type: 'bert',
    vocab_size: shape.vocabSize,
    hidden_size: shape.hiddenSize,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.attentionHeads,
    intermediate_size: shape.intermediateSize,
    max_position_embeddings: shape.maxPositions,
    type_vocab_size: shape.typeVocabSize,
    layer_norm_eps: shape.layerNormEps,
    hidden_act: shape.activation === 'gelu_tanh' ? 'gelu_pytorch_tanh' : shape.activation,
    hidden_dropout_prob: shape.hiddenDropout,
    attention_probs_dropout_prob: shape.attentionDropout,
    initializer_range: shape.initializerRange,
    pad_token_id: shape.padTokenId,
    position_embedding_type: 'absolute',
  };
}

/** The engine's name of each tensor of a BERT with its word head → that of transformers' BertForMaskedLM. */
export function bertNames(shape: EncoderShape): ReadonlyMap<string, string> {
  const bert = FAMILIES.bert!;
  return new Map([
    ...[...encoderTensors(shape).keys()].map(name => [name, bert.prefix + name] as const),
    ...wordHeadNames(bert),
  ]);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
