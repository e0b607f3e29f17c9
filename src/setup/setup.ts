import { resolve } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { type Archive, archiveFor } from './archive.js';
import { type BuildOptions, buildAddon, workingAddon } from './build.js';
import { type Candidate, findLocalLibtorch, type Surroundings } from './candidates.js';
import { readStamp } from './diagnose.js';
import { type FetchHooks, fetchLibtorch } from './fetch.js';
import { LIBTORCH_VERSION, type Libtorch } from './libtorch.js';
import { addonPath, type Environment } from './paths.js';
import { platformFacts, requireSupportedPlatform } from './platform.js';

interface SetupOptions extends FetchHooks {
  /** A LibTorch to use; as the environment variable LIBTORCH, over which it wins. */
  libtorch?: string | undefined;
  /** Build anew even if nothing changed. */
  force?: boolean | undefined;
  /** False: only what is on this machine. */
  mayFetch?: boolean | undefined;
  env?: Environment | undefined;
  onBuildProgress?: BuildOptions['onProgress'];
}

interface SetupResult {
  addon: string;
  libtorch: Libtorch;
  /** False if the addon was up to date, or another process built it meanwhile. */
  built: boolean;
}

/**
 * Makes the addon ready: finds or fetches LibTorch, builds, and tries the result in a child process. Done in a moment
 * where nothing changed since the last time.
 *
 * @throws ArxivNativeError UNSUPPORTED, LIBTORCH (with every place looked at), ADDON, NETWORK, IO, CANCELLED
 */
export async function setup(options: SetupOptions): Promise<SetupResult> {
  const { force = false, mayFetch = true, log, signal, onBuildProgress } = options;
  const facts = platformFacts();
  requireSupportedPlatform(facts);
  const env = { ...(options.env ?? process.env) };
  if (options.libtorch) env.LIBTORCH = options.libtorch;
  if (env.LIBTORCH) env.LIBTORCH = resolve(env.LIBTORCH);

  const ready = force ? undefined : await readyAddon(env);
  if (ready) return { addon: addonPath(), libtorch: ready, built: false };
  const asked = options.libtorch && '--libtorch';
  const libtorch = await obtainLibtorch({ env, facts, asked }, mayFetch, options);
  const { built } = await buildAddon(libtorch, { env, log, signal, force, onProgress: onBuildProgress });
  return { addon: addonPath(), libtorch, built };
}

/** The LibTorch of an addon that works and is of the LibTorch asked for. */
async function readyAddon(env: Environment): Promise<Libtorch | undefined> {
  const stamp = readStamp();
  if (!stamp || (env.LIBTORCH && env.LIBTORCH !== stamp.libtorch)) return undefined;
  return (await workingAddon(env))
    ? { folder: stamp.libtorch, version: stamp.version, variant: stamp.variant }
    : undefined;
}

/**
 * The first fit LibTorch in the order: LIBTORCH, the cache, a Python with torch, pip's CPU wheel, PyTorch's archive.
 *
 * @param archives what PyTorch publishes for this machine, best first, if the caller knows.
 * @throws ArxivNativeError LIBTORCH, listing every place, where none is.
 */
export async function obtainLibtorch(
  around: Surroundings,
  mayFetch: boolean,
  hooks: FetchHooks,
  archives?: Archive[],
): Promise<Libtorch> {
  const local = await findLocalLibtorch(around);
  if (local.found) return local.found;
  if (!mayFetch) throw nothingFits(local.looked, 'npx arxiv-native setup');
  const fetched = await fetchLibtorch(around, hooks, archives);
  if (fetched.found) return fetched.found;
  const { url, file } = archiveFor('cpu', around.facts);
  const folder = file.endsWith('.whl') ? 'torch' : 'libtorch';
  throw nothingFits(
    [...local.looked, ...fetched.looked],
    `curl -fLo libtorch.zip '${url}' && unzip -q libtorch.zip && npx arxiv-native setup --libtorch ${folder}`,
  );
}

function nothingFits(looked: Candidate[], command: string): ArxivNativeError {
  const places = looked.map(({ place, where, reason }) => `  ${place}: ${where}: ${reason}`);
  return new ArxivNativeError(
    'LIBTORCH',
    [`no fit LibTorch was found (${LIBTORCH_VERSION} is recommended). Looked at:`, ...places].join('\n'),
    { remedy: command },
  );
}
