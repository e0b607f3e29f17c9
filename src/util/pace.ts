import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwIfCancelled } from './cancel.js';

/** A signal or a progress bar waits no longer than this, and what a computation does at once. */
const TURN_MS = 20;

/**
 * For a long computation to await between its pieces: the event loop gets its turn every 20 ms, and the signal is heard
 * there.
 *
 * @param doing reads like "training the baseline"
 * @returns rejects as throwIfCancelled does once the signal has come
 */
export function pacer(signal: AbortSignal | undefined, doing: string): () => Promise<void> {
  let next = performance.now() + TURN_MS;
  return async () => {
    if (performance.now() < next) return;
    await nextTurn();
    throwIfCancelled(signal, doing);
    next = performance.now() + TURN_MS;
  };
}
