// npm run bench [-- SUITE…]: measures, prints tables, and writes results.json and a page with charts. `--help` has the
// options, README.md beside this file what the figures mean.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { interruptible } from '../dist/cli/interrupt.js';
import { reportError } from '../dist/cli/report-error.js';
import { loadEngine } from '../dist/engine.js';
import { ArxivNativeError } from '../dist/errors.js';
import { PACKAGE_ROOT } from '../dist/setup/paths.js';
import { endAll } from './contest.mjs';
import { buildKernels, runKernels } from './kernels.mjs';
import { median, pageOf, printedTables } from './report.mjs';
import { SUITES } from './suites.mjs';

const HELP = `Usage: npm run bench -- [options] [SUITE…]

Suites: ${Object.keys(SUITES).join(', ')} (all of them without a name).

  --data PATH        labelled papers, a file or a folder of \`prepare\` (default: the examples)
  --vocabulary FILE  vocab.txt of the encoder of SciBERT's shape, whose weights are random (default: word pieces
                     learnt from the papers)
  --encoder DIR      measure on this encoder too; may be repeated
  --python PYTHON    with the packages of bench/peers/requirements.txt, for the peers
  --no-compile       leave out torch.compile, which takes minutes before its first step
  --threads N        of every program (default: as many as there are cores)
  --rounds N         (default 5) in each, every program takes
  --samples N        (default 3) samples
  --out DIR          default runs/bench-DATE
  --quick            a small model and few samples: whether everything works, no measurement
`;

const CURVES = { batches: [4, 8, 12, 24, 48], lengths: [32, 64, 128, 256] };

class Bench {
  constructor(options, folder, signal) {
    this.options = options;
    this.folder = folder;
    this.signal = signal;
    this.python = options.python;
    const { quick } = options;
    const threads = Number(options.threads ?? availableParallelism());
    this.settings = {
      threads,
      rounds: Number(options.rounds ?? (quick ? 1 : 5)),
      samples: Number(options.samples ?? (quick ? 2 : 3)),
      minTime: quick ? 0.01 : 0.3,
      manyPapers: quick ? 200 : 10_000,
      tokenized: quick ? 200 : 1000,
      curves: {
        ...(quick ? { batches: [4, 12], lengths: [32, 128] } : CURVES),
        threads: [...new Set([1, 2, threads])]
          .filter(count => count <= availableParallelism())
          .sort((a, b) => a - b),
      },
    };
    // The fastest first, as `--precision auto` chooses.
    const { precisions } = loadEngine().devices()[0];
    this.precisions = ['bf16', 'fp32'].filter(precision => precisions.includes(precision));
    /** Those that a model can answer in. */
    this.answering = [...this.precisions, ...precisions.filter(precision => precision === 'int8')];
    this.fits = ({ precision, compile }) =>
      (precision === 'fp32' || this.precisions.includes('bf16')) && !(compile && options['no-compile']);
    this.result = {
      quick: quick ?? false,
      began: new Date().toISOString(),
      machine: machine(),
      versions: versions(),
      settings: this.settings,
      works: {},
      peaks: {},
      rows: [],
      skipped: [],
    };
    this.log = line => process.stderr.write(`${line}\n`);
    this.skip = (name, reason) => {
      const skipped = { suite: this.suite, work: this.work, name, reason };
      if (this.result.skipped.some(each => each.name === name && each.reason === reason)) return;
      this.result.skipped.push(skipped);
      this.log(`skipped: ${name}: ${reason}`);
    };
  }

  add(work, row) {
    const times = row.samples.map(each => each.seconds);
    const rates = row.samples.filter(each => each.flop).map(each => each.flop / each.seconds);
    const cpu = row.samples.map(each => each.cpuSeconds).filter(Number.isFinite);
    this.result.rows.push({
      suite: this.suite,
      work: work.name,
      ...row,
      best: Math.min(...times),
      median: median(times),
      ...(cpu.length > 0 && { cpuSeconds: median(cpu) }),
      ...(rates.length > 0 && { flops: Math.max(...rates) }),
      ...(row.samples[0]?.peakMib && { peakMib: Math.max(...row.samples.map(each => each.peakMib)) }),
      load: loadavg()[0],
    });
  }

  facts({ ready, ...found } = {}) {
    Object.assign(this.result.versions, found);
  }

  /** The program's path, undefined (and skipped by name) where it cannot be built. */
  async kernels() {
    this.program ??= buildKernels(this).catch(error => {
      this.signal.throwIfAborted();
      this.skip('kernels, and with them the share of the GEMM peak', error.message);
    });
    return this.program;
  }

  forKernels() {
    return { threads: this.settings.threads, scratch: join(this.folder, 'weights.bin'), signal: this.signal };
  }

  /** The fastest GEMM by precision over the model's own shapes, again in every round. */
  async measurePeak(work) {
    const program = await this.kernels();
    this.signal.throwIfAborted();
    if (!program) return;
    const short = { filter: '^gemm/', repetitions: 1, minTime: 0.02 };
    this.notePeak(work, await runKernels(program, work, { ...this.forKernels(), ...short }));
  }

  notePeak(work, kernels) {
    this.result.peaks[work.name] ??= {};
    const peaks = this.result.peaks[work.name];
    for (const { name, flops } of kernels) {
      const [kind, precision, ...of] = name.split('/');
      if (kind === 'gemm' && flops > (peaks[precision]?.flops ?? 0))
        peaks[precision] = { flops, of: of.join('/') };
    }
  }

