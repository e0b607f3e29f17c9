import { setTimeout as sleep } from 'node:timers/promises';
import type { EnvHttpProxyAgent, RequestInit, Response } from 'undici';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from './cancel.js';

/** How often in a row a request may fail, without a byte gained, before it is given up. */
const ATTEMPTS = 5;
const LONGEST_DELAY_MS = 16_000;

let agent: EnvHttpProxyAgent | undefined;

/** undici takes a fifth of a second to load: commands that connect nowhere shall not wait for it. */
async function proxiedFetch(url: string, init: RequestInit): Promise<Response> {
  const { EnvHttpProxyAgent, fetch } = await import('undici');
  // HTTPS_PROXY, HTTP_PROXY and NO_PROXY, which Node's own fetch ignores.
  agent ??= new EnvHttpProxyAgent({
    connect: { timeout: 30_000 },
    headersTimeout: 60_000,
    bodyTimeout: 60_000,
  });
  return fetch(url, { ...init, dispatcher: agent });
}

/** An answer of the server that is no success; `status` tells which. */
export class HttpStatusError extends Error {
  readonly status: number;
  readonly headers: Response['headers'];

  constructor(response: Response, url: string) {
    super(`${url} answered ${response.status}${response.statusText ? ` ${response.statusText}` : ''}`);
    this.status = response.status;
    this.headers = response.headers;
  }
}

/**
 * One request, through the proxies of the environment. The body is asked for as it is stored, so that lengths and
 * ranges count the file's bytes. An `authorization` header is dropped on a redirect to another origin.
 *
 * @throws HttpStatusError for a status of 400 or more; ArxivNativeError NETWORK for an impossible address or a
 * certificate that is not trusted; whatever undici throws for a connection that failed.
 */
export async function request(url: string, init: RequestInit = {}): Promise<Response> {
  const headers = { 'user-agent': 'arxiv-native', 'accept-encoding': 'identity', ...init.headers };
  const response = await proxiedFetch(url, { ...init, headers }).catch(error => {
    if (mayPass(error)) throw error;
    throw new ArxivNativeError('NETWORK', `${url}: ${reason(error)}`, {
      remedy:
        'Check the address and HTTPS_PROXY; if a proxy signs with a certificate of its own, name it in NODE_EXTRA_CA_CERTS.',
      cause: error,
    });
  });
  if (response.status < 400) return response;
  await response.body?.cancel();
  throw new HttpStatusError(response, url);
}

/**
 * Repeats `attempt` with growing pauses while it fails for a reason that may pass: a cut connection, a timeout,
 * 408, 429 or 5xx. What else it throws passes through, ArxivNativeErrors among it.
 *
 * @param attempt returns its result; `gained()` is called by it whenever it got further, which renews its patience.
 * @throws ArxivNativeError NETWORK once the attempts are spent, CANCELLED on `signal`.
 */
export async function withRetries<T>(
  what: string,
  attempt: (gained: () => void) => Promise<T>,
  {
    signal,
    retryDelayMs = 500,
  }: { signal?: AbortSignal | undefined; retryDelayMs?: number | undefined } = {},
): Promise<T> {
  let failures = 0;
  for (;;) {
    throwIfCancelled(signal, what);
    try {
      return await attempt(() => {
        failures = 0;
      });
    } catch (error) {
      throwIfCancelled(signal, what);
      if (!mayPass(error)) throw error;
      failures++;
      if (failures >= ATTEMPTS) {
        throw new ArxivNativeError('NETWORK', `${what}: ${reason(error)} (after ${ATTEMPTS} attempts)`, {
          remedy:
            'Check the connection and, behind a proxy, HTTPS_PROXY; then run the same command again: what has arrived is kept and it goes on from there.',
          cause: error,
        });
      }
      const delay = retryDelayMs * 2 ** (failures - 1);
      const asked =
        error instanceof HttpStatusError ? 1000 * Number(error.headers.get('retry-after')) || 0 : 0;
      await sleep(
        Math.min(Math.max(delay, asked), LONGEST_DELAY_MS),
        undefined,
        signal ? { signal } : {},
      ).catch(() => {});
    }
  }
}

function mayPass(error: unknown): boolean {
  if (error instanceof HttpStatusError) {
    return error.status === 408 || error.status === 429 || error.status >= 500;
  }
  return error instanceof ConnectionCut || isConnectionFailure(error);
}

/** Thrown where a body ends before its announced length. */
export class ConnectionCut extends Error {}

const CONNECTION_FAILURE =
  /^(UND_ERR_|ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|ENETUNREACH|EHOSTUNREACH|HPE_)/;

/** fetch wraps what went wrong below it: the code stands somewhere in the chain of causes. */
function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as NodeJS.ErrnoException).code;
  if (code !== undefined && CONNECTION_FAILURE.test(code)) return true;
  if (error.cause !== undefined) return isConnectionFailure(error.cause);
  return error instanceof TypeError && error.message === 'terminated';
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!(error.cause instanceof Error)) return error.message;
  // A host with several addresses fails with an AggregateError that says nothing of its own.
  const inner = error.cause instanceof AggregateError ? (error.cause.errors[0] ?? error.cause) : error.cause;
  return `${error.message} (${reason(inner)})`;
}
