import { describe, expect, it } from 'vitest';
import { evaluate, probabilitiesOf } from '../../src/evaluate/metrics.js';
import { fitTemperature } from '../../src/evaluate/temperature.js';
import { expected, letters, simulated } from './expected.js';

const lossAt = (logits: Float32Array, targets: ArrayLike<number>, classes: number, temperature = 1) =>
  evaluate(probabilitiesOf(logits, classes, temperature), targets, letters(classes)).logLoss;

describe('fitTemperature', () => {
  it.each(expected.temperatures)(
    'finds $temperature, as SciPy does',
    ({ logits: parts, targets, ...best }) => {
      const logits = Float32Array.from(parts, part => part / 64);
      const temperature = fitTemperature(logits, targets, 4);
      expect(Math.abs(temperature / best.temperature - 1)).toBeLessThan(1e-9);
      expect(lossAt(logits, targets, 4, temperature)).toBeCloseTo(best.logLoss, 12);
    },
  );

  it.each([0.2, 1, 3])('recovers a temperature of %d', truth => {
    const { logits, targets } = simulated('temperature', 5000, 4);
    const heated = logits.map(logit => logit * truth);
    expect(fitTemperature(heated, targets, 4) / truth).toBeCloseTo(1, 1);
  });

  it('never raises the log loss, of however few papers', () => {
    for (let round = 0; round < 200; round++) {
      const { logits, targets } = simulated(`few ${round}`, 1 + (round % 9), 3);
      const temperature = fitTemperature(logits, targets, 3);
      expect(temperature).toBeGreaterThanOrEqual(0.01);
      expect(temperature).toBeLessThanOrEqual(100);
      expect(lossAt(logits, targets, 3, temperature)).toBeLessThanOrEqual(lossAt(logits, targets, 3) + 1e-14);
    }
  });

  it('stays within bounds where there is no best one', () => {
    expect(fitTemperature(Float32Array.of(3, 1, 0, 2), [0, 1], 2)).toBe(0.01);
    expect(fitTemperature(Float32Array.of(3, 1, 0, 2), [1, 0], 2)).toBe(100);
    expect(fitTemperature(Float32Array.of(1, 1, 2, 2), [1, 0], 2)).toBe(1);
    expect(fitTemperature(Float32Array.of(1e30, -1e30, 0, 1e30), [0, 1], 2)).toBeGreaterThan(0);
  });

  it('refuses logits that are no numbers', () => {
    expect(() => fitTemperature(Float32Array.of(1, Number.NaN), [0], 2)).toThrow(
      expect.objectContaining({ code: 'NON_FINITE' }),
    );
  });
});
