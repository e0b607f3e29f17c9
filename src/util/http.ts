import { setTimeout as sleep } from 'node:timers/promises';
import type { EnvHttpProxyAgent, RequestInit, Response } from 'undici';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from './cancel.js';

/** How often in a row a request may fail, without a byte gained, before it is given up. */
const ATTEMPTS = 5;
const LONGEST_DELAY_MS = 16_000;
/** Later times cannot be told. */
const LATEST = 8.64e15;
/** Of a body that is read whole, in characters: far beyond any page of records. */
const LONGEST_TEXT = 2 ** 26;

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

  /** @param body what the server says about it, where that was read */
  constructor(
    response: Response,
    url: string,
    readonly body = '',
  ) {
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
  const response = await send(url, init);
  if (response.status < 400) return response;
  await response.body?.cancel();
  throw new HttpStatusError(response, url);
}

/**
 * The whole answer to one request as text in UTF-8, packed on its way if the server can.
 *
 * @throws as `request`; IncompleteAnswer for a body that ends early or is longer than any that could be meant
 */
export async function requestText(url: string, signal?: AbortSignal): Promise<string> {
  const headers = { 'accept-encoding': 'gzip' };
  const response = await send(url, { headers, signal: signal ?? null });
  const text = await readText(response);
  if (response.status >= 400) throw new HttpStatusError(response, url, text);
  return text;
}

async function readText({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > LONGEST_TEXT) break;
    }
  } catch (error) {
    throw new IncompleteAnswer(`the answer was cut: ${reason(error)}`, { cause: error });
  }
  if (text.length > LONGEST_TEXT) throw new IncompleteAnswer('the answer has no end');
  return text + decoder.decode();
}

async function send(url: string, init: RequestInit): Promise<Response> {
  const headers = { 'user-agent': 'arxiv-native', 'accept-encoding': 'identity', ...init.headers };
  return proxiedFetch(url, { ...init, headers }).catch(error => {
    if (mayPass(error)) throw error;
    throw new ArxivNativeError('NETWORK', `${url}: ${reason(error)}`, {
      remedy:
        'Check the address and HTTPS_PROXY; if a proxy signs with a certificate of its own, name it in NODE_EXTRA_CA_CERTS.',
      cause: error,
    });
  });
}

export interface RetryOptions {
  signal?: AbortSignal | undefined;
  /** The first pause before another attempt; it doubles each time. */
  retryDelayMs?: number | undefined;
  /** No pause is longer, also where the server asks for it (Retry-After). */
  longestDelayMs?: number | undefined;
  /** Give up where the server asks for a longer one, rather than come back before its time. */
  obedient?: boolean | undefined;
  /** How often in a row a request may fail before it is given up. */
  attempts?: number | undefined;
  /** Is told before each pause why it is made. */
  onRetry?: ((retry: { reason: string; delayMs: number }) => void) | undefined;
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
  options: RetryOptions = {},
): Promise<T> {
  const { signal, retryDelayMs = 500, longestDelayMs = LONGEST_DELAY_MS, attempts = ATTEMPTS } = options;
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
      if (failures >= attempts) {
        throw new ArxivNativeError('NETWORK', `${what}: ${reason(error)} (after ${attempts} attempts)`, {
          remedy:
            'Check the connection and, behind a proxy, HTTPS_PROXY; then run the same command again: what has arrived is kept and it goes on from there.',
          cause: error,
        });
      }
      const asked = error instanceof HttpStatusError ? retryAfter(error) : 0;
      if (options.obedient && asked > longestDelayMs) throw comeBack(what, error, asked);
      const delayMs = Math.min(Math.max(retryDelayMs * 2 ** (failures - 1), asked), longestDelayMs);
      options.onRetry?.({ reason: reason(error), delayMs });
      await sleep(delayMs, undefined, signal ? { signal } : {}).catch(() => {});
    }
  }
}

function comeBack(what: string, cause: unknown, delayMs: number): ArxivNativeError {
  const time = new Date(Math.min(Date.now() + delayMs, LATEST)).toISOString().replace(/\.\d+/, '');
  return new ArxivNativeError('NETWORK', `${what}: ${reason(cause)} and asks to come back at ${time}`, {
    remedy: 'Run the same command again then: what has arrived is kept and it goes on from there.',
    cause,
  });
}

/** The pause that the server asks for, in ms: it is stated in seconds or as the time of its end. */
function retryAfter({ headers }: HttpStatusError): number {
  const value = headers.get('retry-after') ?? '';
  const delay = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now();
  return delay > 0 ? delay : 0;
}

function mayPass(error: unknown): boolean {
  if (error instanceof HttpStatusError) {
    return error.status === 408 || error.status === 429 || error.status >= 500;
  }
  return error instanceof IncompleteAnswer || isConnectionFailure(error);
}

/** Thrown for an answer that the server cannot have meant (cut, empty, malformed): the next may be whole. */
export class IncompleteAnswer extends Error {}

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
