// npm run demo: from a fresh clone to a trained model and a classified paper.
import { buildEverything, installDependencies, run } from './prepare.mjs';

const MODEL = 'runs/demo';
const PAPER = {
  title: 'Sparse attention for long scientific documents',
  abstract:
    'We present a transformer language model whose attention is restricted to sentences that share rare words. On ' +
    'summarization and question answering over scientific articles it matches dense attention at a quarter of the cost.',
};

installDependencies();
buildEverything();
const cli = 'bin/arxiv-native.js';
const data = ['--recipe', 'demo', '--data', 'examples/papers.jsonl'];
run(process.execPath, cli, 'train', ...data, '--out', MODEL, '--force');
run(process.execPath, cli, 'predict', '--model', MODEL, '--title', PAPER.title, '--abstract', PAPER.abstract);
console.log(`
The model in ${MODEL} started from random weights and saw a few short papers: its accuracy means nothing yet.
For a real one, train from a pretrained encoder on real papers; see README.md.`);
