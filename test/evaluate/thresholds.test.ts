import { describe, expect, it } from 'vitest';
import { decide } from '../../src/evaluate/decide.js';
import { argMaxRows, evaluate } from '../../src/evaluate/metrics.js';
import { fitThreshold, fitThresholds } from '../../src/evaluate/thresholds.js';
import type { DecisionRule } from '../../src/model/decision.js';
import { expected, letters, parts, simulated } from './expected.js';

const OBJECTIVES = ['accuracy', 'macroF1'] as const;
const rule = (thresholds: Record<string, number>): DecisionRule => ({ method: 'thresholds', thresholds });

function reached(
  probabilities: Float64Array,
  targets: ArrayLike<number>,
  labels: string[],
  decision: DecisionRule,
): { accuracy: number; macroF1: number; perClass: { precision: number; recall: number }[] } {
  const predicted = decide(probabilities, labels, decision);
  const { accuracy, macro, perClass } = evaluate(probabilities, targets, labels, { predicted });
  return { accuracy, macroF1: macro.f1, perClass };
}

/** A model that leans away from class a, so that a threshold has something to mend. */
function leaning(
  seed: string,
  papers: number,
  classes = 4,
): { probabilities: Float64Array; targets: Int32Array } {
  const { probabilities, targets } = simulated(seed, papers, classes);
  const shifted = probabilities.map((p, i) => (i % classes === 0 ? p / 3 : p));
  for (let start = 0; start < shifted.length; start += classes) {
    const row = shifted.subarray(start, start + classes);
    const sum = row.reduce((total, p) => total + p);
    row.forEach((p, k) => {
      row[k] = p / sum;
    });
  }
  return { probabilities: shifted, targets };
}

describe('decide', () => {
  const labels = ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'];
  const of = (row: number[], decision: DecisionRule) => labels[decide(row, labels, decision)[0]!];

  it('without thresholds takes the most probable, the first of equals', () => {
    const rows = expected.cases[0]!;
    const probabilities = parts(rows.rows, rows.parts);
    for (const none of [
      { method: 'argmax' } as const,
      rule({}),
      rule({ 'cs.AI': 0.5, 'cs.CL': 0.5, 'cs.CV': 0.5, 'cs.LG': 0.5 }),
    ]) {
      expect(decide(probabilities, labels, none)).toEqual(argMaxRows(probabilities, 4));
    }
    expect(of([0.25, 0.25, 0.25, 0.25], { method: 'argmax' })).toBe('cs.AI');
  });

  it.each<[string, number[], string]>([
    ['reaches it', [0.4, 0.5, 0.1, 0], 'cs.AI'],
    ['does not', [0.39, 0.51, 0.1, 0], 'cs.CL'],
    ['does not, but is the most probable', [0.3, 0.25, 0.25, 0.2], 'cs.AI'],
  ])('with one threshold takes its class where that %s', (_, row, chosen) => {
    expect(of(row, rule({ 'cs.AI': 0.4 }))).toBe(chosen);
  });

  it.each<[string, number[], string]>([
    ['the only one that reaches its own', [0.31, 0.49, 0.1, 0.1], 'cs.AI'],
    ['the most probable of those that do', [0.31, 0.1, 0.4, 0.19], 'cs.CV'],
    ['the first of equals that do', [0.35, 0.1, 0.35, 0.2], 'cs.AI'],
    ['the most probable where none does', [0.2, 0.45, 0.2, 0.15], 'cs.CL'],
  ])('with a threshold a class takes %s', (_, row, chosen) => {
    expect(of(row, rule({ 'cs.AI': 0.3, 'cs.CL': 0.5, 'cs.CV': 0.35, 'cs.LG': 0.6 }))).toBe(chosen);
  });

  it('knows labels by their own names only', () => {
    const odd = ['constructor', '__proto__'];
    expect([...decide([0.2, 0.8], odd, rule({}))]).toEqual([1]);
    const own = rule(Object.fromEntries([['__proto__', 0.1]]));
    expect([...decide([0.8, 0.2], odd, own)]).toEqual([1]);
  });
});

