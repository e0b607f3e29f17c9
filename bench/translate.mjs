// Sentences and tokens a second, each measurement in a process of its own, in turns: ours on onnxruntime against
// transformers' `generate` on the same random model of opus-mt's size; and, with --papers, Bergamot's small model on as
// many sentences of real abstracts. `npm run compile` first. Nothing is read from the cache of translations.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Tokenizer } from '@huggingface/tokenizers';
import { seededRandom } from '../dist/util/random.js';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    model: { type: 'string', default: join(tmpdir(), 'random-marian') },
    papers: { type: 'string' },
    'model-dir': { type: 'string' },
    pivot: { type: 'string', default: 'pt' },
    sentences: { type: 'string', default: '32' },
    beams: { type: 'string', default: '1,4' },
    batch: { type: 'string', default: '16' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '2' },
    measure: { type: 'string' }, // internal: translate this file by --by and print what came out
    by: { type: 'string' },
  },
});
const batch = Number(values.batch);
const threads = Number(values.threads);
const measures = { marian: measureMarian, bergamot: measureBergamot };

if (values.measure) {
  console.log(JSON.stringify(await measures[values.by](values.measure)));
} else if (!values.python || Boolean(values.papers) !== Boolean(values['model-dir'])) {
  console.error(
    'usage: translate.mjs --python PYTHON [--model SCRATCH] [--sentences 32] [--beams 1,4] [--batch 16] [--threads 1]\n' +
      '       [--rounds 2] [--papers train.jsonl --model-dir MODELS [--pivot pt]: Bergamot too]',
  );
  process.exit(2);
} else {
  compare();
}

function compare() {
  const [load] = loadavg();
  console.log(
    `${cpus()[0].model}, Node ${process.versions.node}, ${threads} thread(s), batches of ${batch}, load ${load.toFixed(1)}`,
  );
  if (!existsSync(join(values.model, 'decoder_model_merged.onnx'))) {
    mkdirSync(values.model, { recursive: true });
    run(values.python, [peer('random_marian.py'), values.model]);
  }
  const scratch = mkdtempSync(join(tmpdir(), 'translate-'));
  const drawn = join(scratch, 'sentences.json');
  writeFileSync(drawn, JSON.stringify(drawSentences(Number(values.sentences))));
  const real = join(scratch, 'real.json');
  if (values.papers) writeFileSync(real, JSON.stringify(realSentences(Number(values.sentences))));
  const contestants = values.beams.split(',').flatMap(beams => {
    const common = ['--beams', beams, '--batch', values.batch, '--threads', values.threads];
    const model = ['--model', values.model];
    const python = [peer('translate_transformers.py'), '--sentences', drawn, ...common, ...model];
    return [
      { name: `marian, ${beams} beam(s)`, run: () => ours('marian', drawn, [...common, ...model]) },
      { name: `transformers, ${beams} beam(s)`, run: () => counted(run(values.python, python)) },
    ];
  });
  if (values.papers) {
    const models = ['--model-dir', values['model-dir'], '--pivot', values.pivot, '--threads', values.threads];
    contestants.push({ name: 'bergamot', run: () => ours('bergamot', real, models) });
  }
  const runs = contestants.map(() => []);
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [i, contestant] of contestants.entries()) runs[i].push(contestant.run());
  }
  rmSync(scratch, { recursive: true });
  for (const [i, { name }] of contestants.entries()) console.log(`${name}: ${rates(runs[i])}`);
  for (const [i, beams] of values.beams.split(',').entries()) {
    const [[{ outputs }], [peer]] = runs.slice(2 * i);
    const same = outputs.filter((ids, k) => ids.join() === peer.outputs[k].join()).length;
    console.log(`${beams} beam(s): ${same} of ${outputs.length} sentences the same`);
  }
}

