import type { EncoderShape } from '../native.js';

/** The fields of config.json that an encoder's shape is read from, by BERT's names for them. */
export type ConfigField =
  | 'vocab_size'
  | 'hidden_size'
  | 'num_hidden_layers'
  | 'num_attention_heads'
  | 'intermediate_size'
  | 'max_position_embeddings'
  | 'type_vocab_size'
  | 'layer_norm_eps'
  | 'hidden_act'
  | 'hidden_dropout_prob'
  | 'attention_probs_dropout_prob'
  | 'initializer_range'
  | 'pad_token_id';

/** How a family differs from BERT. To add a cousin, add a row to FAMILIES. */
export interface Family {
  /** What stands before its encoder's names in a model with a head, e.g. `bert.`. */
  prefix: string;
  /** Its own names for fields of config.json. */
  fields: Partial<Record<ConfigField, string>>;
  /** What its Python class supplies where config.json is silent, if that is not what BERT's does. */
  defaults: Partial<Record<ConfigField, number>>;
  /** What its Python class decides itself, whatever config.json says. */
  fixed: Partial<Record<ConfigField, number>>;
  /** What guesses masked words in its model for that: the engine's names, without `.weight` and `.bias`, → its own. */
  wordHead: Readonly<Record<'head.transform.dense' | 'head.transform.LayerNorm' | 'head', string>>;
  /** Stored name → BERT's name, applied in order. */
  renamings: readonly (readonly [RegExp, string])[];
  /** The position id of a sequence's first token. */
  positionOffset(padTokenId: number): number;
  /** Whether dropout follows the attention of each layer. */
  dropsAttentionOutput: boolean;
  /** Rows of the table of relative positions: its Python class uses so many, whatever config.json says. */
  relativeAttentionBuckets: number;
}

const BERT: Family = {
  prefix: 'bert.',
  fields: {},
  defaults: {},
  fixed: {},
  wordHead: {
    'head.transform.dense': 'cls.predictions.transform.dense',
    'head.transform.LayerNorm': 'cls.predictions.transform.LayerNorm',
    head: 'cls.predictions',
  },
  // As TensorFlow named them, and the first BERTs for PyTorch after it.
  renamings: [
    [/\.LayerNorm\.gamma$/, '.LayerNorm.weight'],
    [/\.LayerNorm\.beta$/, '.LayerNorm.bias'],
  ],
  positionOffset: () => 0,
  dropsAttentionOutput: true,
  relativeAttentionBuckets: 0,
};

const ROBERTA_WORD_HEAD: Family['wordHead'] = {
  'head.transform.dense': 'lm_head.dense',
  'head.transform.LayerNorm': 'lm_head.layer_norm',
  head: 'lm_head',
};

/** The families by config.json's `model_type`. */
export const FAMILIES: Readonly<Record<string, Family>> = {
  bert: BERT,
  roberta: {
    ...BERT,
    prefix: 'roberta.',
    wordHead: ROBERTA_WORD_HEAD,
    defaults: { pad_token_id: 1 },
    positionOffset: padTokenId => padTokenId + 1,
  },
  distilbert: {
    ...BERT,
    prefix: 'distilbert.',
    wordHead: {
      'head.transform.dense': 'vocab_transform',
      'head.transform.LayerNorm': 'vocab_layer_norm',
      head: 'vocab_projector',
    },
    fields: {
      hidden_size: 'dim',
      num_hidden_layers: 'n_layers',
      num_attention_heads: 'n_heads',
      intermediate_size: 'hidden_dim',
      hidden_act: 'activation',
      hidden_dropout_prob: 'dropout',
      attention_probs_dropout_prob: 'attention_dropout',
    },
    fixed: { type_vocab_size: 0, layer_norm_eps: 1e-12 },
    renamings: [
      [/^transformer\./, 'encoder.'],
      [/\.attention\.q_lin\./, '.attention.self.query.'],
      [/\.attention\.k_lin\./, '.attention.self.key.'],
      [/\.attention\.v_lin\./, '.attention.self.value.'],
      [/\.attention\.out_lin\./, '.attention.output.dense.'],
      [/\.sa_layer_norm\./, '.attention.output.LayerNorm.'],
      [/\.ffn\.lin1\./, '.intermediate.dense.'],
      [/\.ffn\.lin2\./, '.output.dense.'],
      [/\.output_layer_norm\./, '.output.LayerNorm.'],
    ],
    dropsAttentionOutput: false,
  },
  mpnet: {
    ...BERT,
    prefix: 'mpnet.',
    wordHead: ROBERTA_WORD_HEAD,
    fixed: { type_vocab_size: 0, pad_token_id: 1 },
    renamings: [
      [/\.attention\.attn\.q\./, '.attention.self.query.'],
      [/\.attention\.attn\.k\./, '.attention.self.key.'],
      [/\.attention\.attn\.v\./, '.attention.self.value.'],
      [/\.attention\.attn\.o\./, '.attention.output.dense.'],
      [/\.attention\.LayerNorm\./, '.attention.output.LayerNorm.'],
    ],
    positionOffset: padTokenId => padTokenId + 1,
    relativeAttentionBuckets: 32,
  },
};

/** Every tensor of an encoder, in the engine's order, with its shape. */
export function encoderTensors(shape: EncoderShape): Map<string, number[]> {
  const { hiddenSize: hidden, intermediateSize: intermediate } = shape;
  const tensors = new Map<string, number[]>();
  const norm = (name: string): void => {
    tensors.set(`${name}.weight`, [hidden]).set(`${name}.bias`, [hidden]);
  };
  const linear = (name: string, out: number, into: number): void => {
    tensors.set(`${name}.weight`, [out, into]).set(`${name}.bias`, [out]);
  };
  tensors.set('embeddings.word_embeddings.weight', [shape.vocabSize, hidden]);
  tensors.set('embeddings.position_embeddings.weight', [shape.maxPositions, hidden]);
  if (shape.typeVocabSize > 0) {
    tensors.set('embeddings.token_type_embeddings.weight', [shape.typeVocabSize, hidden]);
  }
  norm('embeddings.LayerNorm');
  if (shape.relativeAttentionBuckets > 0) {
    tensors.set('encoder.relative_attention_bias.weight', [
      shape.relativeAttentionBuckets,
      shape.attentionHeads,
    ]);
  }
  for (let i = 0; i < shape.layers; i++) {
    const layer = `encoder.layer.${i}`;
    for (const part of ['query', 'key', 'value']) linear(`${layer}.attention.self.${part}`, hidden, hidden);
    linear(`${layer}.attention.output.dense`, hidden, hidden);
    norm(`${layer}.attention.output.LayerNorm`);
    linear(`${layer}.intermediate.dense`, intermediate, hidden);
    linear(`${layer}.output.dense`, hidden, intermediate);
    norm(`${layer}.output.LayerNorm`);
  }
  return tensors;
}

/** The tensors of the head that guesses masked words: the engine's name → the family's. */
export function wordHeadNames({ wordHead }: Family): Map<string, string> {
  const parts = ['transform.dense.weight', 'transform.dense.bias', 'transform.LayerNorm.weight'];
  return new Map(
    [...parts, 'transform.LayerNorm.bias', 'bias'].map(part => {
      const [, owner, field] = /^(.*)\.(\w+)$/.exec(`head.${part}`)!;
      return [`head.${part}`, `${wordHead[owner as keyof Family['wordHead']]}.${field}`];
    }),
  );
}
