import type { Example } from '../data/dataset.js';
import { writeLines } from '../util/output.js';
import { argMaxRows } from './metrics.js';

/** What a model said of labelled papers. */
export interface Predictions {
  examples: readonly Example[];
  labels: readonly string[];
  /** papers × labels.length, row-major. */
  probabilities: Float64Array;
  /** The class that was chosen for each paper; by default the most probable. */
  predicted?: Int32Array | undefined;
}

/** Writes what a model said of each paper: one JSON line with id, label, predicted and probabilities. */
export function writePredictions(
  file: string,
  { examples, labels, probabilities, predicted }: Predictions,
  options: { force: boolean; signal?: AbortSignal | undefined },
): Promise<void> {
  const chosen = predicted ?? argMaxRows(probabilities, labels.length);
  async function* lines(): AsyncGenerator<string> {
    for (const [i, { paper, label }] of examples.entries()) {
      const row = probabilities.subarray(i * labels.length, (i + 1) * labels.length);
      yield `${JSON.stringify({
        id: paper.id,
        label: labels[label],
        predicted: labels[chosen[i]!],
        probabilities: Object.fromEntries(labels.map((name, k) => [name, row[k]])),
      })}\n`;
    }
  }
  return writeLines(file, lines(), options);
}
