import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { ArxivNativeError } from '../../errors.js';
import { throwIfCancelled } from '../../util/cancel.js';
import { fileError, hashFile, syncPath } from '../../util/files.js';
import { BERGAMOT_REGISTRY } from '../../util/hosts.js';
import { HttpStatusError, request, requestText, withRetries } from '../../util/http.js';
import { withLock } from '../../util/lock.js';
import { didYouMean } from '../../util/options.js';
import { download } from '../../util/transfer.js';
import type { FetchHooks } from '../translator.js';

/** A file as Mozilla's registry lists it: packed by gzip, below the registry's `baseUrl`. */
interface RegisteredFile {
  path: string;
  /** SHA-256 of the unpacked file; of models only. */
  uncompressedHash?: string;
  uncompressedSize?: number;
}

/** What one direction consists of, and where it is fetched. */
export interface RegisteredModel {
  architecture: string;
  files: { url: string; name: string; sha256: string | undefined }[];
  /** Bytes of all files, packed. */
  size: number;
}

interface Entry {
  architecture: string;
  releaseStatus: string | null;
  files: Partial<Record<(typeof FILES)[number], RegisteredFile>>;
}

const FILES = ['model', 'lexicalShortlist', 'vocab', 'srcVocab', 'trgVocab'] as const;

/**
 * Looks a direction up in Mozilla's registry of Firefox Translations models (or in that of BERGAMOT_REGISTRY): of the
 * released models the smallest, which is the fastest.
 *
 * @throws BAD_OPTION for a direction that it does not have, NETWORK, CANCELLED
 */
export async function lookUp(from: string, to: string, hooks: FetchHooks): Promise<RegisteredModel> {
  const address = process.env.BERGAMOT_REGISTRY || BERGAMOT_REGISTRY;
  const { signal } = hooks;
  const what = `looking up the model from ${from} to ${to}`;
  const text = await withRetries(what, () => requestText(address, signal), { signal }).catch(refused);
  const { baseUrl, models } = parseRegistry(text, address);
  const entries = models[`${from}-${to}`] ?? [];
  const size = ({ files }: Entry) => files.model?.uncompressedSize ?? Number.POSITIVE_INFINITY;
  const [entry] = entries
    .filter(({ releaseStatus, files }) => files.model && /^release/i.test(releaseStatus ?? ''))
    .sort((a, b) => size(a) - size(b));
  if (entry === undefined) throw unknownDirection(from, to, Object.keys(models));
  const files = FILES.flatMap(kind => entry.files[kind] ?? []).map(({ path, uncompressedHash }) => ({
    url: `${baseUrl.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`,
    name: basename(path).replace(/\.gz$/, ''),
    sha256: uncompressedHash?.toLowerCase(),
  }));
  let bytes = 0;
  for (const { url, name } of files) bytes += await sizeOf(url, name, hooks);
  return { architecture: entry.architecture, files, size: bytes };
}

/**
 * Fetches a model into `folder`, which appears once all of its files are there, unpacked and checked: the model by the
 * registry's SHA-256, the others by the checksum that gzip keeps. A fetch that was cut goes on where it was, unless the
 * registry has other files by now.
 *
 * @throws NETWORK, IO, CANCELLED
 */
export async function fetchModel(model: RegisteredModel, folder: string, hooks: FetchHooks): Promise<void> {
  const release = createHash('sha256').update(JSON.stringify(model.files)).digest('hex').slice(0, 16);
  const part = `${folder}.${release}.part`;
  const work = async (signal: AbortSignal) => {
    if (await isThere(folder)) return;
    await removeOthers(part, folder);
    for (const file of model.files) await fetchFile(file, part, { ...hooks, signal });
    for (const file of model.files) await checkFile(file, part, signal);
    await rename(part, folder).catch(error => {
      throw fileError(error, `writing ${folder}`);
    });
    await syncPath(dirname(folder)).catch(() => {});
  };
  await withLock(folder, work, { signal: hooks.signal, named: true });
}

