import { isOutOfMemory } from '../errors.js';
import { cancelFlag } from '../util/cancel.js';
import { ask, type BlendedModel } from './blend.js';
import { checkFinite, evaluate, type Metrics, probabilitiesOf } from './metrics.js';
import type { TokenizedExamples } from './tokenized-examples.js';

/** Without gradients this many papers take less memory than a training step; fewer where even that is too much. */
const PAPERS_AT_ONCE = 32;

export interface ScoreHooks {
  signal: AbortSignal | undefined;
  onProgress: (done: number) => void;
}

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
  model: BlendedModel,
  papers: TokenizedExamples,
  labels: readonly string[],
  hooks: ScoreHooks,
): Promise<Score> {
  return scoreLogits(await logitsOf(model, papers, labels.length, hooks), papers.targets, labels);
}

/** Compares what was said of papers with their labels, one class index a paper. */
export function scoreLogits(
  logits: Float32Array,
  targets: ArrayLike<number>,
  labels: readonly string[],
): Score {
  const probabilities = probabilitiesOf(logits, labels.length);
  return { metrics: evaluate(probabilities, targets, labels), probabilities };
}

/**
 * What a model says of every paper, as {@link ask} gives it: papers × classes, row-major.
 *
 * @throws ArxivNativeError as {@link score} does
 */
export async function logitsOf(
  model: BlendedModel,
  papers: TokenizedExamples,
  classes: number,
  { signal, onProgress }: ScoreHooks,
): Promise<Float32Array> {
  const cancel = cancelFlag(signal);
  try {
    return await allLogits(model, papers, classes, cancel.flag, onProgress);
  } finally {
    cancel.release();
  }
}

async function allLogits(
  model: BlendedModel,
  papers: TokenizedExamples,
  classes: number,
  cancel: Uint8Array,
  onProgress: (done: number) => void,
): Promise<Float32Array> {
  const logits = new Float32Array(papers.length * classes);
  let atOnce = PAPERS_AT_ONCE;
  let batch = papers.range(0, atOnce);
  for (let start = 0; start < papers.length; ) {
    const count = batch.labels.length;
    const texts = papers.examples.slice(start, start + count).map(({ paper }) => paper);
    const running = ask(model, batch, texts, cancel);
    // Tokenized while the engine works. Should that throw, the engine's failure must not count as unhandled.
    running.catch(() => {});
    const next = papers.range(start + count, start + count + atOnce);
    try {
      const found = await running;
      checkFinite(found);
      logits.set(found, start * classes);
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
  return logits;
}
