import { evaluate, type Metrics, probabilitiesOf } from '../evaluate/metrics.js';
import type { EngineModel } from '../native.js';
import { cancelFlag } from '../util/cancel.js';
import type { TokenizedExamples } from './batches.js';
import { isOutOfMemory } from './limits.js';

/** Without gradients this many papers take less memory than a training step; fewer where even that is too much. */
const PAPERS_AT_ONCE = 32;

export interface Score {
  metrics: Metrics;
  /** papers × classes, row-major. */
  probabilities: Float64Array;
}

/**
 * Classifies every paper of a split and compares with the labels.
 *
 * @throws ArxivNativeError CANCELLED soon after the signal comes, NON_FINITE, and what else the engine throws
 */
export async function score(
  model: EngineModel,
  papers: TokenizedExamples,
  labels: readonly string[],
  options: { signal: AbortSignal | undefined; onProgress: (done: number) => void },
): Promise<Score> {
  const cancel = cancelFlag(options.signal);
  try {
    const probabilities = await predictAll(model, papers, labels.length, cancel.flag, options.onProgress);
    const targets = papers.examples.map(example => example.label);
    return { metrics: evaluate(probabilities, targets, labels), probabilities };
  } finally {
    cancel.release();
  }
}

async function predictAll(
  model: EngineModel,
  papers: TokenizedExamples,
  classes: number,
  cancel: Uint8Array,
  onProgress: (done: number) => void,
): Promise<Float64Array> {
  const probabilities = new Float64Array(papers.length * classes);
  let atOnce = PAPERS_AT_ONCE;
  let batch = papers.range(0, atOnce);
  for (let start = 0; start < papers.length; ) {
    const count = batch.labels.length;
    const running = model.predict(batch, cancel);
    // Tokenized while the engine works. Should that throw, the engine's failure must not count as unhandled.
    running.catch(() => {});
    const next = papers.range(start + count, start + count + atOnce);
    try {
      probabilities.set(probabilitiesOf(await running, classes), start * classes);
    } catch (error) {
      if (!isOutOfMemory(error) || count === 1) throw error;
      atOnce = Math.ceil(count / 2);
      batch = papers.range(start, start + atOnce);
      continue;
    }
    start += count;
    batch = next;
    onProgress(start);
  }
  return probabilities;
}
