import { describe, expect, it } from 'vitest';
import { bootstrapMetrics } from '../../src/evaluate/bootstrap.js';
import { classRows } from '../../src/evaluate/evaluation-words.js';
import { evaluate } from '../../src/evaluate/metrics.js';

describe('the rows of classes', () => {
  it('show no figure where nothing is to be shared out', async () => {
    const labels = ['right', 'only predicted', 'never predicted', 'neither'];
    const predicted = Int32Array.of(0, 0, 1);
    const targets = [0, 0, 2];
    const probabilities = new Float64Array(12).fill(0.25);
    const metrics = evaluate(probabilities, targets, labels, { predicted });
    const intervals = await bootstrapMetrics({ probabilities, predicted }, targets, labels, { seed: 1 });
    const [, ...rows] = classRows({ metrics, intervals });
    const figures = rows.map(row => row.map(cell => cell.replace(/ \(.*/, '')));
    expect(figures).toEqual([
      ['right', '100.0', '100.0', '100.0', '2'],
      ['only predicted', '0.0', '–', '0.0', '0'],
      ['never predicted', '–', '0.0', '0.0', '1'],
      ['neither', '–', '–', '–', '0'],
    ]);
    // The mean over the three that occur.
    expect(metrics.macro.f1).toBeCloseTo(1 / 3, 12);
  });
});
