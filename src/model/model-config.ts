import { Ajv, type ValidateFunction } from 'ajv';
import { ArxivNativeError } from '../errors.js';
import type { EncoderShape, HeadShape } from '../native.js';
import type { Lengths } from '../text/pack.js';
import { misfitOfEncoder, misfitOfHead } from './fit.js';

/** Raised when a folder that an older version of this package reads would be misunderstood by it. */
export const FORMAT_VERSION = 1;

/** What config.json of a saved model says. */
interface ModelConfig {
  format_version: number;
  encoder: EncoderShape;
  head: HeadShape;
  lengths: Lengths;
}

const size = { type: 'integer', minimum: 1 };
const count = { type: 'integer', minimum: 0 };
const share = { type: 'number', minimum: 0, exclusiveMaximum: 1 };

const SCHEMA = {
  type: 'object',
  ...exactly({
    format_version: { const: FORMAT_VERSION },
    encoder: {
      type: 'object',
      ...exactly({
        vocabSize: size,
        hiddenSize: size,
        layers: size,
        attentionHeads: size,
        intermediateSize: size,
        maxPositions: size,
        typeVocabSize: count,
        layerNormEps: { type: 'number', exclusiveMinimum: 0 },
        activation: { enum: ['gelu', 'gelu_tanh', 'relu'] },
        hiddenDropout: share,
        attentionDropout: share,
        initializerRange: { type: 'number', minimum: 0 },
        positionOffset: count,
        padTokenId: count,
      }),
    },
    head: {
      type: 'object',
      ...exactly({
        type: { enum: ['cross-attention', 'concat', 'cls'] },
        classes: { type: 'integer', minimum: 2 },
        hidden: { type: 'array', items: size },
        activation: { enum: ['gelu', 'relu'] },
        dropout: { type: 'array', items: share },
        embeddingDropout: share,
        attentionHeads: size,
        attentionDropout: share,
      }),
    },
    lengths: {
      type: 'object',
      additionalProperties: false,
      properties: { title: size, abstract: size, joined: size },
    },
  }),
};

let validate: ValidateFunction<ModelConfig> | undefined;

/**
 * Checks what was read from a config.json, by itself.
 *
 * @throws ArxivNativeError BAD_MODEL that names the file and the key
 */
export function checkModelConfig(config: unknown, file: string): ModelConfig {
  const version = (config as Partial<ModelConfig> | null)?.format_version;
  if (typeof version === 'number' && version > FORMAT_VERSION) {
    throw new ArxivNativeError(
      'BAD_MODEL',
      `${file} has format_version ${version}; this version reads ${FORMAT_VERSION}`,
      {
        remedy: 'Update arxiv-native.',
      },
    );
  }
  validate ??= new Ajv().compile<ModelConfig>(SCHEMA);
  if (!validate(config)) {
    const error = validate.errors![0]!;
    const key = error.instancePath.slice(1).replaceAll('/', '.') || 'it';
    const named = Object.values(error.params as Record<string, unknown>).join(', ');
    throw contradiction(file, `${key} ${error.message} (${named})`);
  }
  const { encoder, head, lengths } = config;
  const misfit = misfitOfHead(head, lengths) ?? misfitOfEncoder(encoder, head, lengths);
  if (misfit) throw contradiction(file, misfit.what);
  return config;
}

function contradiction(file: string, what: string): ArxivNativeError {
  return new ArxivNativeError('BAD_MODEL', `${file}: ${what}`, {
    remedy: 'Put back the config.json that was saved with these weights, or train again.',
  });
}

function exactly(properties: Record<string, object>): object {
  return { properties, required: Object.keys(properties), additionalProperties: false };
}
