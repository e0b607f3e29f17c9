import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from '../util/cancel.js';
import { withLock } from '../util/lock.js';
import { type BuildStamp, readStamp, stampPath } from './diagnose.js';
import type { Libtorch } from './libtorch.js';
import { addonPath, type Environment, findProgram, PACKAGE_ROOT } from './paths.js';
import { type RunResult, run } from './run.js';
import { type AddonReport, smokeTest } from './smoke.js';

/** A translation unit with LibTorch's headers takes up to 1.3 GB. */
const BYTES_PER_JOB = 2e9;
const SHOWN_LINES = 20;

export interface BuildProgress {
  done: number;
  /** Files with ninja, 100 with make. */
  total: number;
}

export interface BuildOptions {
  env: Environment;
  log: (line: string) => void;
  /** How far the builder says it is; node-gyp does not say. */
  onProgress?: ((progress: BuildProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
  root?: string | undefined;
  /** Build anew, from nothing, even if another process has just built the same. */
  force?: boolean | undefined;
}

/** Whether the built addon is of the present sources and its LibTorch is still there. */
export async function isUpToDate(root: string = PACKAGE_ROOT): Promise<boolean> {
  const stamp = readStamp(root);
  if (!stamp?.complete || !existsSync(stamp.libtorch)) return false;
  return stamp.sources === (await hashSources(root));
}

/**
 * Compiles the addon against `libtorch` and tries it in a child process. Uses cmake where there is one, else node-gyp
 * and make; ccache and ninja where they are. `built` is false if another process did it meanwhile.
 *
 * @throws ArxivNativeError ADDON: no compiler, a failed compilation (with its last lines), or an addon that does not load.
 */
export async function buildAddon(
  libtorch: Libtorch,
  options: BuildOptions,
): Promise<{ report: AddonReport; built: boolean }> {
  const { root = PACKAGE_ROOT, log, env, force = false } = options;
  return await withLock(
    join(root, 'build'),
    async signal => {
      const stamp = readStamp(root);
      // Whoever held the lock until now may have built just this.
      if (!force && stamp?.libtorch === libtorch.folder && stamp.version === libtorch.version) {
        const ready = await workingAddon(env, root);
        if (ready) return { report: ready, built: false };
      }
      return { report: await buildLocked(libtorch, root, { ...options, signal }), built: true };
    },
    { onWait: () => log('Another process is building the addon: waiting for it.'), signal: options.signal },
  );
}

/**
 * What the built addon says of itself if there is nothing to build: it is of the present sources, loads, and runs with
 * the LibTorch that it was compiled with.
 */
export async function workingAddon(
  env: Environment,
  root: string = PACKAGE_ROOT,
): Promise<AddonReport | undefined> {
  if (!(await isUpToDate(root))) return undefined;
  const report = await smokeTest(env, root).catch(() => undefined);
  const version = readStamp(root)?.version;
  return report?.builtWith === version && report?.libtorchVersion === version ? report : undefined;
}

async function buildLocked(libtorch: Libtorch, root: string, options: BuildOptions): Promise<AddonReport> {
  const { env, log, force } = options;
  requireCompiler(env);
  const builder = findBuilder(env);
  const { folder, version, variant } = libtorch;
  const sources = await hashSources(root);
  const stamp: BuildStamp = { libtorch: folder, version, variant, sources, builder, complete: false };
  const before = readStamp(root);
  // CMake remembers the libraries it found: what was configured for another LibTorch is of no use.
  if (force || before?.libtorch !== folder || before.version !== version || before.builder !== builder) {
    await rm(join(root, 'build'), { recursive: true, force: true });
  }
  // Builders go by dates: to them an addon that is damaged is done.
  await rm(addonPath(root), { force: true });
  await writeStamp(stamp, root);
  log(`Building the addon with ${builder} against LibTorch ${version} (${variant}) in ${folder}`);
  const result = await (builder === 'cmake-js' ? runCmake : runNodeGyp)(folder, root, options);
  throwIfCancelled(options.signal, 'building the addon');
  if (!result.ok) throw buildFailure(result);
  await writeStamp({ ...stamp, complete: true }, root);
  const report = await smokeTest(env, root);
  if (!existsSync(join(root, '.git'))) await removePrecompiledHeader(root);
  return report;
}

/** Nearly half a gigabyte, and of use only where sources are edited and built again: in a clone. */
async function removePrecompiledHeader(root: string): Promise<void> {
  const build = join(root, 'build');
  for (const name of await readdir(build, { recursive: true })) {
    if (/cmake_pch\.hxx\.(gch|pch)$/.test(name))
      await rm(join(build, name), { recursive: true, force: true });
  }
}

async function writeStamp(stamp: BuildStamp, root: string): Promise<void> {
  await mkdir(dirname(stampPath(root)), { recursive: true });
  await writeFile(stampPath(root), `${JSON.stringify(stamp, null, 2)}\n`);
}

/** Of every file that a builder reads. */
async function hashSources(root: string): Promise<string> {
  const native = (await readdir(join(root, 'native'))).filter(name => /\.(cc|h)$/.test(name)).sort();
  const hash = createHash('sha256');
  for (const file of ['CMakeLists.txt', 'binding.gyp', ...native.map(name => join('native', name))]) {
    hash.update(`${file}\0`).update(await readFile(join(root, file)));
  }
  return hash.digest('hex');
}

/** How to install what compiling needs. */
const TOOLS =
  process.platform === 'darwin'
    ? 'Run `xcode-select --install`.'
    : 'Install a C++ compiler and make or cmake, for instance with `sudo apt-get install g++ make cmake`.';

/** The compiler that the builders will use. */
export function findCompiler(env: Environment): string | undefined {
  const names = env.CXX ? [env.CXX.split(' ')[0]!] : ['c++', 'g++', 'clang++'];
  return names
    .map(name => (name.includes('/') ? name : findProgram(name, env)))
    .find(path => path && existsSync(path));
}

function requireCompiler(env: Environment): void {
  if (findCompiler(env)) return;
  throw new ArxivNativeError('ADDON', `no C++ compiler was found${env.CXX ? ` (CXX=${env.CXX})` : ''}`, {
    remedy: TOOLS,
  });
}

function findBuilder(env: Environment): BuildStamp['builder'] {
  const has = (name: string) => findProgram(name, env) !== undefined;
  if (has('cmake') && (has('ninja') || has('make'))) return 'cmake-js';
  if (has('make') && has('python3') && findNodeGyp(env)) return 'node-gyp';
  throw new ArxivNativeError('ADDON', 'neither cmake nor make with python3 and node-gyp was found', {
    remedy: TOOLS,
  });
}

function jobs(): string {
  return String(Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / BYTES_PER_JOB))));
}

