import type { Dataset } from '../data/dataset.js';
import { argMaxRows } from '../evaluate/metrics.js';
import { writeLines } from '../util/output.js';

/**
 * Writes what the model said of each test paper: one JSON line with id, label, predicted and probabilities.
 *
 * @param probabilities papers × classes, row-major
 */
export function writePredictions(
  file: string,
  { test, labels }: Dataset,
  probabilities: Float64Array,
  options: { force: boolean },
): Promise<void> {
  const predicted = argMaxRows(probabilities, labels.length);
  async function* lines(): AsyncGenerator<string> {
    for (const [i, { paper, label }] of test.entries()) {
      const row = probabilities.subarray(i * labels.length, (i + 1) * labels.length);
      yield `${JSON.stringify({
        id: paper.id,
        label: labels[label],
        predicted: labels[predicted[i]!],
        probabilities: Object.fromEntries(labels.map((name, k) => [name, row[k]])),
      })}\n`;
    }
  }
  return writeLines(file, lines(), options);
}
