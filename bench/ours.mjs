// Ours, as a contestant: see contest.mjs. A spec has work (a folder of work.mjs), task, precision and threads; training
// also freezeEmbeddings and lengths.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadEngine } from '../dist/engine.js';
import { TokenizedExamples } from '../dist/evaluate/tokenized-examples.js';
import { openEncoder } from '../dist/model/encoder.js';
import { openSavedModel } from '../dist/model/saved-model.js';
import { Predictor } from '../dist/serve/predictor.js';
import { Tokenizer } from '../dist/text/tokenizer.js';
import { answer, spec } from './worker.mjs';

const work = JSON.parse(readFileSync(join(spec.work, 'work.json'), 'utf8'));
const papers = readFileSync(work.papers, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map(line => JSON.parse(line));
const range = ({ first, count }) => Array.from({ length: count }, (_, i) => (first + i) % papers.length);

const tasks = { train, predict, tokenize };
await tasks[spec.task]();

/** As src/train/loop.ts takes its steps: the next batch is tokenized while the engine works. */
async function train() {
  const { encoder, head } = work.shape;
  const { tensors, tokenizer } = await openEncoder(work.encoder, { offline: true });
  const saved = await openSavedModel(work.model);
  const model = await loadEngine().createModel({
    encoder,
    head,
    training: { ...work.training, freezeEmbeddings: spec.freezeEmbeddings ?? false },
    device: 'cpu',
    precision: spec.precision,
    threads: spec.threads,
    seed: 42,
    deterministic: false,
    weights: [...tensors, ...saved.tensors.filter(({ name }) => name.startsWith('head.'))],
    mayInitialize: [],
  });
  const examples = new TokenizedExamples(
    tokenizer,
    papers.map(paper => ({ paper, label: work.labels.indexOf(paper.label) })),
    spec.lengths ?? work.lengths,
  );
  await answer(message => {
    const batch = examples.batch(range(message));
    const next = range({ ...message, first: message.first + message.count });
    return async () => {
      const step = model.trainStep({ ...batch, microBatch: message.count, learningRateScale: 1 });
      examples.batch(next);
      const { loss } = await step;
      return { loss };
    };
  }, engineFacts());
}

/** Texts in, categories out. */
async function predict() {
  const { precision, threads } = spec;
  const predictor = await Predictor.load(work.model, { device: 'cpu', precision, threads });
  await answer(message => {
    const batch = range(message).map(index => papers[index]);
    return async () => {
      const predictions = await predictor.predictBatch(batch);
      return message.show
        ? { probabilities: predictions.map(each => Object.values(each.probabilities)) }
        : {};
    };
  }, engineFacts());
}

async function tokenize() {
  const tokenizer = await Tokenizer.open(work.encoder);
  const { title: titles, abstract: abstracts } = work.lengths;
  await answer(message => () => {
    let tokens = 0;
    for (const index of range(message)) {
      const { title, abstract } = papers[index];
      tokens += tokenizer.encode(title, titles).length + tokenizer.encode(abstract, abstracts).length;
    }
    return { tokens };
  });
}

function engineFacts() {
  return { libtorch: loadEngine().libtorchVersion };
}