function runCmake(libtorch: string, root: string, options: BuildOptions): Promise<RunResult> {
  const manifest = createRequire(import.meta.url).resolve('cmake-js/package.json');
  const program = join(dirname(manifest), 'bin', 'cmake-js');
  const args = ['build', '--directory', root, '--parallel', jobs(), `--CDLIBTORCH=${libtorch}`];
  return runBuilder([program, ...args], libtorch, root, options);
}

function runNodeGyp(libtorch: string, root: string, options: BuildOptions): Promise<RunResult> {
  const args = ['rebuild', '--directory', root, '--jobs', jobs()];
  // Node's own headers, where they came with it, save a download.
  const prefix = join(dirname(process.execPath), '..');
  if (existsSync(join(prefix, 'include', 'node', 'common.gypi'))) args.push('--nodedir', prefix);
  return runBuilder([findNodeGyp(options.env)!, ...args], libtorch, root, options);
}

function runBuilder(
  args: string[],
  libtorch: string,
  root: string,
  { env, onProgress, signal }: BuildOptions,
): Promise<RunResult> {
  // ninja counts files, `[3/17]`; make behind CMake says `[ 17%]`.
  const onLine = (line: string) => {
    const [, done, total] = /^\[\s*(\d+)(?:%|\/(\d+))\] (?:Building|Linking)/.exec(line) ?? [];
    if (done !== undefined) onProgress?.({ done: Number(done), total: Number(total ?? 100) });
  };
  return run(process.execPath, args, { env: { ...env, LIBTORCH: libtorch }, cwd: root, onLine, signal });
}

/** Ours in a clone, npm's own otherwise. */
function findNodeGyp(env: Environment): string | undefined {
  const ofNpm = 'lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js';
  const places = [env.npm_config_node_gyp, join(dirname(process.execPath), '..', ofNpm)];
  try {
    places.unshift(createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js'));
  } catch {
    // Not installed: it is no dependency of the package.
  }
  return places.find(path => path !== undefined && existsSync(path));
}

/** Failures whose remedy is known. */
const REMEDIES: [RegExp, string][] = [
  [
    /Killed signal terminated program|out of memory|cannot allocate memory/i,
    'The compiler ran out of memory: it needs 2 GB. Close other programs, or add swap.',
  ],
  [
    /unrecognized command.line option.*std=|CXX20|requires? the language dialect|invalid value.*std=/,
    'The compiler is too old for C++20: install GCC 11 or Clang 14, or newer, and name it in CXX.',
  ],
  [/CMake 3\.\d+ or higher is required/, 'Install a newer CMake, for instance with `pip install cmake`.'],
  [/No space left on device/, 'Free some disk space.'],
];

function buildFailure({ lines, ending }: RunResult): ArxivNativeError {
  const firstError = lines.findIndex(line => /\berror\b/i.test(line) && !line.startsWith('FAILED'));
  const shown =
    firstError < 0 ? lines.slice(-SHOWN_LINES) : lines.slice(firstError, firstError + SHOWN_LINES);
  const text = lines.join('\n');
  const remedy = REMEDIES.find(([pattern]) => pattern.test(text))?.[1];
  return new ArxivNativeError('ADDON', `the addon could not be compiled (${ending}):\n${shown.join('\n')}`, {
    remedy: remedy ?? 'Run `npx arxiv-native doctor` to see which compiler and which LibTorch were used.',
  });
}
