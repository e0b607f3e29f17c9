import { readFileSync } from 'node:fs';
import type { Averages, ClassMetrics } from '../../src/evaluate/metrics.js';
import { seededRandom } from '../../src/util/random.js';

interface Expected {
  cases: {
    name: string;
    parts: number;
    rows: number[];
    targets: number[];
    metrics: {
      accuracy: number;
      logLoss: number;
      brier: number;
      calibrationError: number;
      macro: Averages;
      weighted: Averages;
      perClass: Omit<ClassMetrics, 'label'>[];
      confusion: number[][];
      bins: { bin: number; papers: number; accuracy: number; confidence: number }[];
    };
  }[];
  mcnemar: { onlyFirst: number; onlySecond: number; pValue: number }[];
  temperatures: { logits: number[]; targets: number[]; temperature: number; logLoss: number }[];
  ensemble: { members: number[][]; targets: number[]; weights: number[]; logLoss: number };
  quantiles: { values: number[]; shares: number[]; quantiles: number[] };
}

/** What test/fixtures/generate_metrics.py wrote. */
export const expected: Expected = JSON.parse(
  readFileSync(new URL('../fixtures/metrics/expected.json', import.meta.url), 'utf8'),
);

export const parts = (numbers: number[], whole: number) => Float64Array.from(numbers, n => n / whole);

/** Papers of a seed, their classes drawn from the very probabilities that are given. */
export function simulated(
  seed: string,
  papers: number,
  classes: number,
): { logits: Float32Array; probabilities: Float64Array; targets: Int32Array } {
  const random = seededRandom(seed);
  const logits = Float32Array.from({ length: papers * classes }, () => 4 * random());
  const probabilities = new Float64Array(logits.length);
  const targets = new Int32Array(papers);
  for (let paper = 0; paper < papers; paper++) {
    const row = logits.subarray(paper * classes, (paper + 1) * classes);
    const sum = row.reduce((total, logit) => total + Math.exp(logit), 0);
    probabilities.set(
      [...row].map(logit => Math.exp(logit) / sum),
      paper * classes,
    );
    let left = random();
    while (targets[paper]! < classes - 1) {
      left -= probabilities[paper * classes + targets[paper]!]!;
      if (left < 0) break;
      targets[paper]! += 1;
    }
  }
  return { logits, probabilities, targets };
}

export const letters = (classes: number) =>
  Array.from({ length: classes }, (_, k) => String.fromCharCode(97 + k));
