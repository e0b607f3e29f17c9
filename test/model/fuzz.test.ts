import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ArxivNativeError } from '../../src/errors.js';
import { openTensors } from '../../src/model/tensor-file.js';
import { damage } from '../support/damage.js';
import { fixture } from './weights.js';

const ROUNDS = 300;
const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Mulberry32: the same damage each time, so that a failure can be looked at. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('damaged weight files', () => {
  it.each([
    'wrapped.pth',
    'wrapped-legacy.pth',
    'views.pth',
    'views-legacy.bin',
    'bert-bf16/model.safetensors',
  ])('%s is read or refused by name, never beyond its end', async name => {
    const original = readFileSync(fixture(name));
    const next = random(name.length);
    const path = join(folder, 'damaged');
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = damage(original, next);
      writeFileSync(path, bytes);
      try {
        for (const { dtype, offset, shape, strides } of await openTensors(path)) {
          const width = { F64: 8, F32: 4, F16: 2, BF16: 2 }[dtype];
          const steps = strides ?? shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
          const last = shape.includes(0)
            ? -1
            : shape.reduce((sum, size, i) => sum + (size - 1) * steps[i]!, 0);
          if (offset + (last + 1) * width > bytes.length) throw new Error(`round ${round}: beyond the end`);
        }
      } catch (error) {
        if (!(error instanceof ArxivNativeError) || error.code !== 'BAD_MODEL') {
          throw new Error(`round ${round} of ${name}: ${String(error)}`, { cause: error });
        }
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(ROUNDS / 4);
  });
});
