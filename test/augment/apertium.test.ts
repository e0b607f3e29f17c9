import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { apertium } from '../../src/augment/apertium.js';
import type { Translation } from '../../src/augment/translator.js';

/**
 * Stands in for the program of that name. Of a text of two parts it makes two; beside another, one with "lost" has no
 * translation; at "break" it fails, once another of its runs goes on, which would take a minute.
 */
const PROGRAM = `#!/bin/sh
case "$1" in
  -l) echo '  eng-spa' ;;
  -V) echo 'Apertium 3.8.3' ;;
  *)
    echo "$2" >> "$RUNS"
    if grep -q slow "$2"; then echo $$ > "$RUNS.slow"; sleep 60; fi
    if grep -q break "$2"; then
      while [ ! -s "$RUNS.slow" ]; do sleep 0.01; done
      echo 'out of rules' >&2; exit 3
    fi
    if [ "$(grep -c . "$2")" -gt 1 ]; then sed /lost/,+1d "$2"; else cat "$2"; fi |
      sed -e s/We/One/ -e 's/parted/parted\\n\\n/' ;;
esac
`;

let scratch: string;
let runs: string;
let mode: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'apertium-'));
  runs = join(scratch, 'runs');
  mkdirSync(join(scratch, 'bin'));
  mkdirSync(join(scratch, 'tmp'));
  mkdirSync(join(scratch, 'share/apertium/modes'), { recursive: true });
  writeFileSync(join(scratch, 'bin/apertium'), PROGRAM, { mode: 0o755 });
  mode = join(scratch, 'share/apertium/modes/eng-spa.mode');
  writeFileSync(
    mode,
    `lt-proc '${join(scratch, 'eng spa.bin')}' | apertium-pretransfer -n ${join(scratch, 'rules')} | lrx-proc "${join(scratch, 'more rules')}"`,
  );
  for (const name of ['eng spa.bin', 'rules', 'more rules']) writeFileSync(join(scratch, name), name);
  vi.stubEnv('PATH', `${join(scratch, 'bin')}${delimiter}${process.env.PATH}`);
  vi.stubEnv('TMPDIR', join(scratch, 'tmp'));
  vi.stubEnv('RUNS', runs);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true });
});

const options = { from: 'en', to: 'es', threads: 1, offline: true, whole: false, seed: 1 };

async function translate(texts: string[], threads = 1): Promise<Translation[]> {
  const translator = await apertium.open({ ...options, threads }, {});
  const said: Translation[] = [];
  const deliver = (i: number, translation: Translation) => {
    said[i] = translation;
  };
  await translator.translate(texts, deliver, new AbortController().signal);
  return said;
}

it('runs as many programs as there are threads, without a warning of Node', async () => {
  const warnings: string[] = [];
  const note = ({ message }: Error) => warnings.push(message);
  process.on('warning', note);
  try {
    const texts = Array.from({ length: 12 * 64 }, (_, i) => `We ${i}.`);
    expect(await translate(texts, 12)).toEqual(texts.map((_, i) => ({ text: `One ${i}.` })));
    expect(warnings).toEqual([]);
    expect(readdirSync(join(scratch, 'tmp'))).toEqual([]);
  } finally {
    process.off('warning', note);
  }
});

it('runs once for each text where a batch comes back in another number', async () => {
  expect(await translate(['We 1.', 'We lost.', 'We 3.'])).toEqual([
    { text: 'One 1.' },
    { text: 'One lost.' },
    { text: 'One 3.' },
  ]);
  expect(readFileSync(runs, 'utf8').trim().split('\n')).toHaveLength(4);
});

it('takes several parts for no translation', async () => {
  expect(await translate(['We 1.', 'We parted 2.'])).toEqual([
    { text: 'One 1.' },
    { failure: 'a text that came back in several parts' },
  ]);
});

it('ends all programs when one fails, and says why that one did', async () => {
  const texts = ['slow', 'break', 'later'].flatMap(word => new Array<string>(64).fill(`We ${word}.`));
  const translator = await apertium.open({ ...options, threads: 2 }, {});
  const said: string[] = [];
  const work = translator.translate(texts, (_, each) => said.push(JSON.stringify(each)));
  await expect(work).rejects.toMatchObject({
    code: 'TRANSLATOR',
    message: expect.stringContaining('(exit code 3): out of rules'),
  });
  expect(() => process.kill(Number(readFileSync(`${runs}.slow`, 'utf8')), 0)).toThrow('ESRCH');
  expect(said).toEqual([]);
  expect(readdirSync(join(scratch, 'tmp'))).toEqual([]);
});

it('names itself by its data, as they are installed', async () => {
  const identity = async () => (await apertium.open(options, {})).identity;
  const first = await identity();
  expect(first).toMatch(/^apertium 3\.8\.3, eng-spa [0-9a-f]{16}, method \d+$/);
  expect(await identity()).toBe(first);
  const seen = new Set([first]);
  for (const name of ['eng spa.bin', 'rules', 'more rules']) {
    writeFileSync(join(scratch, name), 'other');
    seen.add(await identity());
  }
  writeFileSync(mode, `${readFileSync(mode, 'utf8')} | cat`);
  seen.add(await identity());
  expect(seen.size).toBe(5);
  rmSync(mode);
  await expect(identity()).rejects.toMatchObject({
    code: 'TRANSLATOR',
    remedy: expect.stringContaining('APERTIUM_DATADIR'),
  });
});

it('removes what killed processes left, and nothing of those that run', async () => {
  const { pid } = spawnSync('true');
  const [gone, own] = [pid, process.pid].map(each => join(scratch, `tmp/arxiv-native-apertium-${each}-abc`));
  for (const folder of [gone!, own!]) mkdirSync(folder);
  await apertium.open(options, {});
  expect([existsSync(gone!), existsSync(own!)]).toEqual([false, true]);
});
