// bench_kernels, the engine without Node: built when it is first needed, by the option BENCHMARKS of CMakeLists.txt.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitingOf } from '../dist/engine.js';
import { readStamp } from '../dist/setup/diagnose.js';
import { findProgram, PACKAGE_ROOT } from '../dist/setup/paths.js';
import { run } from '../dist/setup/run.js';

const BUILD = join(PACKAGE_ROOT, 'build', 'bench');

/**
 * Builds what is not built of the present sources.
 *
 * @returns the program's path
 * @throws Error that says why there is none
 */
export async function buildKernels({ signal, log }) {
  const libtorch = readStamp()?.libtorch;
  if (!libtorch || !existsSync(libtorch)) throw new Error('the addon is not built: run `npm run build`');
  if (!findProgram('cmake', process.env)) throw new Error('there is no cmake');
  const generator = findProgram('ninja', process.env) ? ['-G', 'Ninja'] : [];
  mkdirSync(BUILD, { recursive: true });
  log('kernels: building');
  const configure = [
    '-S',
    PACKAGE_ROOT,
    '-B',
    BUILD,
    ...generator,
    '-DCMAKE_BUILD_TYPE=Release',
    '-DBENCHMARKS=ON',
  ];
  for (const args of [
    [...configure, `-DLIBTORCH=${libtorch}`],
    ['--build', BUILD],
  ]) {
    const { ok, lines } = await run('cmake', args, { env: process.env, signal });
    if (ok) continue;
    if (lines.some(line => /benchmarkConfig\.cmake/.test(line))) {
      throw new Error('Google Benchmark is not installed (on Debian: libbenchmark-dev)');
    }
    throw new Error(lines.find(line => /\berror\b/i.test(line)) ?? lines.at(-1));
  }
  return join(BUILD, 'bench_kernels');
}

/**
 * Runs the benchmarks whose names match, on a work's shapes.
 *
 * @returns one object a benchmark: name, seconds (of each repetition), cpuSeconds, flops (the best a second) and
 *   bytes (a second), or error
 */
export async function runKernels(program, work, { filter, threads, repetitions, minTime, scratch, signal }) {
  const { hiddenSize, layers, attentionHeads, intermediateSize, vocabSize, maxPositions } =
    work.shape.encoder;
  const args = [
    `--encoder=${[hiddenSize, layers, attentionHeads, intermediateSize, vocabSize, maxPositions]}`,
    `--lengths=${work.lengthsOf(0, 12)}`,
    `--frozen=${work.training.frozenLayers}`,
    `--threads=${threads}`,
    `--scratch=${scratch}`,
    `--benchmark_filter=${filter}`,
    `--benchmark_repetitions=${repetitions}`,
    `--benchmark_min_time=${minTime}`,
    '--benchmark_format=json',
  ];
  const env = { ...process.env, ...waitingOf(process.env) };
  const options = { env, signal, maxBuffer: 1 << 28 };
  const { stdout } = await promisify(execFile)(program, args, options);
  const results = new Map();
  for (const run of JSON.parse(stdout).benchmarks) {
    if (run.run_type === 'aggregate') continue;
    const name = run.run_name.replace('/process_time/real_time', '');
    const result = results.get(name) ?? { name, seconds: [], cpuSeconds: [], flops: 0, bytes: 0 };
    results.set(name, result);
    if (run.error_occurred) {
      result.error = run.error_message;
      continue;
    }
    result.seconds.push(run.real_time / 1000);
    result.cpuSeconds.push(run.cpu_time / 1000);
    result.flops = Math.max(result.flops, run.flops ?? 0);
    result.bytes = Math.max(result.bytes, run.bytes_per_second ?? 0);
  }
  return [...results.values()];
}