/** The best of the rounds. */
function rates(list) {
  const least = key => Math.min(...list.map(run => run[key]));
  const [{ sentences, tokens, words }] = list;
  const rate = seconds =>
    [
      `${(sentences / seconds).toFixed(2)} sentences`,
      ...(words === undefined ? [] : [`${(words / seconds).toFixed(0)} words`]),
      `${(tokens / seconds).toFixed(1)} tokens`,
    ].join(', ');
  return [
    `${rate(least('seconds'))} a second`,
    ...(list[0].cpuSeconds === undefined ? [] : [`${rate(least('cpuSeconds'))} a second of the processor`]),
    `at best of ${list.length}`,
    ...(list[0].peakMib === undefined ? [] : [`peak ${least('peakMib').toFixed(0)} MiB`]),
  ].join('; ');
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

function realSentences(count) {
  const abstracts = readFileSync(values.papers, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line).abstract);
  return abstracts.slice(0, count);
}

async function measureMarian(file) {
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const { MarianModel } = await import('../dist/augment/marian/model.js');
  const { generate } = await import('../dist/augment/marian/generate.js');
  const model = await MarianModel.load(values.model, threads);
  const sentences = JSON.parse(readFileSync(file, 'utf8'));
  const order = [...sentences.keys()].sort((a, b) => sentences[b].length - sentences[a].length);
  const outputs = [];
  const translate = async batch => {
    const inputs = batch.map(i => sentences[i]);
    const written = await generate(model, inputs, { ...model.generation, beams: Number(values.beams) }, 0);
    for (const [k, { ids }] of written.entries()) outputs[batch[k]] = ids;
  };
  await translate(order.slice(-batch));
  const start = performance.now();
  const before = process.cpuUsage();
  for (let first = 0; first < order.length; first += batch)
    await translate(order.slice(first, first + batch));
  const { user, system } = process.cpuUsage(before);
  return counted({
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: (user + system) / 1e6,
    peakMib: process.resourceUsage().maxRSS / 1024,
    outputs,
  });
}

/** Sentence by sentence, as `augment` sends them, to `threads` processes, whose peak is not known here. */
async function measureBergamot(file) {
  const { bergamot } = await import('../dist/augment/bergamot/bergamot.js');
  const { protectMarkup } = await import('../dist/augment/markup.js');
  const { splitSentences } = await import('../dist/augment/sentences.js');
  const abstracts = JSON.parse(readFileSync(file, 'utf8'));
  const texts = abstracts
    .flatMap(abstract => splitSentences(protectMarkup(abstract).text))
    .slice(0, abstracts.length);
  const { pivot: to, 'model-dir': modelDir } = values;
  const translator = await bergamot.open(
    { from: 'en', to, modelDir, threads, offline: true, whole: false, seed: 0 },
    {},
  );
  const translate = async texts => {
    const results = [];
    await translator.translate(texts, (i, translation) => {
      results[i] = translation.text ?? '';
    });
    return results;
  };
  // A batch for each process, which starts with it.
  await translate(texts.slice(0, 16 * threads));
  const start = performance.now();
  const results = await translate(texts);
  const seconds = (performance.now() - start) / 1000;
  await translator.close();
  const vocabulary = JSON.parse(readFileSync(join(modelDir, `en-${to}`, 'tokenizer.json'), 'utf8'));
  const tokenizer = new Tokenizer(vocabulary, {});
  return {
    seconds,
    sentences: results.length,
    words: texts.reduce((sum, text) => sum + text.split(' ').length, 0),
    tokens: results.reduce((sum, text) => sum + tokenizer.encode(text).ids.length, 0),
  };
}

function counted(result) {
  const { outputs } = result;
  return { ...result, sentences: outputs.length, tokens: outputs.reduce((sum, ids) => sum + ids.length, 0) };
}

function ours(by, file, args) {
  return run(process.execPath, [fileURLToPath(import.meta.url), ...['--by', by, '--measure', file, ...args]]);
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
