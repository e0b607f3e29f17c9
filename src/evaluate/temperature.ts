import { checkFinite, checkShapes } from './metrics.js';

const COLDEST = 0.01;
const HOTTEST = 100;

/** Whether a fitted temperature is only the end of what is tried. */
export function isAtLimit(temperature: number): boolean {
  return temperature <= COLDEST || temperature >= HOTTEST;
}

const STEPS = 100;

/**
 * The temperature T with which softmax(logits / T) has the smallest log loss on these papers (Guo et al. 2017), from
 * 0.01 to 100; 1 where no temperature changes anything. Above 1 the model was too sure of itself. The most probable
 * class of a paper stays what it was.
 *
 * @param logits papers × classes, row-major
 * @param targets one class index a paper; at least one paper
 * @throws ArxivNativeError NON_FINITE
 */
export function fitTemperature(logits: Float32Array, targets: ArrayLike<number>, classes: number): number {
  checkShapes(logits, targets, classes);
  checkFinite(logits);
  // In 1/T the log loss is convex: Newton's method on its slope, halving where that leaves the bracket.
  let inverse = 1;
  let { slope, curvature } = derivatives(logits, targets, classes, inverse);
  if (slope === 0) return 1;
  let [low, high] = slope > 0 ? [1 / HOTTEST, 1] : [1, 1 / COLDEST];
  const end = slope > 0 ? low : high;
  if (derivatives(logits, targets, classes, end).slope * slope > 0) return 1 / end;
  for (let step = 0; step < STEPS; step++) {
    if (slope > 0) high = inverse;
    else low = inverse;
    const newton = inverse - slope / curvature;
    const next = newton > low && newton < high ? newton : Math.sqrt(low * high);
    const moved = Math.abs(next - inverse);
    inverse = next;
    if (moved <= 1e-12 * inverse) break;
    ({ slope, curvature } = derivatives(logits, targets, classes, inverse));
    if (slope === 0) break;
  }
  return 1 / inverse;
}

/** First and second derivative of the mean log loss of softmax(inverse · logits) with respect to `inverse`. */
function derivatives(
  logits: Float32Array,
  targets: ArrayLike<number>,
  classes: number,
  inverse: number,
): { slope: number; curvature: number } {
  let slope = 0;
  let curvature = 0;
  for (let paper = 0; paper < targets.length; paper++) {
    const start = paper * classes;
    let largest = -Infinity;
    for (let k = 0; k < classes; k++) largest = Math.max(largest, logits[start + k]!);
    let [weights, mean, square] = [0, 0, 0];
    for (let k = 0; k < classes; k++) {
      const below = logits[start + k]! - largest;
      const weight = Math.exp(inverse * below);
      weights += weight;
      mean += weight * below;
      square += weight * below * below;
    }
    mean /= weights;
    slope += mean - (logits[start + targets[paper]!]! - largest);
    curvature += square / weights - mean * mean;
  }
  return { slope: slope / targets.length, curvature: curvature / targets.length };
}
