import { setTimeout as sleep } from 'node:timers/promises';
import { ArxivNativeError } from '../../errors.js';
import { printable } from '../../util/format.js';
import { HttpStatusError, requestText, withRetries } from '../../util/http.js';
import { cleanText } from '../paper.js';

/** More than elsewhere: arXiv's services are often overloaded for minutes. With a pause of 3 s, six minutes in all. */
const ATTEMPTS = 8;
/** Where a server asks for a longer pause the fetch ends, to go on when it is called again. */
const LONGEST_PAUSE_MS = 600_000;

interface ClientOptions {
  /** From the end of an answer to the next request. */
  pauseMs: number;
  signal: AbortSignal;
  onRetry: (retry: { reason: string; delayMs: number }) => void;
}

/** Asks one thing after the other, never two at once, with a pause between them. */
export class Client {
  requests = 0;
  retries = 0;
  /** When the next request may start, by performance.now(). */
  private free = 0;

  constructor(private readonly options: ClientOptions) {}

  /** Makes the next request wait as if another had just been answered. */
  rest(): void {
    this.free = performance.now() + this.options.pauseMs;
  }

  /**
   * What `parse` makes of the answer. A failure that may pass (connection, 408, 429, 5xx, IncompleteAnswer by `parse`)
   * is followed by another attempt, after the pause that the server asks for; NETWORK if that is above ten minutes.
   * @throws ArxivNativeError NETWORK, CANCELLED, and what else `parse` throws
   */
  async get<T>(what: string, url: string, parse: (text: string) => T): Promise<T> {
    const { signal, pauseMs, onRetry } = this.options;
    try {
      return await withRetries(what, async () => parse(await this.ask(url)), {
        signal,
        attempts: ATTEMPTS,
        retryDelayMs: pauseMs,
        longestDelayMs: LONGEST_PAUSE_MS,
        obedient: true,
        onRetry: retry => {
          this.retries++;
          onRetry(retry);
        },
      });
    } catch (error) {
      if (error instanceof HttpStatusError) throw refusal(what, error, parse);
      throw error;
    }
  }

  private async ask(url: string): Promise<string> {
    const { signal } = this.options;
    await sleep(this.free - performance.now(), undefined, { signal });
    this.requests++;
    try {
      return await requestText(url, signal);
    } finally {
      this.rest();
    }
  }
}

/** The server's own words are in the body: in the protocol's form, which `parse` may know for an error, or in plain text. */
function refusal(what: string, error: HttpStatusError, parse: (text: string) => unknown): ArxivNativeError {
  try {
    parse(error.body);
  } catch (stated) {
    if (stated instanceof ArxivNativeError) return stated;
  }
  const said = error.body.trimStart().startsWith('<') ? '' : cleanText(error.body);
  return new ArxivNativeError('NETWORK', `${what}: ${error.message}${said && ` (${printable(said)})`}`, {
    remedy: 'Check the address if the environment names a mirror; otherwise try again later.',
    cause: error,
  });
}
