import { ArxivNativeError } from '../errors.js';
import type { EncoderShape } from '../native.js';
import { readJsonObject } from '../util/json.js';
import { type ConfigField, FAMILIES, type Family } from './families.js';
import { LARGEST } from './fit.js';

/** config.json's `hidden_act` → the engine's. */
const ACTIVATIONS: Readonly<Record<string, EncoderShape['activation']>> = {
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  relu: 'relu',
};

/** What BERT's Python class supplies where config.json is silent. */
const BERT_DEFAULTS: Partial<Record<ConfigField, unknown>> = {
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  hidden_act: 'gelu',
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  initializer_range: 0.02,
  pad_token_id: 0,
};

/**
 * Reads an encoder's family and shape from its config.json. A config without `model_type`, as the first ones were, is
 * BERT's.
 *
 * @throws ArxivNativeError BAD_MODEL for a missing, malformed or impossible config; it names the field.
 */
export async function readEncoderConfig(path: string): Promise<{ family: Family; shape: EncoderShape }> {
  const config = await readJsonObject(path, {
    code: 'BAD_MODEL',
    remedy:
      'An encoder is a folder with config.json, its weights and its tokenizer, or an id of the Hub: fetch or copy it again.',
  });
  if ('format_version' in config) {
    throw new ArxivNativeError(
      'BAD_MODEL',
      `${path}: this is a trained classifier of this package (format_version), not an encoder`,
      { remedy: 'Name the encoder that it was trained from: its training.json says which, under "encoder".' },
    );
  }
  const { model_type: type = 'bert' } = config;
  const family = typeof type === 'string' && Object.hasOwn(FAMILIES, type) ? FAMILIES[type] : undefined;
  if (!family) {
    throw new ArxivNativeError(
      'BAD_MODEL',
      `${path}: model_type ${JSON.stringify(type)} is not one that is known`,
      {
        remedy: `Choose an encoder of one of these families: ${Object.keys(FAMILIES).join(', ')}.`,
      },
    );
  }
  return { family, shape: new Fields(path, config, family).shape() };
}

class Fields {
  constructor(
    private readonly path: string,
    private readonly config: Record<string, unknown>,
    private readonly family: Family,
  ) {}

  shape(): EncoderShape {
    this.refuseOtherArchitectures();
    const hiddenDropout = this.probability('hidden_dropout_prob');
    const padTokenId = this.count('pad_token_id', LARGEST.vocabulary, 0);
    const shape: EncoderShape = {
      vocabSize: this.count('vocab_size', LARGEST.vocabulary),
      hiddenSize: this.count('hidden_size', LARGEST.width),
      layers: this.count('num_hidden_layers', LARGEST.layers),
      attentionHeads: this.count('num_attention_heads', LARGEST.width),
      intermediateSize: this.count('intermediate_size', LARGEST.width),
      maxPositions: this.count('max_position_embeddings', LARGEST.positions),
      typeVocabSize: this.count('type_vocab_size', LARGEST.width, 0),
      layerNormEps: this.number('layer_norm_eps', value => value > 0 && value < 1, 'a small number above 0'),
      activation: this.activation(),
      hiddenDropout,
      attentionOutputDropout: this.family.dropsAttentionOutput ? hiddenDropout : 0,
      attentionDropout: this.probability('attention_probs_dropout_prob'),
      initializerRange: this.number('initializer_range', value => value >= 0, 'a number of at least 0'),
      positionOffset: this.family.positionOffset(padTokenId),
      padTokenId,
      relativeAttentionBuckets: this.family.relativeAttentionBuckets,
    };
    if (shape.hiddenSize % shape.attentionHeads !== 0) {
      throw this.wrong('num_attention_heads', `a divisor of the hidden size ${shape.hiddenSize}`);
    }
    if (padTokenId >= shape.vocabSize)
      throw this.wrong('pad_token_id', `below the vocabulary's ${shape.vocabSize}`);
    if (shape.maxPositions <= shape.positionOffset + 2) {
      throw this.wrong('max_position_embeddings', `more than ${shape.positionOffset + 2}`);
    }
    return shape;
  }

  /** Models of the same type that compute something else. */
  private refuseOtherArchitectures(): void {
    const { position_embedding_type: positions = 'absolute', is_decoder: isDecoder = false } = this.config;
    if (positions !== 'absolute') {
      throw this.unfit(`position_embedding_type is ${JSON.stringify(positions)}, expected "absolute"`);
    }
    if (isDecoder !== false) throw this.unfit('is_decoder is set, expected an encoder');
  }

  private name(field: ConfigField): string {
    return this.family.fields[field] ?? field;
  }

  private value(field: ConfigField): unknown {
    const { fixed, defaults } = this.family;
    return fixed[field] ?? this.config[this.name(field)] ?? defaults[field] ?? BERT_DEFAULTS[field];
  }

  private count(field: ConfigField, most: number, least = 1): number {
    return this.number(
      field,
      value => Number.isSafeInteger(value) && value >= least && value <= most,
      `a whole number from ${least} to ${most}`,
    );
  }

  private probability(field: ConfigField): number {
    return this.number(field, value => value >= 0 && value < 1, 'a number from 0 to below 1');
  }

  private number(field: ConfigField, isFit: (value: number) => boolean, expected: string): number {
    const value = this.value(field);
    if (typeof value !== 'number' || !isFit(value)) throw this.wrong(field, expected);
    return value;
  }

  private activation(): EncoderShape['activation'] {
    const value = this.value('hidden_act');
    const activation =
      typeof value === 'string' && Object.hasOwn(ACTIVATIONS, value) ? ACTIVATIONS[value] : undefined;
    if (!activation) throw this.wrong('hidden_act', `one of ${Object.keys(ACTIVATIONS).join(', ')}`);
    return activation;
  }

  private wrong(field: ConfigField, expected: string): ArxivNativeError {
    const value = this.value(field);
    const found = value === undefined ? 'missing' : JSON.stringify(value);
    return this.unfit(`${this.name(field)} is ${found}, expected ${expected}`);
  }

  private unfit(what: string): ArxivNativeError {
    return new ArxivNativeError('BAD_MODEL', `${this.path}: ${what}`, {
      remedy: 'Fetch the file again, or choose another encoder.',
    });
  }
}