describe.each(OBJECTIVES)('fitThreshold for %s', objective => {
  it.each(expected.cases)('is never worse than arg max nor than any observed probability: $name', each => {
    const probabilities = parts(each.rows, each.parts);
    const labels = letters(probabilities.length / each.targets.length);
    for (const [k, label] of labels.entries()) {
      const { rule: best } = fitThreshold(probabilities, each.targets, labels, { label, objective });
      const observed = [...new Set(probabilities.filter((_, i) => i % labels.length === k)), 0, 1];
      const others = observed.map(
        p => reached(probabilities, each.targets, labels, rule({ [label]: p }))[objective],
      );
      others.push(reached(probabilities, each.targets, labels, { method: 'argmax' })[objective]);
      expect(reached(probabilities, each.targets, labels, best)[objective]).toBe(Math.max(...others));
    }
  });

  it('gives the trade-off as it is', () => {
    const { probabilities, targets } = leaning('trade-off', 80);
    const labels = letters(4);
    const { curve } = fitThreshold(probabilities, targets, labels, { label: 'a', objective });
    expect(curve.length).toBeGreaterThan(20);
    for (const { threshold, precision, recall, ...figures } of curve) {
      const { perClass, ...actual } = reached(probabilities, targets, labels, rule({ a: threshold }));
      expect(figures).toEqual(actual);
      expect({ precision, recall }).toEqual({
        precision: perClass[0]!.precision,
        recall: perClass[0]!.recall,
      });
    }
    for (const [i, point] of curve.slice(1).entries()) {
      expect(point.threshold).toBeLessThan(curve[i]!.threshold);
      expect(point.recall).toBeGreaterThanOrEqual(curve[i]!.recall);
    }
    expect(curve.at(-1)!.recall).toBe(1);
  });

  it('mends a model that leans away from the class', () => {
    const { probabilities, targets } = leaning('mend', 3000);
    const labels = letters(4);
    const { rule: best } = fitThreshold(probabilities, targets, labels, { label: 'a', objective });
    const gain =
      reached(probabilities, targets, labels, best)[objective] -
      reached(probabilities, targets, labels, { method: 'argmax' })[objective];
    expect(gain).toBeGreaterThan(0.01);
  });

  it('stays with arg max where nothing is better', () => {
    const { rule: best } = fitThreshold([0.9, 0.1, 0.2, 0.8], [0, 1], ['a', 'b'], { label: 'b', objective });
    expect(best).toEqual({ method: 'argmax' });
  });
});

it('fitThreshold takes the highest of equally good thresholds, between two papers', () => {
  const rows = [0.7, 0.3, 0.75, 0.25, 0.8, 0.2, 0.9, 0.1];
  const { rule: best } = fitThreshold(rows, [1, 0, 1, 0], ['a', 'b'], { label: 'b', objective: 'accuracy' });
  expect(best).toEqual(rule({ b: 0.275 }));
});

it('fitThreshold refuses a class that there is not', () => {
  expect(() => fitThreshold([1, 0], [0], ['a', 'b'], { label: 'c', objective: 'accuracy' })).toThrow(
    RangeError,
  );
});

describe.each(OBJECTIVES)('fitThresholds for %s', objective => {
  it.each(expected.cases)(
    'is never worse than arg max, and cannot be bettered by one class alone: $name',
    each => {
      const probabilities = parts(each.rows, each.parts);
      const labels = letters(probabilities.length / each.targets.length);
      const best = fitThresholds(probabilities, each.targets, labels, { objective });
      const value = reached(probabilities, each.targets, labels, best)[objective];
      expect(value).toBeGreaterThanOrEqual(
        reached(probabilities, each.targets, labels, { method: 'argmax' })[objective],
      );
      const thresholds =
        best.method === 'argmax' ? Object.fromEntries(labels.map(label => [label, 0.5])) : best.thresholds;
      for (const [k, label] of labels.entries()) {
        for (const p of new Set(probabilities.filter((_, i) => i % labels.length === k))) {
          const other = rule({ ...thresholds, [label]: p });
          expect(reached(probabilities, each.targets, labels, other)[objective]).toBeLessThanOrEqual(value);
        }
      }
    },
  );

  it('mends a model that leans away from a class, the same way each time', () => {
    const { probabilities, targets } = leaning('mend all', 3000);
    const labels = letters(4);
    const best = fitThresholds(probabilities, targets, labels, { objective });
    expect(fitThresholds(probabilities, targets, labels, { objective })).toEqual(best);
    const gain =
      reached(probabilities, targets, labels, best)[objective] -
      reached(probabilities, targets, labels, { method: 'argmax' })[objective];
    expect(gain).toBeGreaterThan(0.01);
  });

  it('stays with arg max where nothing is better', () => {
    expect(fitThresholds([0.9, 0.1, 0.2, 0.8], [0, 1], ['a', 'b'], { objective })).toEqual({
      method: 'argmax',
    });
  });
});
