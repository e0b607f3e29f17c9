// Sentences and tokens a second: ours on onnxruntime against transformers' `generate`, on the same random model of
// opus-mt's size, alternating, each measurement in a process of its own. `npm run compile` first.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seededRandom } from '../dist/util/random.js';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    model: { type: 'string', default: join(tmpdir(), 'random-marian') },
    sentences: { type: 'string', default: '32' },
    beams: { type: 'string', default: '1,4' },
    batch: { type: 'string', default: '16' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '2' },
    measure: { type: 'string' }, // internal: translate this file and print what came out
  },
});
const batch = Number(values.batch);
const threads = Number(values.threads);

if (values.measure) {
  console.log(JSON.stringify(await measureOurs(values.measure, Number(values.beams))));
} else if (!values.python) {
  console.error(
    'usage: translate.mjs --python PYTHON [--model SCRATCH] [--sentences 32] [--beams 1,4] [--batch 16] [--threads 1] [--rounds 2]',
  );
  process.exit(2);
} else {
  console.log(`${cpus()[0].model}, Node ${process.versions.node}, ${threads} thread(s), batches of ${batch}`);
  if (!existsSync(join(values.model, 'decoder_model_merged.onnx'))) {
    mkdirSync(values.model, { recursive: true });
    run(values.python, [peer('random_marian.py'), values.model]);
  }
  const file = join(mkdtempSync(join(tmpdir(), 'translate-')), 'sentences.json');
  writeFileSync(file, JSON.stringify(drawSentences(Number(values.sentences))));
  for (const beams of values.beams.split(',')) compare(file, beams);
}

/** Of the lengths that sentences of abstracts have, about 32 tokens. */
function drawSentences(count) {
  const { vocab_size: vocabSize } = JSON.parse(readFileSync(join(values.model, 'config.json'), 'utf8'));
  const random = seededRandom('sentences');
  return Array.from({ length: count }, () => {
    const length = 12 + Math.floor(40 * random());
    return [...Array.from({ length }, () => 2 + Math.floor((vocabSize - 3) * random())), 0];
  });
}

function compare(file, beams) {
  const common = [
    '--beams',
    beams,
    '--batch',
    values.batch,
    '--threads',
    values.threads,
    '--model',
    values.model,
  ];
  const runs = { ours: [], peer: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    runs.ours.push(run(process.execPath, [fileURLToPath(import.meta.url), '--measure', file, ...common]));
    runs.peer.push(run(values.python, [peer('translate_transformers.py'), '--sentences', file, ...common]));
  }
  for (const [name, list] of Object.entries(runs)) {
    const least = key => Math.min(...list.map(run => run[key]));
    const { outputs } = list[0];
    const tokens = outputs.reduce((sum, ids) => sum + ids.length, 0);
    const rates = seconds =>
      `${(outputs.length / seconds).toFixed(2)} sentences, ${(tokens / seconds).toFixed(1)} tokens`;
    console.log(
      `${beams} beam(s), ${name}: ${rates(least('seconds'))} a second, ${rates(least('cpuSeconds'))} a second of the processor, at best; peak ${least('peakMib').toFixed(0)} MiB`,
    );
  }
  const same = runs.ours[0].outputs.filter((ids, i) => ids.join() === runs.peer[0].outputs[i].join()).length;
  console.log(`${beams} beam(s): ${same} of ${runs.ours[0].outputs.length} sentences the same`);
}

async function measureOurs(file, beams) {
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const { MarianModel } = await import('../dist/augment/marian/model.js');
  const { generate } = await import('../dist/augment/marian/generate.js');
  const model = await MarianModel.load(values.model, threads);
  const sentences = JSON.parse(readFileSync(file, 'utf8'));
  const order = [...sentences.keys()].sort((a, b) => sentences[b].length - sentences[a].length);
  const outputs = [];
  const translate = async batch => {
    const inputs = batch.map(i => sentences[i]);
    const written = await generate(model, inputs, { ...model.generation, beams }, 0);
    for (const [k, { ids }] of written.entries()) outputs[batch[k]] = ids;
  };
  await translate(order.slice(-batch));
  const start = performance.now();
  const before = process.cpuUsage();
  for (let first = 0; first < order.length; first += batch)
    await translate(order.slice(first, first + batch));
  const { user, system } = process.cpuUsage(before);
  return {
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: (user + system) / 1e6,
    peakMib: process.resourceUsage().maxRSS / 1024,
    outputs,
  };
}

function peer(name) {
  return fileURLToPath(new URL(`peers/${name}`, import.meta.url));
}

/** A child's last line of output, which is JSON where it has any. */
function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (error || status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
  const last = stdout.trim().split('\n').at(-1);
  return last.startsWith('{') ? JSON.parse(last) : undefined;
}
