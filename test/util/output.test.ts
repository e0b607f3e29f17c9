import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hashOfLines, writeLines } from '../../src/util/output.js';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-output-'));
});
afterEach(() => rmSync(scratch, { recursive: true }));

it('what was written so far goes when the process exits before the end', async () => {
  const before = process.listeners('exit');
  const controller = new AbortController();
  async function* lines() {
    yield 'a\n';
    await new Promise(resolve => controller.signal.addEventListener('abort', resolve));
  }
  const writing = writeLines(join(scratch, 'out'), lines(), { force: false, signal: controller.signal });
  const exits = () => process.listeners('exit').filter(each => !before.includes(each));
  while (exits().length === 0 || readdirSync(scratch).length === 0) await sleep(5);
  for (const exit of exits()) exit(0);
  expect(readdirSync(scratch)).toEqual([]);
  controller.abort();
  await expect(writing).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(exits()).toEqual([]);
});

it('is packed under a name that ends in .gz, always to the same bytes', async () => {
  const lines = Array.from({ length: 5000 }, (_, i) => `${i} é 😀\n`);
  const [packed, again, plain] = ['a.gz', 'b.GZ', 'c'].map(name => join(scratch, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [packed, again, plain]) await writeLines(path, lines, { force: false });
  const bytes = readFileSync(packed);
  expect(gunzipSync(bytes).toString()).toBe(lines.join(''));
  expect(readFileSync(again).equals(bytes)).toBe(true);
  expect(readFileSync(plain, 'utf8')).toBe(lines.join(''));
  expect(await hashOfLines(packed)).toBe(await hashOfLines(plain));
  writeFileSync(packed, bytes.subarray(0, -9));
  expect(await hashOfLines(packed)).toBeUndefined();
  expect(readdirSync(scratch)).toHaveLength(3);
});

it('is no standard output', async () => {
  await expect(writeLines('-', ['a\n'], { force: true })).rejects.toMatchObject({
    code: 'BAD_OPTION',
    message: 'the output must be a file, not "-"',
    remedy: expect.stringContaining('./-'),
  });
});
