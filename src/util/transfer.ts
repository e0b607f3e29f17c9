import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { fileError, hashFile, requireSpace } from './files.js';
import { HttpStatusError, IncompleteAnswer, request, withRetries } from './http.js';
import { withLock } from './lock.js';

interface DownloadOptions {
  /** Bytes on disk so far, those of an earlier call included; `total` is 0 where the server does not say. */
  onProgress?: ((progress: { received: number; total: number }) => void) | undefined;
  /** What to call the file in messages; its last path component if absent. */
  name?: string | undefined;
  signal?: AbortSignal | undefined;
  headers?: Record<string, string> | undefined;
  /** Of the whole file, hexadecimal. */
  sha256?: string | undefined;
  /** Bytes that the whole file must have. */
  size?: number | undefined;
  /** Where the bytes gather until they are complete; `DESTINATION.part` if absent. */
  part?: string | undefined;
  /** The first pause before another attempt; it doubles each time. */
  retryDelayMs?: number | undefined;
}

/**
 * Fetches `url` into the file `destination`, which appears only once complete, checked and flushed. A file that is
 * there already (and has `size`, where given) is kept. A part left by an earlier call is continued, so `url` must name
 * something that never changes, or `sha256` be given. Of several processes that want one destination one downloads and
 * the others wait.
 *
 * @throws ArxivNativeError NETWORK (connection, status, wrong size or checksum), IO (disk full, permissions), CANCELLED
 */
export async function download(
  url: string,
  destination: string,
  options: DownloadOptions = {},
): Promise<void> {
  await onDisk(destination, () => mkdir(dirname(destination), { recursive: true }));
  if (await isThere(destination, options.size)) return;

  // Others that want the same destination wait here.
  await withLock(
    destination,
    async signal => {
      if (await isThere(destination, options.size)) return;
      await fetchPart(url, destination, { ...options, signal });
    },
    { signal: options.signal, named: true },
  );
}

async function fetchPart(url: string, destination: string, options: DownloadOptions): Promise<void> {
  const part = options.part ?? `${destination}.part`;
  const name = options.name ?? basename(destination);
  let fresh = (await sizeOf(part)) === 0;
  for (;;) {
    // A server that changes the file under our hands is noticed by its validator, within this call.
    const seen: Seen = { validator: undefined, total: options.size, furthest: 0 };
    await withRetries(`downloading ${name}`, gained => transfer(url, part, seen, gained, options), options);
    const problem = await defect(part, options);
    if (problem === undefined) break;
    await rm(part, { force: true });
    if (fresh) {
      throw new ArxivNativeError('NETWORK', `${url}: ${problem}; what was downloaded has been discarded`, {
        remedy:
          'Run the same command again. If it stays so, the server or a proxy on the way alters the file.',
      });
    }
    fresh = true;
  }
  await onDisk(destination, () => rename(part, destination));
}

interface Seen {
  validator: string | undefined;
  total: number | undefined;
  /** A server that knows no ranges starts over each time: only what lies beyond this is a gain. */
  furthest: number;
}

/** One request, appended to the part. Returns once the part is whole; throws what withRetries knows how to take. */
async function transfer(url: string, part: string, seen: Seen, gained: () => void, options: DownloadOptions) {
  let have = await sizeOf(part);
  if (seen.total !== undefined && have > seen.total) {
    await rm(part, { force: true });
    have = 0;
  }
  if (have > 0 && have === seen.total) return;

  const headers: Record<string, string> = { ...options.headers };
  if (have > 0) {
    headers.range = `bytes=${have}-`;
    if (seen.validator) headers['if-range'] = seen.validator;
  }
  const response = await request(url, { headers, signal: options.signal ?? null }).catch(async error => {
    // Nothing lies beyond what is here: the part is complete, or of another file. Only a fresh start can tell.
    if (have > 0 && error instanceof HttpStatusError && error.status === 416) {
      await rm(part, { force: true });
      throw new IncompleteAnswer('the part on disk is not a beginning of the file');
    }
    if (error instanceof HttpStatusError && error.status < 500 && ![408, 429].includes(error.status)) {
      throw new ArxivNativeError('NETWORK', error.message, {
        remedy: 'Check the address, or whether the server asks for a token.',
        cause: error,
      });
    }
    throw error;
  });
  if (response.status !== 206) have = 0;
  else if (!response.headers.get('content-range')?.startsWith(`bytes ${have}-`)) {
    await response.body?.cancel();
    await rm(part, { force: true });
    throw new IncompleteAnswer('the server sent another range than was asked for');
  }

  const total = announcedTotal(response.headers, have);
  if (options.size !== undefined && total !== undefined && total !== options.size) {
    await response.body?.cancel();
    throw new ArxivNativeError(
      'NETWORK',
      `${url} offers ${total} bytes where ${options.size} were expected`,
      {
        remedy: 'The file on the server is truncated or was replaced; try again later, or another revision.',
      },
    );
  }
  const etag = response.headers.get('etag');
  seen.validator = etag && !etag.startsWith('W/') ? etag : undefined;
  seen.total = options.size ?? total;
  if (seen.total !== undefined) {
    const remedy = 'Free some disk space and run the same command again: it goes on from what has arrived.';
    await requireSpace(dirname(part), seen.total - have, remedy);
  }
  await append(response.body, part, have, seen, gained, options);
}

async function append(
  body: AsyncIterable<Uint8Array> | null,
  part: string,
  have: number,
  seen: Seen,
  gained: () => void,
  { onProgress }: DownloadOptions,
): Promise<void> {
  const file = await onDisk(part, () => open(part, have > 0 ? 'r+' : 'w'));
  const { total } = seen;
  let position = have;
  try {
    onProgress?.({ received: position, total: total ?? 0 });
    for await (const chunk of body ?? []) {
      await onDisk(part, () => writeAll(file, chunk, position));
      position += chunk.length;
      if (position > seen.furthest) {
        seen.furthest = position;
        gained();
      }
      onProgress?.({ received: position, total: total ?? 0 });
    }
    await onDisk(part, () => file.sync());
  } finally {
    await file.close();
  }
  if (total !== undefined && position < total) {
    throw new IncompleteAnswer(`the connection ended after ${position} of ${total} bytes`);
  }
}

async function writeAll(file: Awaited<ReturnType<typeof open>>, chunk: Uint8Array, position: number) {
  for (let done = 0; done < chunk.length; ) {
    done += (await file.write(chunk, done, chunk.length - done, position + done)).bytesWritten;
  }
}

/** The length of the whole file, from `content-range` or `content-length`. */
function announcedTotal(headers: { get(name: string): string | null }, have: number): number | undefined {
  const range = /\/(\d+)$/.exec(headers.get('content-range') ?? '');
  if (range) return Number(range[1]);
  const length = headers.get('content-length');
  return length === null || headers.get('content-encoding') !== null ? undefined : have + Number(length);
}

async function defect(part: string, { size, sha256 }: DownloadOptions): Promise<string | undefined> {
  const found = await sizeOf(part);
  if (size !== undefined && found !== size) return `${found} bytes arrived where ${size} were expected`;
  if (sha256 === undefined) return undefined;
  return (await hashFile(part)) === sha256 ? undefined : 'the SHA-256 checksum does not match';
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.size ?? 0;
}

async function isThere(path: string, size: number | undefined): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && (size === undefined || found.size === size);
}

async function onDisk<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw fileError(error, `writing ${path}`);
  }
}
