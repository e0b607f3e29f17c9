import { describe, expect, it } from 'vitest';
import { minimize, type Objective } from '../../../src/evaluate/baseline/lbfgs.js';

/** Σ aᵢ (xᵢ − i)² / 2, its minimum at 0, 1, 2, … */
function bowl(a: readonly number[]): Objective {
  return async (x, gradient) => {
    let value = 0;
    for (let i = 0; i < a.length; i++) {
      gradient[i] = a[i]! * (x[i]! - i);
      value += (a[i]! * (x[i]! - i) ** 2) / 2;
    }
    return value;
  };
}

const flat = (below: number) => (gradient: Float64Array) => gradient.every(g => Math.abs(g) < below);
const ones = (length: number) => new Float64Array(length).fill(1);

describe('minimize', () => {
  it('finds the bottom of a long valley, where steepest descent takes thousands of steps', async () => {
    const a = Array.from({ length: 50 }, (_, i) => 1 + (i % 7) ** 4);
    const start = new Float64Array(50).fill(3);
    const { x, value, done, iterations } = await minimize(bowl(a), start, {
      isDone: flat(1e-9),
      scale: ones(50),
      maxIterations: 200,
    });
    expect(done).toBe(true);
    for (const [i, each] of x.entries()) expect(each).toBeCloseTo(i, 8);
    expect(value).toBeCloseTo(0, 12);
    expect(iterations).toBeLessThan(100);
    expect([...start]).toEqual(Array(50).fill(3));
  });

  it('needs one step where the scale is the inverse Hessian', async () => {
    const a = [1, 1e3, 1e-3, 1e6];
    const minimum = await minimize(bowl(a), new Float64Array(4), {
      isDone: flat(1e-9),
      scale: Float64Array.from(a, each => 1 / each),
      maxIterations: 10,
    });
    expect(minimum).toMatchObject({ done: true, iterations: 1 });
  });

  it('goes back where a step was too long', async () => {
    const seen: number[] = [];
    const steep: Objective = async (x, gradient) => {
      seen.push(x[0]!);
      gradient[0] = Math.sinh(x[0]!);
      return Math.cosh(x[0]!);
    };
    const { x, done } = await minimize(steep, Float64Array.of(8), {
      isDone: flat(1e-9),
      scale: ones(1),
      maxIterations: 100,
    });
    expect(seen[1]).toBeLessThan(-1000);
    expect(done).toBe(true);
    expect(x[0]).toBeCloseTo(0, 9);
  });

  it('says when the steps are used up, and counts them', async () => {
    const counted: number[] = [];
    const minimum = await minimize(bowl([1, 50, 3000]), Float64Array.of(9, 9, 9), {
      isDone: flat(1e-12),
      scale: ones(3),
      maxIterations: 2,
      onIteration: iteration => counted.push(iteration),
    });
    expect(minimum).toMatchObject({ done: false, iterations: 2 });
    expect(counted).toEqual([1, 2]);
  });

  it('ends where rounding leaves no way down', async () => {
    const minimum = await minimize(bowl([1, 2, 3]), Float64Array.of(0.1, 0.2, 0.3), {
      isDone: () => false,
      scale: ones(3),
      maxIterations: 1000,
    });
    expect(minimum.done).toBe(false);
    expect(minimum.iterations).toBeLessThan(1000);
    expect(minimum.x[2]).toBeCloseTo(2, 6);
  });
});
