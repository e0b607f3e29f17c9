import { type LinearModel, softmax } from '../../model/sparse-classifier.js';
import type { SparseMatrix } from '../../text/tfidf.js';
import { minimize } from './lbfgs.js';

/** scikit-learn's C: the inverse of the penalty on the weights, where the loss is summed over the papers. */
const C = 4;
/** The mean loss may be so far above the lowest there is. */
const GAP = 1e-6;
const MAX_ITERATIONS = 1000;
/** Rows between two looks at the clock. */
const CHUNK = 64;

/** Classes are computed in fours, which a processor does much faster than in a loop over few. */
const BLOCK = 4;

/** Where parameters are: a row of `stride` a feature and one of biases, of which the first `classes` are used. */
interface Layout {
  classes: number;
  stride: number;
}

interface FitHooks {
  /** Awaited between papers. */
  rest: () => Promise<void>;
  onProgress: (iterations: number) => void;
}

/**
 * Multinomial logistic regression: minimizes Σ −ln p(label) + ‖weights‖² / 2C with C = 4, the bias free, as
 * scikit-learn's LogisticRegression(C=4) does.
 *
 * @param targets one class index a row
 */
export async function fitLogisticRegression(
  matrix: SparseMatrix,
  targets: ArrayLike<number>,
  { features, classes }: { features: number; classes: number },
  { rest, onProgress }: FitHooks,
): Promise<LinearModel> {
  const rows = targets.length;
  const layout = { classes, stride: BLOCK * Math.ceil(classes / BLOCK) };
  const biasAt = features * layout.stride;
  // scikit-learn knows two classes by one vector of weights w, here w/2 and −w/2: the sum of squares is half of its own.
  const penalty = (classes === 2 ? 2 : 1) / (C * rows);
  const objective = async (parameters: Float64Array, gradient: Float64Array) => {
    gradient.fill(0);
    let loss = 0;
    for (let from = 0; from < rows; from += CHUNK) {
      const to = Math.min(rows, from + CHUNK);
      loss += accumulate(matrix, targets, layout, parameters, gradient, from, to);
      await rest();
    }
    return loss / rows + penalize(parameters, gradient, { biasAt, penalty, rows });
  };

  const { x } = await minimize(objective, new Float64Array(biasAt + layout.stride), {
    // The penalty curves the function upwards at least so much everywhere that this bounds what is left to gain.
    isDone: gradient => squaredNorm(gradient) <= 2 * penalty * GAP,
    scale: scaleOf(matrix, layout, biasAt, penalty),
    maxIterations: MAX_ITERATIONS,
    onIteration: onProgress,
  });
  const weights = new Float32Array(features * classes);
  for (let feature = 0; feature < features; feature++) {
    const from = feature * layout.stride;
    weights.set(x.subarray(from, from + classes), feature * classes);
  }
  return { weights, bias: Float32Array.from(x.subarray(biasAt, biasAt + classes)) };
}

/**
 * How far to go in each direction, but for a common factor: features differ in how common they are by orders of
 * magnitude. This is the root of the inverted second derivative where all classes are equally likely. The inverse
 * itself goes too far for rare features, and no scale not far enough: either takes about twice the iterations.
 */
function scaleOf(
  { starts, columns, values }: SparseMatrix,
  { classes, stride }: Layout,
  biasAt: number,
  penalty: number,
): Float64Array {
  const rows = starts.length - 1;
  const variance = (classes - 1) / classes ** 2;
  const scale = new Float64Array(biasAt + stride);
  for (let at = 0; at < columns.length; at++) {
    const value = values[at]!;
    scale[columns[at]! * stride]! += value * value;
  }
  for (let base = 0; base < biasAt; base += stride) {
    scale.fill(1 / Math.sqrt((variance * scale[base]!) / rows + penalty), base, base + stride);
  }
  return scale.fill(1 / Math.sqrt(variance), biasAt);
}

/** Adds the loss's gradient over some rows to `gradient`, and returns the loss, both summed. */
function accumulate(
  { starts, columns, values }: SparseMatrix,
  targets: ArrayLike<number>,
  { classes, stride }: Layout,
  parameters: Float64Array,
  gradient: Float64Array,
  from: number,
  to: number,
): number {
  const biasAt = parameters.length - stride;
  const residual = new Float64Array(stride);
  const logits = residual.subarray(0, classes);
  let loss = 0;
  for (let row = from; row < to; row++) {
    const start = starts[row]!;
    const end = starts[row + 1]!;
    for (let block = 0; block < stride; block += BLOCK) {
      let a = parameters[biasAt + block]!;
      let b = parameters[biasAt + block + 1]!;
      let c = parameters[biasAt + block + 2]!;
      let d = parameters[biasAt + block + 3]!;
      for (let at = start; at < end; at++) {
        const base = columns[at]! * stride + block;
        const value = values[at]!;
        a += value * parameters[base]!;
        b += value * parameters[base + 1]!;
        c += value * parameters[base + 2]!;
        d += value * parameters[base + 3]!;
      }
      residual.set([a, b, c, d], block);
    }
    const target = targets[row]!;
    const logit = logits[target]!;
    loss += softmax(logits) - logit;
    logits[target]! -= 1;
    for (let block = 0; block < stride; block += BLOCK) {
      const a = residual[block]!;
      const b = residual[block + 1]!;
      const c = residual[block + 2]!;
      const d = residual[block + 3]!;
      for (let at = start; at < end; at++) {
        const base = columns[at]! * stride + block;
        const value = values[at]!;
        gradient[base]! += value * a;
        gradient[base + 1]! += value * b;
        gradient[base + 2]! += value * c;
        gradient[base + 3]! += value * d;
      }
    }
    for (let k = 0; k < classes; k++) gradient[biasAt + k]! += residual[k]!;
  }
  return loss;
}

/** Divides the loss's gradient by the rows, adds the penalty's and returns the penalty. */
function penalize(
  parameters: Float64Array,
  gradient: Float64Array,
  { biasAt, penalty, rows }: { biasAt: number; penalty: number; rows: number },
): number {
  let squares = 0;
  for (let i = 0; i < biasAt; i++) {
    const weight = parameters[i]!;
    gradient[i] = gradient[i]! / rows + penalty * weight;
    squares += weight * weight;
  }
  for (let i = biasAt; i < gradient.length; i++) gradient[i]! /= rows;
  return (penalty / 2) * squares;
}

function squaredNorm(vector: Float64Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return sum;
}
