import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { cacheFolder } from '../util/cache-folder.js';
import { throwIfCancelled } from '../util/cancel.js';
import { megabytes } from '../util/files.js';
import { HttpStatusError } from '../util/http.js';
import { withLock } from '../util/lock.js';
import { download } from '../util/transfer.js';
import { type Archive, archiveFor, driverVariant } from './archive.js';
import { type Candidate, cachedFolder, cacheEntry, type Surroundings } from './candidates.js';
import { judgeLibtorch, LIBTORCH_VERSION, type Libtorch } from './libtorch.js';
import { cpuRequirement, findPythons, pipDownload } from './python.js';
import { unpackLibtorch } from './unpack.js';

export interface FetchHooks {
  /** One line for the user. */
  log: (line: string) => void;
  onProgress?: ((progress: { file: string; received: number; total: number }) => void) | undefined;
  signal?: AbortSignal | undefined;
}

interface Fetched {
  found: Libtorch | undefined;
  looked: Candidate[];
}

/**
 * Fills the cache: with the CPU wheel that pip can see, else with PyTorch's own archive. One process at a time; the
 * others wait and find it done. The cache's entry appears whole, judged fit, or not at all.
 *
 * @param archives what PyTorch publishes for this machine, best first.
 */
export async function fetchLibtorch(
  around: Surroundings,
  hooks: FetchHooks,
  archives?: Archive[],
): Promise<Fetched> {
  const downloads = join(cacheFolder(around.env, around.facts.platform), 'downloads');
  const onWait = () => hooks.log('Another process is fetching LibTorch: waiting for it.');
  return await withLock(
    join(downloads, 'libtorch'),
    signal => fetchLocked(around, downloads, { ...hooks, signal }, archives),
    { onWait, signal: hooks.signal },
  );
}

async function fetchLocked(
  around: Surroundings,
  downloads: string,
  hooks: FetchHooks,
  archives: Archive[] | undefined,
): Promise<Fetched> {
  const offered = archives ?? (await offeredArchives(around));
  for (const variant of new Set([...offered.map(archive => archive.variant), 'cpu'])) {
    const there = await judgeEntry(around, cacheEntry(around, variant));
    if (there.fit) return { found: there.libtorch, looked: [] };
  }
  const looked: Candidate[] = [];
  for (const attempt of [
    () => fetchWheel(around, downloads, hooks),
    ...offered.map(
      archive => () => fetchArchive(around, downloads, hooks, archive, archive === offered.at(-1)),
    ),
  ]) {
    const candidate = await attempt();
    looked.push(candidate);
    if (candidate.libtorch) return { found: candidate.libtorch, looked };
    hooks.log(`${candidate.where}: ${candidate.reason}`);
  }
  return { found: undefined, looked };
}

async function offeredArchives({ env, facts }: Surroundings): Promise<Archive[]> {
  const variants = new Set([await driverVariant(env, facts), 'cpu']);
  return [...variants].map(variant => archiveFor(variant, facts));
}

async function fetchWheel(around: Surroundings, downloads: string, hooks: FetchHooks): Promise<Candidate> {
  const requirement = cpuRequirement(LIBTORCH_VERSION, around.facts.platform);
  const [python] = findPythons(around.env);
  const where = `${python ?? 'python3'} -m pip download --no-deps ${requirement}`;
  if (python === undefined) return { place: 'pip', where, reason: 'there is no python3' };
  // One name, under the lock: what a killed process left there is cleared away.
  const folder = join(downloads, 'wheel');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  try {
    const { env } = around;
    const answer = await pipDownload(python, requirement, folder, {
      env,
      log: hooks.log,
      signal: hooks.signal,
    });
    throwIfCancelled(hooks.signal, 'fetching LibTorch');
    const [wheel] = (await readdir(folder)).filter(name => name.endsWith('.whl'));
    if (!answer.ok || wheel === undefined) return { place: 'pip', where, reason: answer.problem };
    return { place: 'pip', where, ...(await fillEntry(around, 'cpu', join(folder, wheel), hooks)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * A connection that failed is an error while a lesser archive is left to try: that one would be found in the cache from
 * then on, and a machine with a GPU would be left with the CPU's build.
 */
async function fetchArchive(
  around: Surroundings,
  downloads: string,
  hooks: FetchHooks,
  { url, file, variant }: Archive,
  isLast: boolean,
): Promise<Candidate> {
  const path = join(downloads, file);
  let announced = false;
  const onProgress = ({ received, total }: { received: number; total: number }) => {
    if (!announced) hooks.log(`Downloading ${url} (${total > 0 ? megabytes(total) : 'size unknown'})`);
    announced = true;
    hooks.onProgress?.({ file, received, total });
  };
  try {
    await download(url, path, { onProgress, signal: hooks.signal });
    const outcome = await fillEntry(around, variant, path, hooks).finally(() => rm(path, { force: true }));
    return { place: 'PyTorch', where: url, ...outcome };
  } catch (error) {
    if (!(error instanceof ArxivNativeError) || error.code !== 'NETWORK') throw error;
    if (!isLast && !isUnpublished(error)) throw error;
    return { place: 'PyTorch', where: url, reason: reasonOf(error) };
  }
}

/** PyTorch's storage answers 403 for most of what it does not have. */
function isUnpublished({ cause }: ArxivNativeError): boolean {
  return cause instanceof HttpStatusError && [403, 404].includes(cause.status);
}

/** fetch says only `fetch failed`; what failed (a certificate, say) is its cause. */
function reasonOf(problem: ArxivNativeError): string {
  const inner = problem.cause instanceof Error ? problem.cause.cause : undefined;
  const isTold = !(inner instanceof Error) || problem.message.includes(inner.message);
  return isTold ? problem.message : `${problem.message} (${inner.message})`;
}

/** Unpacks beside the entry, judges what came out, and only then gives it its name. */
async function fillEntry(
  around: Surroundings,
  variant: string,
  archive: string,
  { log, signal }: FetchHooks,
): Promise<{ libtorch: Libtorch } | { reason: string }> {
  const entry = cacheEntry(around, variant);
  const beside = `${entry}.partial`;
  await rm(beside, { recursive: true, force: true });
  try {
    log(`Unpacking into ${entry}`);
    await unpackLibtorch(archive, beside, signal);
    const judgement = await judgeEntry(around, beside);
    if (!judgement.fit) return { reason: judgement.reason };
    await rm(entry, { recursive: true, force: true });
    await rename(beside, entry);
    return { libtorch: { ...judgement.libtorch, folder: cachedFolder(entry) } };
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
}

function judgeEntry({ env, facts }: Surroundings, entry: string) {
  return judgeLibtorch(cachedFolder(entry), env, facts.platform);
}
