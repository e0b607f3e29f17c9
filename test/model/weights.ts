import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TensorSource } from '../../src/native.js';

/** A fixture written by test/fixtures/generate_weights.py. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/weights/${name}`, import.meta.url));
}

/** A pickle of protocol 2 from texts, bytes and lists of bytes. */
export function pickle(...parts: (string | number | readonly number[] | Uint8Array)[]): Buffer {
  const bytes = parts.map(part =>
    typeof part === 'string'
      ? Buffer.from(part, 'latin1')
      : Buffer.from(typeof part === 'number' ? [part] : part),
  );
  return Buffer.concat([Buffer.from([0x80, 2]), ...bytes]);
}

/** Pushes a tuple that holds the same tuple twice, and so on: small in a file, 2^depth when written out. */
export function tupleDag(depth: number): number[] {
  return [0x29, ...Array.from({ length: depth }, (_, i) => [0x71, i, 0x68, i, 0x86]).flat()];
}

type Expected = Record<string, { shape: number[]; sha256: string }>;

/** What the generator says must be found in a fixture. */
export function expectedIn(name: string): Expected {
  const all = JSON.parse(readFileSync(fixture('expected.json'), 'utf8')) as Record<string, Expected | string>;
  const found = all[name]!;
  return typeof found === 'string' ? expectedIn(found) : found;
}

/** The same description of what a reader found. */
export function described(sources: TensorSource[]): Expected {
  return Object.fromEntries(
    sources.map(source => {
      const bytes = Buffer.from(decode(source).buffer);
      const sha256 = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
      return [source.name, { shape: source.shape, sha256 }];
    }),
  );
}

/** A tensor's elements in row-major order: written apart from src, as an independent reading of TensorSource. */
export function decode({ dtype, shape, file, offset, strides }: TensorSource): Float32Array {
  const data = readFileSync(file);
  const width = { F64: 8, F32: 4, F16: 2, BF16: 2 }[dtype];
  const steps = strides ?? shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const count = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: count }, (_, flat) => {
    let rest = flat;
    let position = offset;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += (rest % shape[axis]!) * steps[axis]! * width;
      rest = Math.floor(rest / shape[axis]!);
    }
    if (dtype === 'F64') return data.readDoubleLE(position);
    if (dtype === 'F32') return data.readFloatLE(position);
    return dtype === 'BF16' ? bfloat16(data.readUInt16LE(position)) : float16(data.readUInt16LE(position));
  });
}

function bfloat16(bits: number): number {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt16LE(bits, 2);
  return buffer.readFloatLE(0);
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
