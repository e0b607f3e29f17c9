import { ArxivNativeError } from '../errors.js';

interface CancelFlag {
  /** What a job of the engine looks at: 1 once the signal has come, from the start if it already had. */
  flag: Uint8Array;
  /** Stops listening to the signal. */
  release(): void;
}

/** An AbortSignal in the form that the engine understands. */
export function cancelFlag(signal: AbortSignal | undefined): CancelFlag {
  const flag = new Uint8Array(1);
  const raise = () => {
    flag[0] = 1;
  };
  // A signal that was aborted before never calls its listeners.
  if (signal?.aborted) raise();
  else signal?.addEventListener('abort', raise);
  return { flag, release: () => signal?.removeEventListener('abort', raise) };
}

/**
 * Throws once the signal has come: its reason where that is an ArxivNativeError (a lost lock, say), else CANCELLED.
 *
 * @param doing reads like "fetching LibTorch"
 */
export function throwIfCancelled(signal: AbortSignal | undefined, doing: string): void {
  if (signal?.aborted) throw cancellation(signal, doing);
}

/** Settles as `work` does, or rejects as throwIfCancelled does as soon as the signal comes, or if it had come before. */
export function orCancelled<T>(work: Promise<T>, signal: AbortSignal, doing: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(cancellation(signal, doing));
    // A signal that was aborted before never calls its listeners.
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function cancellation({ reason }: AbortSignal, doing: string): ArxivNativeError {
  if (reason instanceof ArxivNativeError) return reason;
  return new ArxivNativeError('CANCELLED', `${doing}: cancelled`, { cause: reason });
}

export function isCancelled(error: unknown): boolean {
  return error instanceof ArxivNativeError && error.code === 'CANCELLED';
}