  /** A folder with the classifier as ONNX, undefined where it cannot be made. */
  async exportOnnx(work) {
    const out = join(work.folder, 'onnx-model');
    this.log('onnx: exporting');
    try {
      const script = join(PACKAGE_ROOT, 'bench', 'peers', 'export_onnx.py');
      await promisify(execFile)(this.python, [script, work.folder, out], {
        signal: this.signal,
        maxBuffer: 1 << 26,
      });
      return out;
    } catch (error) {
      this.signal.throwIfAborted();
      const words = String(error.stderr ?? '')
        .trim()
        .split('\n')
        .at(-1);
      this.skip('onnxruntime-node, transformers.js', words || error.message);
      return undefined;
    }
  }

  /** Papers, an encoder and a model; see work.mjs. */
  async makeWork({ name, encoder }) {
    this.log(`${name}: making the model`);
    const folder = join(this.folder, name);
    const { data, vocabulary } = this.options;
    const spec = {
      folder,
      name,
      data: resolve(data),
      encoder,
      vocabulary: vocabulary && resolve(vocabulary),
    };
    const script = join(PACKAGE_ROOT, 'bench', 'work.mjs');
    await promisify(execFile)(process.execPath, [script, JSON.stringify(spec)], {
      signal: this.signal,
    }).catch(error => {
      this.signal.throwIfAborted();
      const words = String(error.stderr)
        .trim()
        .replace(/^error: /, '');
      throw new ArxivNativeError('BAD_INPUT', words || error.message);
    });
    const work = JSON.parse(readFileSync(join(folder, 'work.json'), 'utf8'));
    const { tokens, shape, lengths, training } = work;
    this.result.works[name] = { shape, lengths, training, papers: tokens.length };
    return {
      ...work,
      folder,
      lengthsOf: (first, count, { title, abstract } = lengths) =>
        Array.from({ length: count }, (_, i) => tokens[(first + i) % tokens.length]).flatMap(([t, a]) => [
          Math.min(t, title),
          Math.min(a, abstract),
        ]),
      texts: count =>
        readFileSync(work.papers, 'utf8')
          .split('\n', count)
          .map(line => JSON.parse(line)),
    };
  }

  async write(out) {
    writeFileSync(join(out, 'results.json'), `${JSON.stringify(this.result, null, 1)}\n`);
    writeFileSync(join(out, 'index.html'), await pageOf(this.result));
  }
}

function machine() {
  const info = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
  const field = name => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(info)?.[1];
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    flags: (field('flags') ?? field('Features') ?? '').split(' '),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch} ${release()}`,
    loadAtStart: loadavg()[0],
  };
}

function versions() {
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8'));
  let commit = 'unknown';
  try {
    commit = execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: PACKAGE_ROOT,
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  } catch {
    // No git, or no clone.
  }
  return {
    'arxiv-native': version,
    commit,
    node: process.versions.node,
    libtorch: loadEngine().libtorchVersion,
  };
}

function parseOptions() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        data: { type: 'string', default: join(PACKAGE_ROOT, 'examples', 'papers.jsonl') },
        vocabulary: { type: 'string' },
        encoder: { type: 'string', multiple: true, default: [] },
        python: { type: 'string' },
        'no-compile': { type: 'boolean' },
        threads: { type: 'string' },
        rounds: { type: 'string' },
        samples: { type: 'string' },
        out: { type: 'string' },
        quick: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw refusal(error.message);
  }
}

function refusal(message) {
  return new ArxivNativeError('BAD_OPTION', message, { remedy: 'See `npm run bench -- --help`.' });
}

function parse() {
  const { values, positionals } = parseOptions();
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const stranger = positionals.find(name => !Object.hasOwn(SUITES, name));
  if (stranger) throw refusal(`there is no suite ${stranger}`);
  for (const name of ['threads', 'rounds', 'samples']) {
    if (
      values[name] !== undefined &&
      !(Number(values[name]) >= 1 && Number.isInteger(Number(values[name])))
    ) {
      throw refusal(`--${name}: a whole number above 0 expected, not ${values[name]}`);
    }
  }
  return { values, suites: positionals.length > 0 ? positionals : Object.keys(SUITES) };
}

async function main({ values, suites }, signal) {
  const folder = mkdtempSync(join(tmpdir(), 'arxiv-native-bench-'));
  const out = resolve(
    values.out ?? join('runs', `bench-${new Date().toISOString().slice(0, 16).replaceAll(':', '')}`),
  );
  mkdirSync(out, { recursive: true });
  signal.addEventListener('abort', endAll);
  // However this ends, also by a second Ctrl-C.
  process.on('exit', () => {
    endAll();
    rmSync(folder, { recursive: true, force: true });
  });
  const bench = new Bench(values, folder, signal);
  const works = [{ name: values.quick ? 'quick' : 'scibert-shape' }];
  works.push(...values.encoder.map(each => ({ name: basename(resolve(each)), encoder: resolve(each) })));
  for (const wanted of works) {
    bench.work = wanted.name;
    const work = await bench.makeWork(wanted);
    for (const suite of suites) {
      bench.suite = suite;
      bench.log(`${wanted.name}: ${suite}`);
      await SUITES[suite](bench, work);
      await bench.write(out); // so that an interruption loses one suite at most
    }
    rmSync(work.folder, { recursive: true, force: true });
  }
  process.stdout.write(printedTables(bench.result));
  process.stdout.write(`\nWritten: ${join(out, 'results.json')} and index.html beside it.\n`);
}

try {
  const parsed = parse();
  await interruptible(signal =>
    main(parsed, signal).catch(error => {
      if (!signal.aborted) throw error;
      process.stderr.write('Interrupted.\n');
    }),
  );
} catch (error) {
  reportError(error, { json: false });
  process.exitCode = ['BAD_OPTION', 'BAD_INPUT'].includes(error.code) ? 2 : 1;
}
