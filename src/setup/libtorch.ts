import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from './paths.js';
import { run } from './run.js';

/** The LibTorch that is fetched where none is found. */
export const LIBTORCH_VERSION = '2.13.0';
const OLDEST = [2, 6] as const;
const FIRST_UNSUPPORTED_MAJOR = 3;
const LOAD_TIMEOUT_MS = 120_000;

/** A LibTorch that can be built against. */
export interface Libtorch {
  /** Holds include/ and lib/. */
  folder: string;
  /** `2.13.0` */
  version: string;
  /** `cpu`, `cu130`, or `cuda` where the build does not say which. */
  variant: string;
}

type Judgement = { fit: true; libtorch: Libtorch } | { fit: false; reason: string };

/** The folders that a compiler has to search for headers. */
export function includeFolders(folder: string): string[] {
  return [join(folder, 'include'), join(folder, 'include', 'torch', 'csrc', 'api', 'include')];
}

/** What to link: CUDA's libraries only where the build has them. */
export function libraryNames(folder: string, platform: string): string[] {
  const required = ['torch', 'torch_cpu', 'c10'];
  return [
    ...required,
    ...['torch_cuda', 'c10_cuda'].filter(name => existsSync(library(folder, name, platform))),
  ];
}

function library(folder: string, name: string, platform: string): string {
  return join(folder, 'lib', `lib${name}.${platform === 'darwin' ? 'dylib' : 'so'}`);
}

/** Whether the LibTorch in `folder` is complete, of a supported version and ABI, and loads (tried in a child process). */
export async function judgeLibtorch(folder: string, env: Environment, platform: string): Promise<Judgement> {
  const unfit = (reason: string): Judgement => ({ fit: false, reason });
  if (!existsSync(folder)) return unfit('there is no such folder');
  const version = await readVersion(folder);
  if (version === undefined) return unfit('it has no include/ with the headers of LibTorch');
  const problem = outsideRange(version);
  if (problem !== undefined) return unfit(problem);
  for (const name of libraryNames(folder, platform)) {
    if (!existsSync(library(folder, name, platform))) {
      return unfit(`it is incomplete: ${library(folder, name, platform)} is missing`);
    }
  }
  if (platform === 'linux') {
    const oldAbi = await hasOldAbi(folder).catch((error: NodeJS.ErrnoException) => error);
    if (oldAbi instanceof Error) return unfit(`it cannot be read: ${oldAbi.message}`);
    if (oldAbi) return unfit('it is built for the old C++ ABI of GCC 4 (pre-cxx11)');
  }
  const failure = await loadFailure(library(folder, 'torch', platform), env);
  if (failure !== undefined) return unfit(`it does not load: ${failure}`);
  return { fit: true, libtorch: { folder, version, variant: await readVariant(folder, platform) } };
}

/** `2.13.0` from the headers, undefined where there are none. */
export async function readVersion(folder: string): Promise<string | undefined> {
  // The numbers moved from the C++ frontend's header to headeronly/ in 2.9 or so.
  const headers = ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h'];
  for (const header of headers) {
    const text = await readFile(join(folder, 'include', header), 'utf8').catch(() => '');
    const numbers = ['MAJOR', 'MINOR', 'PATCH'].map(
      part => new RegExp(`define TORCH_VERSION_${part}\\s+(\\d+)`).exec(text)?.[1],
    );
    if (numbers.every(number => number !== undefined)) return numbers.join('.');
  }
  return undefined;
}

/** Why this version is not supported, undefined if it is. */
export function outsideRange(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    return `version ${version} is too old: ${OLDEST.join('.')} is the first that is supported`;
  }
  if (major >= FIRST_UNSUPPORTED_MAJOR) {
    return `version ${version} is too new: only versions below ${FIRST_UNSUPPORTED_MAJOR} are supported`;
  }
  return undefined;
}

/** A build with _GLIBCXX_USE_CXX11_ABI=0 links against ours without a word, then crashes at the first string. */
async function hasOldAbi(folder: string): Promise<boolean> {
  const symbols = await readFile(library(folder, 'c10', 'linux'));
  return symbols.includes('_ZN3c105ErrorC2ENS_14SourceLocationESs');
}

/**
 * Node can only load addons, but it says which of the two went wrong: the loader's own words if the library could not
 * be loaded, `did not self-register` if it was.
 */
async function loadFailure(file: string, env: Environment): Promise<string | undefined> {
  const script = `
    try { process.dlopen({ exports: {} }, ${JSON.stringify(file)}); }
    catch (error) { process.stdout.write(error.message); }
    process.reallyExit(0);`;
  const child = await run(process.execPath, ['-e', script], { env, timeout: LOAD_TIMEOUT_MS });
  if (!child.ok) return `the process that tried ended with ${child.ending}`;
  return child.stdout.includes('did not self-register') ? undefined : firstLine(child.stdout);
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] || 'the loader gave no reason';
}

async function readVariant(folder: string, platform: string): Promise<string> {
  const wheel = await readFile(join(folder, 'version.py'), 'utf8').catch(() => '');
  const archive = await readFile(join(folder, 'build-version'), 'utf8').catch(() => '');
  const named = /\d\+(\w+)/.exec(wheel) ?? /\d\+(\w+)/.exec(archive);
  if (named?.[1]) return named[1];
  return existsSync(library(folder, 'torch_cuda', platform)) ? 'cuda' : 'cpu';
}
