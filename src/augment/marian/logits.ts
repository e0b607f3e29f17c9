/** A token that may come next. */
export interface Candidate {
  token: number;
  logProbability: number;
}

/**
 * The most probable next tokens, the best first; fewer than `count` where no more are allowed.
 *
 * @param logits of one row, one for each token of the vocabulary; changed
 * @param banned tokens that may not come
 * @param renormalize whether the others' probabilities add up to 1 without them
 */
export function bestTokens(
  logits: Float32Array,
  banned: readonly number[],
  count: number,
  renormalize: boolean,
): Candidate[] {
  const ban = () => {
    for (const token of banned) logits[token] = Number.NEGATIVE_INFINITY;
  };
  if (renormalize) ban();
  const normalizer = logSumExp(logits);
  if (!renormalize) ban();
  return largest(logits, count).map(token => ({ token, logProbability: logits[token]! - normalizer }));
}

/** Indices of the largest finite values, the largest first, of equal ones the first. */
function largest(values: Float32Array, count: number): number[] {
  const indices: number[] = [];
  let bar = -Number.MAX_VALUE;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!(value > bar)) continue;
    let place = indices.length < count ? indices.length : count - 1;
    for (; place > 0 && values[indices[place - 1]!]! < value; place--) indices[place] = indices[place - 1]!;
    indices[place] = i;
    if (indices.length === count) bar = values[indices[count - 1]!]!;
  }
  return indices;
}

/** exp(-k / STEPS) */
const STEPS = 64;
/** Below e^-40 of the largest, what tens of thousands add is beyond a float's precision. */
const DEPTH = 40;
const POWERS = Float64Array.from({ length: DEPTH * STEPS }, (_, k) => Math.exp(-k / STEPS));

/** To about 9 digits, at a third of the cost of Math.exp, which would take longer than the model does. */
function logSumExp(values: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) if (values[i]! > largest) largest = values[i]!;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const below = (largest - values[i]!) * STEPS;
    if (!(below < POWERS.length)) continue;
    const step = below | 0;
    const rest = (below - step) / STEPS;
    sum += POWERS[step]! * (1 - rest * (1 - rest * (1 / 2 - rest / 6)));
  }
  return largest + Math.log(sum);
}
