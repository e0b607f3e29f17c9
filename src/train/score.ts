import { evaluate, type Metrics, probabilitiesOf } from '../evaluate/metrics.js';
import type { EngineModel } from '../native.js';
import { cancelFlag } from '../util/cancel.js';
import type { TokenizedExamples } from './batches.js';

/** Without gradients this many papers take less memory than a training step. */
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
  let batch = papers.range(0, PAPERS_AT_ONCE);
  for (let start = 0; start < papers.length; start += PAPERS_AT_ONCE) {
    const running = model.predict(batch, cancel);
    // Tokenized while the engine works. Should that throw, the engine's failure must not count as unhandled.
    running.catch(() => {});
    batch = papers.range(start + PAPERS_AT_ONCE, start + 2 * PAPERS_AT_ONCE);
    probabilities.set(probabilitiesOf(await running, classes), start * classes);
    onProgress(Math.min(papers.length, start + PAPERS_AT_ONCE));
  }
  return probabilities;
}
