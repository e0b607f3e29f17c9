import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { apertium } from '../../src/augment/apertium.js';

/** Stands in for the program of that name. */
const PROGRAM = `#!/bin/sh
case "$1" in
  -l) echo '  eng-spa' ;;
  -V) echo 'Apertium 3.8.3' ;;
  *) sed s/We/One/ "$3" ;;
esac
`;

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'apertium-'));
  mkdirSync(join(scratch, 'bin'));
  writeFileSync(join(scratch, 'bin/apertium'), PROGRAM, { mode: 0o755 });
  vi.stubEnv('PATH', `${join(scratch, 'bin')}${delimiter}${process.env.PATH}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true });
});

it('runs as many programs as there are threads, without a warning of Node', async () => {
  const warnings: string[] = [];
  const note = ({ message }: Error) => warnings.push(message);
  process.on('warning', note);
  try {
    const options = { from: 'en', to: 'es', threads: 12, offline: true, whole: false, seed: 1 };
    const translator = await apertium.open(options, {});
    const texts = Array.from({ length: 12 * 64 }, (_, i) => `We ${i}.`);
    const said: unknown[] = [];
    const deliver = (i: number, translation: object) => {
      said[i] = translation;
    };
    await translator.translate(texts, deliver, new AbortController().signal);
    expect(said).toEqual(texts.map((_, i) => ({ text: `One ${i}.` })));
    expect(warnings).toEqual([]);
  } finally {
    process.off('warning', note);
  }
});
