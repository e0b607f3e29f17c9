// What is measured. Each suite takes the bench (see run.mjs) and a work (see work.mjs).
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PACKAGE_ROOT } from '../dist/setup/paths.js';
import { contest } from './contest.mjs';
import { forwardFlops, stepFlops } from './flops.mjs';
import { runKernels } from './kernels.mjs';

/** Papers a training step. */
const STEP = 12;

export const SUITES = { kernels, train, predict, startup, tokenize, memory, peers };

async function kernels(bench, work) {
  const program = await bench.kernels();
  if (!program) return;
  const { rounds, minTime } = bench.settings;
  const found = await runKernels(program, work, {
    ...bench.forKernels(work),
    filter: '.',
    repetitions: rounds,
    minTime,
  });
  bench.notePeak(work, found);
  for (const { name, seconds, cpuSeconds, flops, bytes, error } of found) {
    if (error) {
      bench.skip(name, error);
      continue;
    }
    const precision = name.split('/').find(part => /^(fp32|bf16|int8)$/.test(part));
    bench.add(work, {
      task: name.split('/')[0],
      name,
      precision,
      samples: seconds.map((each, i) => ({ seconds: each, cpuSeconds: cpuSeconds[i] })),
      ...(flops && { flops }),
      ...(bytes && { bytesPerSecond: bytes }),
    });
  }
}

async function train(bench, work) {
  const [best] = bench.precisions;
  const task = `training step, ${STEP} papers`;
  const entries = bench.precisions.map(precision => ourTraining(bench, work, { task, precision }));
  const frozen = { task, name: `ours ${best}, embeddings frozen`, precision: best, freezeEmbeddings: true };
  await compete(bench, work, [...entries, ourTraining(bench, work, frozen)]);

  const curve = (axis, values, change) =>
    values.map(x =>
      ourTraining(bench, work, {
        task: `training against ${axis}`,
        precision: best,
        curve: { axis, x },
        ...change(x),
      }),
    );
  const { batches, lengths, threads } = bench.settings.curves;
  await compete(
    bench,
    work,
    curve('papers a batch', batches, count => ({ count })),
  );
  const { title } = work.lengths;
  await compete(
    bench,
    work,
    curve('tokens of an abstract', lengths, abstract => ({ lengths: { title, abstract } })),
  );
  await compete(
    bench,
    work,
    curve('threads', threads, count => ({ threads: count })),
  );
}

async function predict(bench, work) {
  const [best] = bench.precisions;
  const each = bench.answering.flatMap(precision =>
    [1, 12, 64].map(count => ourPrediction(bench, work, { count, precision })),
  );
  await compete(bench, work, each);
  const many = ourPrediction(bench, work, { count: bench.settings.manyPapers, precision: best });
  await compete(bench, work, [many], { rounds: 1, samples: 1 });
  const curve = (axis, values, change) =>
    values.map(x =>
      ourPrediction(bench, work, {
        task: `prediction against ${axis}`,
        count: 64,
        precision: best,
        curve: { axis, x },
        ...change(x),
      }),
    );
  const { batches, threads } = bench.settings.curves;
  await compete(
    bench,
    work,
    curve('papers a batch', batches, count => ({ count })),
  );
  await compete(
    bench,
    work,
    curve('threads', threads, count => ({ threads: count })),
  );
}

