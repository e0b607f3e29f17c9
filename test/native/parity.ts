import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { openTensors } from '../../src/model/tensor-file.js';
import type { TensorSource } from '../../src/native.js';

/** The float32 tensors of a safetensors file. */
export async function readTensors(file: string): Promise<Map<string, Float32Array>> {
  const bytes = await readFile(file);
  const elements = ({ offset, shape }: TensorSource) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return new Float32Array(
      bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + 4 * count),
    );
  };
  return new Map((await openTensors(file)).map(tensor => [tensor.name, elements(tensor)]));
}

export function namesOf(tensors: Map<string, Float32Array>, prefix: string): string[] {
  const names = [...tensors.keys()].filter(name => name.startsWith(prefix));
  return names.map(name => name.slice(prefix.length)).sort();
}

/**
 * The elements that the loss determines. A softmax ignores a shift of all its scores, so the biases of attention keys
 * (the middle third of `in_proj_bias`) and of pooling scores have no gradient but rounding.
 */
export function determined(name: string, values: Float32Array): Float32Array {
  if (name.endsWith('self.key.bias') || name.endsWith('pool_attn.bias')) return new Float32Array();
  if (!name.endsWith('in_proj_bias')) return values;
  const width = values.length / 3;
  return Float32Array.from([...values.subarray(0, width), ...values.subarray(2 * width)]);
}

export const largest = (values: Float32Array) =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Infinite where lengths differ or a value is not a number, so that neither can pass for agreement. */
export function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length || a.some(Number.isNaN)) return Number.POSITIVE_INFINITY;
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

export function expectClose(actual: number, expected: number, relative: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(relative * Math.abs(expected));
}
