import { Ajv, type ValidateFunction } from 'ajv';
import { ArxivNativeError } from '../errors.js';
import type { EncoderShape, HeadShape } from '../native.js';
import type { Lengths } from '../text/pack.js';
import { expectation } from '../util/schema-error.js';
import { LARGEST, misfitOfEncoder, misfitOfHead } from './fit.js';
import type { WordsShape } from './words.js';

/**
 * Raised when a folder that an older version of this package reads would be misunderstood by it. Since 2 a model may
 * have words; one that has none is written as 1, which every version reads.
 */
const FORMAT_VERSION = 2;
const WITHOUT_WORDS = 1;

/** What config.json of a saved model says. */
interface ModelConfig {
  format_version: number;
  encoder: EncoderShape;
  head: HeadShape;
  lengths: Lengths;
  words?: WordsShape;
}

const upTo = (maximum: number, minimum = 1) => ({ type: 'integer', minimum, maximum });
const width = upTo(LARGEST.width);
const length = upTo(LARGEST.positions);
const scale = { type: 'number', minimum: 0 };
const share = { type: 'number', minimum: 0, exclusiveMaximum: 1 };

const SCHEMA = {
  type: 'object',
  ...exactly(
    {
      format_version: { enum: [WITHOUT_WORDS, FORMAT_VERSION] },
      encoder: {
        type: 'object',
        ...exactly({
          vocabSize: upTo(LARGEST.vocabulary),
          hiddenSize: width,
          layers: upTo(LARGEST.layers),
          attentionHeads: width,
          intermediateSize: width,
          maxPositions: length,
          typeVocabSize: upTo(LARGEST.width, 0),
          layerNormEps: { type: 'number', exclusiveMinimum: 0 },
          activation: { enum: ['gelu', 'gelu_tanh', 'relu'] },
          hiddenDropout: share,
          attentionOutputDropout: { ...share, default: 0 },
          attentionDropout: share,
          initializerRange: { type: 'number', minimum: 0 },
          positionOffset: upTo(LARGEST.positions, 0),
          padTokenId: upTo(LARGEST.vocabulary, 0),
          relativeAttentionBuckets: { ...upTo(256, 0), multipleOf: 4, default: 0 },
        }),
      },
      head: {
        type: 'object',
        ...exactly({
          type: { enum: ['cross-attention', 'concat', 'cls', 'mean'] },
          classes: upTo(LARGEST.width, 2),
          hidden: { type: 'array', items: width, maxItems: LARGEST.layers },
          activation: { enum: ['gelu', 'relu'] },
          dropout: { type: 'array', items: share },
          embeddingDropout: share,
          attentionHeads: width,
          attentionDropout: share,
        }),
      },
      lengths: {
        type: 'object',
        additionalProperties: false,
        properties: { title: length, abstract: length, joined: length },
      },
    },
    {
      words: {
        type: 'object',
        ...exactly({
          words: upTo(LARGEST.words, 0),
          pairs: upTo(LARGEST.pairs, 0),
          scales: { type: 'object', ...exactly({ encoder: scale, words: scale }) },
        }),
      },
    },
  ),
};

let validate: ValidateFunction<ModelConfig> | undefined;

/**
 * Checks what was read from a config.json, by itself, and adds what folders of earlier versions lack.
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
  validate ??= new Ajv({ useDefaults: true }).compile<ModelConfig>(SCHEMA);
  if (!validate(config)) {
    const error = validate.errors![0]!;
    const key = error.instancePath.slice(1).replaceAll('/', '.') || 'the content';
    throw contradiction(file, `${key} ${expectation(error)}`);
  }
  const { format_version, encoder, head, lengths, words } = config;
  if (format_version !== formatVersion(words)) {
    throw contradiction(file, `format_version ${format_version} ${words ? 'has no words' : 'needs words'}`);
  }
  const misfit = misfitOfHead(head, lengths) ?? misfitOfEncoder(encoder, head, lengths);
  if (misfit) throw contradiction(file, misfit.what);
  return config;
}

/** What a config.json is written as. */
export function formatVersion(words: WordsShape | undefined): number {
  return words === undefined ? WITHOUT_WORDS : FORMAT_VERSION;
}

function contradiction(file: string, what: string): ArxivNativeError {
  return new ArxivNativeError('BAD_MODEL', `${file}: ${what}`, {
    remedy: 'Put back the config.json that was saved with these weights, or train again.',
  });
}

/** All of these and no others but the optional ones; those with a default may be absent. */
function exactly(properties: Record<string, object>, optional: Record<string, object> = {}): object {
  const required = Object.keys(properties).filter(key => !('default' in properties[key]!));
  return { properties: { ...properties, ...optional }, required, additionalProperties: false };
}