/** Whole processes, from their start to their end. */
async function startup(bench, work) {
  const [paper] = work.texts(1);
  const module = JSON.stringify(new URL('../dist/index.js', import.meta.url).href);
  const load = `const { Predictor } = await import(${module}); const it = await Predictor.load(${JSON.stringify(work.model)});`;
  const script = code => ['--input-type=module', '-e', code];
  const command = [join(PACKAGE_ROOT, 'bin', 'arxiv-native.js'), 'predict'];
  const asked = ['--title', paper.title, '--abstract', paper.abstract];
  const processes = {
    'Node alone': script('0'),
    'the package imported': script(`await import(${module})`),
    'a model loaded': script(load),
    'one paper classified': script(`${load} await it.predict(${JSON.stringify(paper)})`),
    'the predict command': [...command, '--model', work.model, ...asked],
    "the predict command, the package's own classifier": [...command, ...asked],
  };
  const rows = Object.entries(processes).map(([name, args]) => ({
    task: 'start of a process',
    name,
    args,
    samples: [],
  }));
  for (let round = -1; round < bench.settings.rounds; round++) {
    for (const { args, samples } of rows) {
      const began = performance.now();
      await promisify(execFile)(process.execPath, args, { signal: bench.signal });
      if (round >= 0) samples.push({ seconds: (performance.now() - began) / 1000 });
    }
  }
  for (const { args, ...row } of rows) bench.add(work, row);
}

async function tokenize(bench, work) {
  const count = bench.settings.tokenized;
  const entry = (name, spec) => ({
    task: `tokenizing ${count} papers`,
    name,
    spec: { ...spec, task: 'tokenize', work: work.folder, threads: bench.settings.threads },
    message: { count },
  });
  const entries = [entry('ours', { program: 'ours' })];
  if (bench.python)
    entries.push(entry('tokenizers (Rust)', { program: 'pytorch', python: bench.python, precision: 'fp32' }));
  await compete(bench, work, entries);
}

/** Each size in a process of its own, one after another. */
async function memory(bench, work) {
  const [best] = bench.precisions;
  for (const count of bench.settings.curves.batches) {
    const shared = { count, alone: count, precision: best, curve: { axis: 'papers a batch', x: count } };
    const entries = [
      ourTraining(bench, work, { ...shared, task: 'peak memory of training' }),
      ourPrediction(bench, work, { ...shared, task: 'peak memory of prediction' }),
    ];
    const peer = {
      ...shared,
      task: 'peak memory of training',
      precision: best === 'bf16' ? 'autocast' : 'fp32',
    };
    if (bench.python) entries.push(pytorchTraining(bench, work, peer));
    for (const entry of entries) await compete(bench, work, [entry], { rounds: 1, samples: 2, unit: 'MiB' });
  }
}

async function peers(bench, work) {
  if (!bench.python)
    bench.skip(
      'PyTorch, torch.compile, ONNX',
      'no --python with the packages of bench/peers/requirements.txt',
    );
  const steps = bench.precisions.map(precision =>
    ourTraining(bench, work, { task: `training step, ${STEP} papers`, precision }),
  );
  const sizes = [1, 12, 64];
  const answers = bench.answering.flatMap(precision =>
    sizes.map(count => ourPrediction(bench, work, { count, precision })),
  );
  if (bench.python) {
    const task = `training step, ${STEP} papers`;
    const kinds = [
      { precision: 'fp32' },
      { precision: 'autocast' },
      { precision: 'autocast', compile: true },
    ];
    steps.push(...kinds.filter(bench.fits).map(kind => pytorchTraining(bench, work, { task, ...kind })));
    const predicting = [...kinds.slice(0, 2), { precision: 'bf16', compile: true }].filter(bench.fits);
    answers.push(
      ...predicting.flatMap(kind => sizes.map(count => pytorchPrediction(bench, work, { count, ...kind }))),
    );
    const onnx = await bench.exportOnnx(work);
    for (const program of onnx ? ['onnx', 'transformers.js'] : []) {
      for (const precision of ['fp32', 'int8']) {
        answers.push(...sizes.map(count => onnxPrediction(bench, work, { count, program, precision, onnx })));
      }
    }
  }
  await compete(bench, work, steps);
  await compete(bench, work, answers);
}

