// Seconds a training step, ours and the peer's, on the same papers, alternating.
// Each measurement is a process of its own. `npm run build` first.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadDataset } from '../dist/data/dataset.js';
import { loadEngine } from '../dist/engine.js';
import { openEncoder } from '../dist/model/encoder.js';
import { packPapers } from '../dist/text/pack.js';
import { classWeights, headShape, trainingShape } from '../dist/train/plan.js';
import { loadRecipe } from '../dist/train/recipe.js';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    encoder: { type: 'string' },
    python: { type: 'string' },
    steps: { type: 'string', default: '12' },
    rounds: { type: 'string', default: '3' },
    precision: { type: 'string', default: 'bf16,fp32' },
    measure: { type: 'string' }, // internal: measure ours in this precision and print it
  },
});
if (!values.data || !values.encoder) {
  console.error(
    'usage: step_time.mjs --data FOLDER --encoder FOLDER [--python PYTHON] [--steps 12] [--rounds 3]',
  );
  process.exit(2);
}
const steps = Number(values.steps);

if (values.measure) {
  console.log(JSON.stringify(await measureOurs(values.measure)));
} else {
  console.log(`${cpus()[0].model}, ${availableParallelism()} threads, Node ${process.versions.node}`);
  for (const precision of values.precision.split(',')) compare(precision);
}

/** Alternates the two and prints the best and the median of all rounds. */
function compare(precision) {
  const runs = { ours: [], peer: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    runs.ours.push(ours(precision));
    if (values.python) runs.peer.push(peer(precision));
  }
  const best = key => name => Math.min(...runs[name].map(run => run[key]));
  for (const [name, list] of Object.entries(runs)) {
    if (list.length === 0) continue;
    const medians = list.map(run => run.median.toFixed(3)).join(', ');
    const memory = Math.max(...list.map(run => run.peakMib)).toFixed(0);
    console.log(
      `${precision} ${name}: best ${best('best')(name).toFixed(3)} s a step, medians ${medians}, peak ${memory} MiB`,
    );
  }
  if (values.python) {
    const ratio = key => (best(key)('peer') / best(key)('ours')).toFixed(2);
    console.log(
      `${precision} peer / ours: ${ratio('best')} by the best step, ${ratio('median')} by the best median`,
    );
  }
}

function ours(precision) {
  const { stdout, status, stderr } = spawnSync(
    process.execPath,
    [
      fileURLToPath(import.meta.url),
      '--data',
      values.data,
      '--encoder',
      values.encoder,
      '--steps',
      values.steps,
      '--measure',
      precision,
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

function peer(precision) {
  const out = join(mkdtempSync(join(tmpdir(), 'step-time-')), 'peer.jsonl');
  const script = fileURLToPath(new URL('peers/train_pytorch.py', import.meta.url));
  const args = [
    script,
    '--encoder',
    values.encoder,
    '--data',
    values.data,
    '--out',
    out,
    '--precision',
    precision,
  ];
  const { status, stderr } = spawnSync(values.python, [...args, '--steps', values.steps], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  const timed = JSON.parse(readFileSync(out, 'utf8').trim().split('\n').at(-1));
  return { best: timed.step_seconds_min, median: timed.step_seconds_median, peakMib: timed.peak_mib };
}

async function measureOurs(precision) {
  const recipe = loadRecipe('v5.0');
  const encoder = await openEncoder(values.encoder, { offline: true });
  const data = await loadDataset(values.data, { seed: 42 });
  const weights = classWeights(recipe.classWeights, data.labels, data.counts.train);
  const model = await loadEngine().createModel({
    encoder: encoder.shape,
    head: headShape(recipe, data.labels.length, encoder.shape),
    training: trainingShape(recipe, encoder.shape, weights),
    device: 'cpu',
    precision,
    threads: availableParallelism(),
    seed: 42,
    deterministic: false,
    weights: encoder.tensors,
    mayInitialize: ['head.'],
  });
  const seconds = [];
  for (let step = 0; step < steps; step++) {
    // Every eighth paper: the folder's order may be by class.
    const examples = Array.from(
      { length: recipe.batchSize },
      (_, i) => data.train[((step * recipe.batchSize + i) * 8) % data.train.length],
    );
    const began = performance.now();
    const batch = packPapers(
      encoder.tokenizer,
      examples.map(({ paper }) => paper),
      recipe.lengths,
    );
    const labels = Int32Array.from(examples, ({ label }) => label);
    await model.trainStep({ ...batch, labels, microBatch: recipe.batchSize, learningRateScale: 1 });
    seconds.push((performance.now() - began) / 1000);
  }
  seconds.sort((a, b) => a - b);
  return {
    best: seconds[0],
    median: seconds[seconds.length >> 1],
    peakMib: process.resourceUsage().maxRSS / 1024,
  };
}
