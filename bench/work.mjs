// What the suites work on: papers, an encoder and a model, as files that ours and the peers read alike. A process of
// its own, so that nothing of the making is left in the one that measures.
import { copyFileSync, linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadDataset } from '../dist/data/dataset.js';
import { loadEngine } from '../dist/engine.js';
import { openEncoder } from '../dist/model/encoder.js';
import { commitSavedModel, stageSavedModel, WEIGHTS } from '../dist/model/saved-model.js';
import { Tokenizer } from '../dist/text/tokenizer.js';
import { bertShape, classWeights, headShape, trainingShape } from '../dist/train/plan.js';
import { loadRecipe } from '../dist/train/recipe.js';
import { seededRandom, shuffle } from '../dist/util/random.js';
import { spec } from './worker.mjs';

const SEED = 42;
/** Counted this far, so that the lengths of the curves are known too. */
const LONGEST = 512;

/** The encoder of a BERT of SciBERT's or, for a trial of the suites themselves, of a small size. */
const RANDOM_SHAPES = {
  'scibert-shape': {
    vocabSize: 31_090,
    hiddenSize: 768,
    layers: 12,
    attentionHeads: 12,
    intermediateSize: 3072,
  },
  quick: { vocabSize: 31_090, hiddenSize: 128, layers: 2, attentionHeads: 4, intermediateSize: 512 },
};

const { folder, name, data, encoder: given, vocabulary } = spec;
const recipe = loadRecipe('v5.0');
const dataset = await loadDataset(data, { seed: SEED });
const examples = shuffle([...dataset.train], seededRandom('bench'));
const { labels } = dataset;
const weights = Object.keys(recipe.classWeights).every(label => labels.includes(label))
  ? recipe.classWeights
  : 'none';

mkdirSync(folder, { recursive: true });
const encoder = given ? await openEncoder(given, { offline: true }) : await randomEncoder();
const head = headShape(recipe, labels.length, encoder.shape);
const model = await loadEngine().createModel({
  encoder: encoder.shape,
  head,
  device: 'cpu',
  precision: 'fp32',
  threads: 1,
  seed: SEED,
  deterministic: false,
  weights: encoder.tensors,
  mayInitialize: given ? ['head.'] : [''],
});
const staged = await stageSavedModel(join(folder, 'model'), { force: true });
// PyTorch's library asks where a file comes from.
await model.save(join(staged.path, WEIGHTS), { optimizer: false, metadata: { format: 'pt' } });
const { lengths } = recipe;
const parts = { labels, encoder: encoder.shape, head, lengths, tokenizer: encoder.tokenizer, training: {} };
await commitSavedModel(staged, { ...parts, thresholds: { method: 'argmax' } }, `# ${name}\n`);
if (!given) linkSync(join(folder, 'model', WEIGHTS), join(encoder.folder, WEIGHTS));

const papers = join(folder, 'papers.jsonl');
const lines = examples.map(({ paper: { id, title, abstract }, label }) =>
  JSON.stringify({ id, title, abstract, label: labels[label] }),
);
writeFileSync(papers, `${lines.join('\n')}\n`);
const classes = classWeights(weights, labels, dataset.counts.train);
const training = trainingShape(recipe, encoder.shape, classes);
const count = text => encoder.tokenizer.encode(text, LONGEST).length;
writeFileSync(
  join(folder, 'work.json'),
  JSON.stringify({
    name,
    papers,
    labels,
    lengths,
    training,
    encoder: encoder.folder,
    model: join(folder, 'model'),
    shape: { encoder: encoder.shape, head },
    tokens: examples.map(({ paper }) => [count(paper.title), count(paper.abstract)]),
  }),
);

/** A folder as the Hub's: config.json and a tokenizer now, the weights once they are drawn. */
async function randomEncoder() {
  const place = join(folder, 'encoder');
  mkdirSync(place);
  if (vocabulary) copyFileSync(vocabulary, join(place, 'vocab.txt'));
  const texts = examples.map(({ paper }) => `${paper.title} ${paper.abstract}`);
  const tokenizer = vocabulary
    ? await Tokenizer.open(place)
    : Tokenizer.train(texts, RANDOM_SHAPES[name].vocabSize);
  const shape = bertShape({ ...RANDOM_SHAPES[name], maxPositions: 512 }, tokenizer);
  const { tokenizer: rules, config } = tokenizer.toJSON();
  const files = {
    'tokenizer.json': { version: '1.0', ...rules },
    'tokenizer_config.json': config,
    'config.json': {
      model_type: 'bert',
      architectures: ['BertModel'],
      vocab_size: shape.vocabSize,
      hidden_size: shape.hiddenSize,
      num_hidden_layers: shape.layers,
      num_attention_heads: shape.attentionHeads,
      intermediate_size: shape.intermediateSize,
      max_position_embeddings: shape.maxPositions,
      pad_token_id: shape.padTokenId,
    },
  };
  for (const [file, content] of Object.entries(files))
    writeFileSync(join(place, file), JSON.stringify(content));
  return { folder: place, shape, tensors: [], tokenizer };
}