/** Lets them alternate, with the machine's GEMM peak measured between, and keeps what came of it. */
async function compete(bench, work, entries, { rounds, samples, unit } = {}) {
  const ran = await contest(entries, {
    rounds: rounds ?? bench.settings.rounds,
    samples: samples ?? bench.settings.samples,
    beforeRound: () => bench.measurePeak(work),
    skip: bench.skip,
    log: bench.log,
    signal: bench.signal,
  });
  const reference = new Map();
  for (const { task, precision, warm } of ran)
    if (precision === 'fp32' && !reference.has(task)) reference.set(task, warm.probabilities);
  for (const { task, name, precision, curve, flopsOf, facts, samples: taken, warm, message } of ran) {
    bench.facts(facts);
    bench.add(work, {
      task,
      name,
      precision,
      unit: unit ?? 's',
      ...(curve && { curve }),
      papers: message.count,
      samples: taken.map(sample => ({ ...sample, ...(flopsOf && { flop: flopsOf(sample) }) })),
      ...(warm.probabilities &&
        reference.get(task) && { differs: difference(warm.probabilities, reference.get(task)) }),
    });
  }
}

function ourTraining(
  bench,
  work,
  { task, name, precision, freezeEmbeddings = false, count = STEP, lengths, threads, alone, curve },
) {
  const spec = {
    program: 'ours',
    task: 'train',
    work: work.folder,
    precision,
    freezeEmbeddings,
    lengths,
    alone,
  };
  return {
    task,
    name: name ?? `ours ${precision}`,
    precision,
    curve,
    spec: { ...spec, threads: threads ?? bench.settings.threads },
    message: { count },
    flopsOf: step(work, freezeEmbeddings, lengths),
  };
}

function ourPrediction(bench, work, { task, precision, count, threads, alone, curve }) {
  const spec = { program: 'ours', task: 'predict', work: work.folder, precision, alone };
  return {
    task: task ?? `prediction, ${count} ${count === 1 ? 'paper' : 'papers'}`,
    name: `ours ${precision}`,
    precision,
    curve,
    spec: { ...spec, threads: threads ?? bench.settings.threads },
    message: { count },
    flopsOf: forward(work),
  };
}

function pytorchTraining(bench, work, { task, precision, compile = false, count = STEP, alone, curve }) {
  const { python } = bench;
  return {
    task,
    name: pytorchName(precision, compile),
    precision: precision === 'fp32' ? 'fp32' : 'bf16',
    curve,
    spec: {
      program: 'pytorch',
      python,
      task: 'train',
      work: work.folder,
      precision,
      compile,
      alone,
      threads: bench.settings.threads,
    },
    message: { count },
    flopsOf: step(work, false),
  };
}

function pytorchPrediction(bench, work, { precision, compile = false, count }) {
  return {
    ...pytorchTraining(bench, work, { precision, compile, count }),
    ...predicting(bench, work, { program: 'pytorch', python: bench.python, precision, compile }, count),
  };
}

function onnxPrediction(bench, work, { program, precision, onnx, count }) {
  const name = `${program === 'onnx' ? 'onnxruntime-node' : program} ${precision === 'int8' ? 'dynamic int8' : precision}`;
  return { name, precision, ...predicting(bench, work, { program, precision, onnx }, count) };
}

function predicting(bench, work, spec, count) {
  return {
    task: `prediction, ${count} ${count === 1 ? 'paper' : 'papers'}`,
    spec: { ...spec, task: 'predict', work: work.folder, threads: bench.settings.threads },
    message: { count },
    flopsOf: forward(work),
  };
}

function pytorchName(precision, compile) {
  const names = { fp32: 'PyTorch fp32', autocast: 'PyTorch bf16 autocast', bf16: 'PyTorch bf16' };
  return compile
    ? `${names[precision]}, compiled${precision === 'bf16' ? ' and frozen' : ''}`
    : names[precision];
}

function step(work, embeddings, lengths) {
  const frozen = { layers: work.training.frozenLayers, embeddings };
  return ({ first, count }) => stepFlops(work.shape, frozen, work.lengthsOf(first, count, lengths)).all;
}

function forward(work) {
  return ({ first, count }) => forwardFlops(work.shape, work.lengthsOf(first, count)).all;
}

/** The largest between two sets of probabilities. */
function difference(some, others) {
  return Math.max(...some.flatMap((row, i) => row.map((value, k) => Math.abs(value - others[i][k]))));
}