/** Removes what was fetched of other releases. */
async function removeOthers(part: string, folder: string): Promise<void> {
  const names = await readdir(dirname(folder)).catch(() => []);
  const others = names.filter(
    name => name.startsWith(`${basename(folder)}.`) && name.endsWith('.part') && name !== basename(part),
  );
  for (const name of others) {
    await rm(join(dirname(folder), name), { recursive: true, force: true }).catch(() => {});
  }
}

/** Also of a file that an earlier fetch left. */
async function checkFile(
  { url, name, sha256 }: RegisteredModel['files'][number],
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const file = join(folder, name);
  if (sha256 === undefined || (await hashFile(file, signal)) === sha256) return;
  await rm(file, { force: true });
  throw discarded(url, 'the SHA-256 checksum does not match');
}

async function fetchFile(
  { url, name }: RegisteredModel['files'][number],
  folder: string,
  { signal, onProgress }: FetchHooks,
): Promise<void> {
  const file = join(folder, name);
  if (await isThere(file)) return;
  const packed = `${file}.gz`;
  await download(url, packed, {
    name,
    signal,
    onProgress: onProgress && (progress => onProgress({ file: name, ...progress })),
  });
  const unpacked = `${file}.unpacked`;
  const problem = await unpack(packed, unpacked, signal);
  if (problem === undefined) await rename(unpacked, file);
  for (const each of [packed, unpacked]) await rm(each, { force: true });
  if (problem !== undefined) throw discarded(url, problem);
}

function discarded(url: string, problem: string): ArxivNativeError {
  return new ArxivNativeError('NETWORK', `${url}: ${problem}`, {
    remedy:
      'It has been discarded: run the same command again. If it stays so, a proxy on the way alters the file.',
  });
}

/** @returns what is wrong with the file */
async function unpack(packed: string, unpacked: string, signal: AbortSignal | undefined) {
  try {
    await mkdir(dirname(unpacked), { recursive: true });
    const file = createWriteStream(unpacked, { flush: true });
    // A server may unpack what it stores before it sends it.
    const isPacked = await startsAsGzip(packed);
    if (isPacked) await pipeline(createReadStream(packed), createGunzip(), file, signal ? { signal } : {});
    else await pipeline(createReadStream(packed), file, signal ? { signal } : {});
    return undefined;
  } catch (error) {
    throwIfCancelled(signal, 'unpacking a model');
    if ((error as NodeJS.ErrnoException).syscall) throw fileError(error, `writing ${unpacked}`);
    return `it cannot be unpacked (${(error as Error).message})`;
  }
}

async function startsAsGzip(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

async function sizeOf(url: string, name: string, { signal }: FetchHooks): Promise<number> {
  const ask = () => request(url, { method: 'HEAD', signal: signal ?? null });
  const { headers } = await withRetries(`looking up ${name}`, ask, { signal }).catch(refused);
  return Number(headers.get('content-length') ?? 0);
}

function refused(error: unknown): never {
  if (!(error instanceof HttpStatusError)) throw error;
  throw new ArxivNativeError('NETWORK', error.message, {
    remedy: 'Try again later, or name a folder of models by --model-dir.',
    cause: error,
  });
}

function parseRegistry(text: string, address: string): { baseUrl: string; models: Record<string, Entry[]> } {
  try {
    const { baseUrl, models } = JSON.parse(text);
    if (typeof baseUrl === 'string' && models !== null && typeof models === 'object') {
      return { baseUrl, models };
    }
  } catch {
    // Reported below.
  }
  throw new ArxivNativeError('NETWORK', `${address} is no registry of translation models`, {
    remedy: 'Name a folder of models by --model-dir.',
  });
}

function unknownDirection(from: string, to: string, directions: string[]): ArxivNativeError {
  const language = from === 'en' ? to : from;
  const both = directions
    .filter(each => each.startsWith('en-') && directions.includes(`${each.slice(3)}-en`))
    .map(each => each.slice(3));
  return new ArxivNativeError(
    'BAD_OPTION',
    `there is no released Firefox Translations model from ${from} to ${to}`,
    { remedy: didYouMean(language, both) },
  );
}

async function isThere(path: string): Promise<boolean> {
  return open(path).then(
    async handle => {
      await handle.close();
      return true;
    },
    () => false,
  );
}
