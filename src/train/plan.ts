import type { Example } from '../data/dataset.js';
import { ArxivNativeError } from '../errors.js';
import { openEncoder } from '../model/encoder.js';
import { type Misfit, misfitOfEncoder } from '../model/fit.js';
import type { EncoderShape, HeadShape, TensorSource, TrainingShape } from '../native.js';
import { Tokenizer } from '../text/tokenizer.js';
import { counted } from '../util/format.js';
import type { RandomEncoder, Recipe } from './recipe.js';

/** The encoder that training starts from. */
export interface StartingEncoder {
  id: string;
  revision?: string;
  /** Drawn at random instead of read from files. */
  random: boolean;
  shape: EncoderShape;
  tensors: TensorSource[];
  tokenizer: Tokenizer;
}

/** Opens (and if need be fetches) the recipe's encoder, or makes the random one it asks for. */
export async function prepareEncoder(
  recipe: Recipe,
  train: readonly Example[],
  options: NonNullable<Parameters<typeof openEncoder>[1]>,
): Promise<StartingEncoder> {
  if (typeof recipe.encoder !== 'string') return randomEncoder(recipe.encoder, train);
  const { id, revision, shape, tensors, tokenizer } = await openEncoder(recipe.encoder, options);
  return { id, ...(revision !== undefined && { revision }), random: false, shape, tensors, tokenizer };
}

function randomEncoder(sizes: RandomEncoder, train: readonly Example[]): StartingEncoder {
  const texts = train.map(({ paper }) => `${paper.title} ${paper.abstract}`);
  const tokenizer = Tokenizer.train(texts, sizes.vocabSize);
  const id = `random BERT, ${counted(sizes.layers, 'layer')} of ${sizes.hiddenSize}`;
  return { id, random: true, shape: bertShape(sizes, tokenizer), tensors: [], tokenizer };
}

/** A BERT of these sizes, all else as in the first ones. */
export function bertShape(sizes: Omit<RandomEncoder, 'vocabSize'>, tokenizer: Tokenizer): EncoderShape {
  return {
    ...sizes,
    vocabSize: tokenizer.vocabSize,
    typeVocabSize: 2,
    layerNormEps: 1e-12,
    activation: 'gelu',
    hiddenDropout: 0.1,
    attentionOutputDropout: 0.1,
    attentionDropout: 0.1,
    initializerRange: 0.02,
    positionOffset: 0,
    padTokenId: tokenizer.padTokenId,
    relativeAttentionBuckets: 0,
  };
}

/** The head that a recipe describes, on an encoder of this shape. Throws BAD_OPTION if the two do not fit. */
export function headShape(recipe: Recipe, classes: number, encoder: EncoderShape): HeadShape {
  const head: HeadShape = {
    type: recipe.head,
    classes,
    hidden: recipe.hidden,
    activation: recipe.activation,
    dropout: recipe.dropout,
    embeddingDropout: recipe.embeddingDropout,
    attentionHeads: recipe.crossAttentionHeads,
    attentionDropout: recipe.crossAttentionDropout,
  };
  const misfit = misfitOfEncoder(encoder, head, recipe.lengths);
  if (misfit) throw new ArxivNativeError('BAD_OPTION', misfit.what, { remedy: remedyOf(misfit) });
  return head;
}

function remedyOf({ about }: Misfit): string {
  if (about === 'title' || about === 'abstract' || about === 'joined') return `Set a lower --max-${about}.`;
  return `Set ${about === 'attentionHeads' ? '"attentionHeads" of the encoder' : `"${about}"`} in a recipe of your own that extends this one.`;
}

/** The recipe's part that the engine trains by. */
export function trainingShape(recipe: Recipe, encoder: EncoderShape, classWeights: number[]): TrainingShape {
  return {
    frozenLayers: Math.round((recipe.frozenLayersOf12 * encoder.layers) / 12),
    freezeEmbeddings: recipe.freezeEmbeddings,
    grouping: recipe.grouping,
    learningRate: recipe.learningRate,
    headLearningRate: recipe.learningRate * recipe.headLearningRateFactor,
    weightDecay: recipe.weightDecay,
    headWeightDecay: recipe.weightDecay * recipe.headWeightDecayFactor,
    beta1: recipe.beta1,
    beta2: recipe.beta2,
    epsilon: recipe.epsilon,
    clipNorm: recipe.clipNorm,
    loss: recipe.loss,
    focalGamma: recipe.focalGamma,
    labelSmoothing: recipe.labelSmoothing,
    classWeights,
  };
}

/** @throws BAD_OPTION for a weight of a class that the data does not have, for it may be a slip */
export function refuseStrangeClasses(wanted: Recipe['classWeights'], labels: readonly string[]): void {
  const stranger =
    typeof wanted === 'string' ? undefined : Object.keys(wanted).find(label => !labels.includes(label));
  if (stranger === undefined) return;
  throw new ArxivNativeError(
    'BAD_OPTION',
    `the recipe weights the class ${stranger}, which is not in the data (${labels.join(', ')})`,
    {
      remedy:
        'Choose --class-weights none or balanced, or weight your own classes under "classWeights" in a recipe of your own that extends this one.',
    },
  );
}

/** One weight a class, or none at all. Balanced: n / (classes × papers of the class). */
export function classWeights(
  wanted: Recipe['classWeights'],
  labels: readonly string[],
  papers: readonly number[],
): number[] {
  if (wanted === 'none') return [];
  if (wanted === 'balanced') {
    const total = papers.reduce((sum, count) => sum + count, 0);
    return papers.map(count => total / (papers.length * count));
  }
  return labels.map(label => wanted[label] ?? 1);
}
