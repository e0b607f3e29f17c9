import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeLines } from '../../src/util/output.js';

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
