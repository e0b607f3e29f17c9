/** A smooth function: writes its gradient at `x` and returns its value there. */
export type Objective = (x: Float64Array, gradient: Float64Array) => Promise<number>;

interface MinimizeOptions {
  /** Asked at the start and after every step. */
  isDone: (gradient: Float64Array) => boolean;
  /** An estimate of the inverse Hessian's diagonal. */
  scale: Float64Array;
  maxIterations: number;
  onIteration?: ((iteration: number) => void) | undefined;
}

interface Minimum {
  x: Float64Array;
  value: number;
  iterations: number;
  /** False where the iterations were used up, or rounding left no step that goes further down. */
  done: boolean;
}

/** Steps remembered. */
const MEMORY = 10;
/** Fewer where their vectors would take more than this; three still serve. */
const MEMORY_BYTES = 2 ** 30;
const LEAST_MEMORY = 3;
/** What of the descent that the gradient promises a step must keep (Armijo). */
const SUFFICIENT = 1e-4;
/** A step so short comes of rounding. */
const SHORTEST_STEP = 1e-10;

interface Step {
  /** By how much x and the gradient changed, and 1 / (dx·dg). */
  dx: Float64Array;
  dg: Float64Array;
  rho: number;
}

/**
 * L-BFGS (Nocedal & Wright, Numerical Optimization, 2nd edition, algorithms 7.4 and 7.5) with backtracking, which is
 * enough where the function is convex: its gradient never turns the wrong way along a step.
 *
 * @param start left as it is
 */
export async function minimize(
  objective: Objective,
  start: Float64Array,
  { isDone, scale, maxIterations, onIteration }: MinimizeOptions,
): Promise<Minimum> {
  let x: Float64Array = start.slice();
  let gradient: Float64Array = new Float64Array(x.length);
  let value = await objective(x, gradient);
  const affordable = Math.floor(MEMORY_BYTES / (2 * x.byteLength));
  const memory = Math.max(LEAST_MEMORY, Math.min(MEMORY, affordable));
  const history: Step[] = [];
  for (let iteration = 0; ; iteration++) {
    if (isDone(gradient)) return { x, value, iterations: iteration, done: true };
    const stuck = { x, value, iterations: iteration, done: false };
    if (iteration === maxIterations) return stuck;

    const direction = descent(gradient, history, scale);
    const slope = dot(direction, gradient);
    if (!(slope < 0)) return stuck;
    let length = 1;
    // The oldest step's vectors serve the next.
    const free = history.length === memory ? history.shift() : undefined;
    const nextX = free?.dx ?? new Float64Array(x.length);
    const nextGradient = free?.dg ?? new Float64Array(x.length);
    let nextValue: number;
    for (;;) {
      for (let i = 0; i < x.length; i++) nextX[i] = x[i]! + length * direction[i]!;
      nextValue = await objective(nextX, nextGradient);
      if (nextValue <= value + SUFFICIENT * length * slope) break;
      // The lowest point of the parabola through what is known.
      const best = (-slope * length * length) / (2 * (nextValue - value - slope * length));
      length = Math.min(length / 2, Math.max(length / 10, best));
      if (!(length > SHORTEST_STEP)) return stuck;
    }
    remember(history, x, gradient, nextX, nextGradient);
    [x, gradient, value] = [nextX, nextGradient, nextValue];
    onIteration?.(iteration + 1);
  }
}

/** Turns the old point and gradient into the differences that are kept. */
function remember(
  history: Step[],
  x: Float64Array,
  gradient: Float64Array,
  nextX: Float64Array,
  nextGradient: Float64Array,
): void {
  for (let i = 0; i < x.length; i++) {
    x[i] = nextX[i]! - x[i]!;
    gradient[i] = nextGradient[i]! - gradient[i]!;
  }
  const curvature = dot(x, gradient);
  if (curvature > 0) history.push({ dx: x, dg: gradient, rho: 1 / curvature });
}

/** Minus the gradient times an estimate of the inverse Hessian. */
function descent(gradient: Float64Array, history: readonly Step[], scale: Float64Array): Float64Array {
  const direction = gradient.map(g => -g);
  const alphas: number[] = [];
  for (let i = history.length - 1; i >= 0; i--) {
    const { dx, dg, rho } = history[i]!;
    alphas[i] = rho * dot(dx, direction);
    add(direction, -alphas[i]!, dg);
  }
  const fit = history.length === 0 ? 1 : curvatureFit(history.at(-1)!, scale);
  for (let i = 0; i < direction.length; i++) direction[i]! *= fit * scale[i]!;
  for (const [i, { dx, dg, rho }] of history.entries()) {
    add(direction, alphas[i]! - rho * dot(dg, direction), dx);
  }
  return direction;
}

/** By what factor the last step says that `scale` is too small. */
function curvatureFit({ dg, rho }: Step, scale: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < dg.length; i++) sum += dg[i]! * scale[i]! * dg[i]!;
  return 1 / (rho * sum);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** a += factor · b */
function add(a: Float64Array, factor: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i]! += factor * b[i]!;
}
