import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { cacheFolder } from '../util/cache-folder.js';
import { driverVariant } from './archive.js';
import { judgeLibtorch, LIBTORCH_VERSION, type Libtorch, outsideRange, readVersion } from './libtorch.js';
import type { Environment } from './paths.js';
import type { PlatformFacts } from './platform.js';
import { findPythons, torchOfPython } from './python.js';

/** Where to look and on what kind of machine: all that the search depends on. */
export interface Surroundings {
  env: Environment;
  facts: PlatformFacts;
  /** The option that set env.LIBTORCH, where it was not the user's environment. */
  asked?: string | undefined;
  /** Where the distribution installs; /usr if absent. */
  system?: string | undefined;
}

/** One place that was looked at. */
export interface Candidate {
  place: 'LIBTORCH' | 'cache' | 'Python' | 'system' | 'pip' | 'PyTorch';
  /** A folder, a program or an address. */
  where: string;
  /** Present if it can be built against. */
  libtorch?: Libtorch;
  /** Why it is passed over. */
  reason?: string;
}

/** Every place on this machine in the order of preference, each judged as it is reached. Nothing is downloaded. */
export async function* localCandidates(around: Surroundings): AsyncGenerator<Candidate> {
  const { env, facts } = around;
  if (env.LIBTORCH) yield await judge('LIBTORCH', resolve(env.LIBTORCH), around);
  else yield { place: 'LIBTORCH', where: 'the environment variable', reason: 'it is not set' };
  for (const variant of await wantedVariants(around)) {
    yield await judge(
      'cache',
      cacheEntry(around, variant),
      around,
      cachedFolder(cacheEntry(around, variant)),
    );
  }
  const pythons = findPythons(env);
  if (pythons.length === 0) yield { place: 'Python', where: 'PATH', reason: 'there is no python3' };
  const seen = new Set<string>();
  for (const python of pythons) {
    const folder = await torchOfPython(python, env);
    if (folder === undefined) {
      yield { place: 'Python', where: python, reason: 'it has no torch' };
      continue;
    }
    const real = await realpath(folder).catch(() => folder);
    if (!seen.has(real)) yield await judge('Python', `${python} (${folder})`, around, folder);
    seen.add(real);
  }
  if (facts.platform === 'linux') yield* systemCandidates(around.system ?? '/usr');
}

async function judge(
  place: Candidate['place'],
  where: string,
  { env, facts }: Surroundings,
  folder: string = where,
): Promise<Candidate> {
  const judgement = await judgeLibtorch(folder, env, facts.platform);
  return judgement.fit
    ? { place, where, libtorch: judgement.libtorch }
    : { place, where, reason: judgement.reason };
}

/** Distributions build LibTorch without oneDNN or a fast BLAS, many times slower: named, never taken. */
async function* systemCandidates(prefix: string): AsyncGenerator<Candidate> {
  const version = await readVersion(prefix);
  if (version === undefined) return;
  const slow = `version ${version} of the distribution lacks the fast kernels of PyTorch's builds`;
  yield { place: 'system', where: prefix, reason: outsideRange(version) ?? slow };
}

/** The first fit LibTorch on this machine, and every place that was looked at on the way. */
export async function findLocalLibtorch(
  around: Surroundings,
): Promise<{ found: Libtorch | undefined; looked: Candidate[] }> {
  const looked: Candidate[] = [];
  for await (const candidate of localCandidates(around)) {
    looked.push(candidate);
    if (candidate.libtorch) return { found: candidate.libtorch, looked };
    const refused = unfitChoice(candidate, around);
    if (refused) throw refused;
  }
  return { found: undefined, looked };
}

/** What is wrong if this is the LibTorch that the user chose, and it cannot be used: no other is taken in its place. */
export function unfitChoice(
  { place, reason }: Candidate,
  { env, asked }: Surroundings,
): ArxivNativeError | undefined {
  if (place !== 'LIBTORCH' || !env.LIBTORCH || reason === undefined) return undefined;
  const choice = asked === undefined ? `LIBTORCH=${env.LIBTORCH}` : `${asked} ${env.LIBTORCH}`;
  const otherwise = asked === undefined ? 'unset it and run `npx arxiv-native setup`' : 'leave it out';
  return new ArxivNativeError('LIBTORCH', `${choice} cannot be used: ${reason}`, {
    remedy: `Point ${asked ?? 'LIBTORCH'} at the folder that holds include/ and lib/ of LibTorch 2.6 or newer, or ${otherwise}.`,
  });
}

/** CUDA's build first where a driver can run it; the CPU's build serves every machine. */
async function wantedVariants({ env, facts }: Surroundings): Promise<string[]> {
  return [...new Set([await driverVariant(env, facts), 'cpu'])];
}

/** The folder of the cache that holds one version and variant, complete or absent. */
export function cacheEntry({ env, facts }: Surroundings, variant: string): string {
  return join(cacheFolder(env, facts.platform), 'libtorch', `${LIBTORCH_VERSION}-${variant}`);
}

/** A wheel unpacks to torch/, PyTorch's archive to libtorch/. */
export function cachedFolder(entry: string): string {
  return ['torch', 'libtorch'].map(name => join(entry, name)).find(existsSync) ?? entry;
}
