import { softmax, wordsText } from '../model/sparse-classifier.js';
import type { Scales, Words } from '../model/words.js';
import type { EngineModel, PackedBatch } from '../native.js';
import { minimize } from './baseline/lbfgs.js';
import { checkFinite, checkShapes } from './metrics.js';

/** What classifies: an encoder in the engine and, in a model that has them, words. */
export interface BlendedModel {
  model: EngineModel;
  words?: Words | undefined;
}

/** The texts of a batch, for the words. */
type Papers = readonly { title: string; abstract: string }[];

/**
 * What a model says of a batch: whoever wants a saved model's probabilities, or is training one, asks here. Where the
 * model has words these are the blended logits ({@link blend}), so that a temperature, which divides logits, applies to
 * the blend and not to the encoder alone, and thresholds to the probabilities that come of it.
 *
 * @param papers those of the batch
 * @param cancel `cancel[0] = 1` abandons it
 * @returns logits, papers × classes, row-major
 */
export async function ask(
  { model, words }: BlendedModel,
  batch: PackedBatch,
  papers: Papers,
  cancel?: Uint8Array,
): Promise<Float32Array> {
  const running = model.predict(batch, cancel);
  if (words === undefined) return running;
  // While the engine works. Should that throw, the engine's failure must not count as unhandled.
  running.catch(() => {});
  const said = wordLogits(words.classifier, papers);
  return blend(await running, said, words.scales);
}

/** What words alone say: logits, papers × classes, row-major. */
export function wordLogits(classifier: Words['classifier'], papers: Papers): Float32Array {
  const classes = classifier.model.labels.length;
  const logits = new Float32Array(papers.length * classes);
  for (const [i, paper] of papers.entries()) logits.set(classifier.logits(wordsText(paper)), i * classes);
  return logits;
}

/**
 * The weighted sum of the logits, which is the weighted geometric mean of the probabilities, each made surer or less
 * sure of itself. On real papers it was more accurate and better calibrated than the weighted mean of the probabilities.
 */
export function blend(encoder: Float32Array, words: Float32Array, scales: Scales): Float32Array {
  return encoder.map((logit, i) => scales.encoder * logit + scales.words * words[i]!);
}

/** Until this the squared length of the gradient is to fall. */
const FLAT = 1e-14;
const MAX_ITERATIONS = 200;

/**
 * The scales, at least 0, with which the blend has the smallest log loss on these papers; drawn towards one half each by
 * a normal prior of deviation 1, which matters only where papers are few. By log loss, since accuracy moves in steps;
 * two scales and not one share, since words, regularised for their rare ones, are less sure of themselves than they
 * could be and would count for too little.
 *
 * @param encoder logits, papers × classes, row-major
 * @param words the same
 * @param targets one class index a paper; at least one paper
 * @throws ArxivNativeError NON_FINITE
 */
export async function fitBlend(
  encoder: Float32Array,
  words: Float32Array,
  targets: ArrayLike<number>,
  classes: number,
): Promise<Scales> {
  const members = [encoder, words];
  for (const logits of members) {
    checkShapes(logits, targets, classes);
    checkFinite(logits);
  }
  const used = new Set([0, 1]);
  for (;;) {
    const { x } = await minimize(
      async (scales, gradient) => logLoss(members, targets, classes, { scales, gradient, used }),
      Float64Array.from(members, (_, m) => (used.has(m) ? PRIOR : 0)),
      {
        isDone: gradient => gradient[0]! ** 2 + gradient[1]! ** 2 <= FLAT,
        scale: Float64Array.of(1, 1),
        maxIterations: MAX_ITERATIONS,
      },
    );
    const [a, b] = [x[0]!, x[1]!];
    if (a >= 0 && b >= 0) return { encoder: a, words: b };
    // The function is convex: what it would have below 0 is best at 0.
    used.delete(a < b ? 0 : 1);
  }
}

const PRIOR = 0.5;

/** Mean log loss of the blend and, per paper, the prior of the scales; `gradient` gets that of those that are used. */
function logLoss(
  members: readonly Float32Array[],
  targets: ArrayLike<number>,
  classes: number,
  { scales, gradient, used }: { scales: Float64Array; gradient: Float64Array; used: Set<number> },
): number {
  const papers = targets.length;
  let loss = 0;
  gradient.fill(0);
  const logits = new Float64Array(classes);
  for (let paper = 0; paper < papers; paper++) {
    const start = paper * classes;
    for (let k = 0; k < classes; k++) {
      logits[k] = scales[0]! * members[0]![start + k]! + scales[1]! * members[1]![start + k]!;
    }
    const target = targets[paper]!;
    const said = logits[target]!;
    loss += softmax(logits) - said;
    logits[target]! -= 1;
    for (const m of used) {
      for (let k = 0; k < classes; k++) gradient[m]! += logits[k]! * members[m]![start + k]!;
    }
  }
  for (const m of used) {
    loss += (scales[m]! - PRIOR) ** 2 / 2;
    gradient[m] = (gradient[m]! + scales[m]! - PRIOR) / papers;
  }
  return loss / papers;
}
