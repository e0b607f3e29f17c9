import { seededRandom, shuffle } from '../util/random.js';

/** Every index once, in an order that the seed and the epoch decide alone. */
export function epochOrder(papers: number, seed: number, epoch: number): Int32Array {
  return shuffle(
    Int32Array.from({ length: papers }, (_, index) => index),
    seededRandom(`order ${seed} ${epoch}`),
  );
}
