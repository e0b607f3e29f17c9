import { checkShapes, paperLosses } from './metrics.js';

/** Nats by which the log loss may be above the smallest there is. */
const TOLERANCE = 1e-8;
const ROUNDS = 10_000;

/**
 * The weights, at least 0 and 1 in sum, with which the mean of the models' probabilities has the smallest log loss on
 * these papers. The problem is convex; solved by expectation maximisation for the weights of a mixture, from equal
 * ones, so that models that are alike share what they have.
 *
 * @param members each model's probabilities, papers × classes, row-major
 * @param targets one class index a paper; at least one paper
 */
export function fitWeights(
  members: readonly ArrayLike<number>[],
  targets: ArrayLike<number>,
  classes: number,
): number[] {
  for (const probabilities of members) checkShapes(probabilities, targets, classes);
  const likelihoods = members.map(probabilities =>
    paperLosses(probabilities, targets, classes).map(loss => Math.exp(-loss)),
  );
  let weights = members.map(() => 1 / members.length);
  for (let round = 0; round < ROUNDS; round++) {
    const ratios = meanRatios(likelihoods, weights);
    // By convexity no weights are better than these by more than this.
    if (Math.max(...ratios) - 1 <= TOLERANCE) break;
    weights = weights.map((weight, m) => weight * ratios[m]!);
  }
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map(weight => weight / sum);
}

/** The mean of several models' probabilities, weighted. */
export function averageProbabilities(
  members: readonly ArrayLike<number>[],
  weights: readonly number[],
): Float64Array {
  const average = new Float64Array(members[0]!.length);
  for (const [m, probabilities] of members.entries()) {
    for (let i = 0; i < average.length; i++) average[i]! += weights[m]! * probabilities[i]!;
  }
  return average;
}

/** For each model the mean over papers of its likelihood divided by the mixture's. */
function meanRatios(likelihoods: readonly Float64Array[], weights: readonly number[]): number[] {
  const mixture = averageProbabilities(likelihoods, weights);
  return likelihoods.map(likelihood => {
    let sum = 0;
    for (let paper = 0; paper < mixture.length; paper++) sum += likelihood[paper]! / mixture[paper]!;
    return sum / mixture.length;
  });
}
