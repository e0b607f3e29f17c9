import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TensorSource } from '../../src/native.js';
import { decode } from './weights.js';

/** A fixture written by test/fixtures/generate_checkpoints.py. */
export function checkpoint(name: string): string {
  return fileURLToPath(new URL(`../fixtures/checkpoints/${name}`, import.meta.url));
}

/** What PyTorch said: each model's logits of the papers. */
export const expected = JSON.parse(readFileSync(checkpoint('expected.json'), 'utf8')) as {
  papers: { title: string; abstract: string }[];
  logits: Record<string, number[][]>;
};

export type Weights = Map<string, { shape: number[]; values: Float32Array }>;

export function weightsOf(sources: readonly TensorSource[]): Weights {
  return new Map(sources.map(source => [source.name, { shape: source.shape, values: decode(source) }]));
}

/** A tensor of that shape whose elements are all alike. */
export function filled(shape: number[], value = 0.01): { shape: number[]; values: Float32Array } {
  return { shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value) };
}

/** Writes them as safetensors, which needs no Python. */
export function writeWeights(file: string, weights: Weights): void {
  let end = 0;
  const header = Object.fromEntries(
    [...weights].map(([name, { shape, values }]) => {
      const begin = end;
      end += values.byteLength;
      return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }];
    }),
  );
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const data = [...weights.values()].map(({ values }) => Buffer.from(values.buffer));
  writeFileSync(file, Buffer.concat([length, json, ...data]));
}
