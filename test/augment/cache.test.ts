import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { TranslationCache } from '../../src/augment/cache.js';

const scratch = mkdtempSync(join(tmpdir(), 'translations-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let folder: string;
let count = 0;
beforeEach(() => {
  folder = join(scratch, String(count++));
});

async function fill(identity: string, texts: Record<string, string>): Promise<string> {
  const cache = await TranslationCache.open(folder, identity);
  for (const [text, translation] of Object.entries(texts)) cache.add(text, translation);
  await cache.close();
  return join(folder, readdirSync(folder)[0]!);
}

async function known(identity: string, ...texts: string[]): Promise<(string | undefined)[]> {
  const cache = await TranslationCache.open(folder, identity);
  await cache.close();
  return texts.map(text => cache.get(text));
}

it('knows what the same translator said, and nothing of another', async () => {
  await fill('a', { one: 'uno', 'line\nbreak': 'salto\n"de" línea' });
  expect(await known('a', 'one', 'line\nbreak', 'two')).toEqual(['uno', 'salto\n"de" línea', undefined]);
  expect(await known('b', 'one')).toEqual([undefined]);
});

it('loses the last line alone when it was cut, and goes on after it', async () => {
  const file = await fill('a', { one: 'uno', two: 'dos' });
  const content = readFileSync(file, 'utf8');
  writeFileSync(file, content.slice(0, -10));
  expect(await known('a', 'one', 'two')).toEqual(['uno', undefined]);
  await fill('a', { three: 'tres' });
  expect(await known('a', 'one', 'two', 'three')).toEqual(['uno', undefined, 'tres']);
});

it('believes no line whose checksum does not fit', async () => {
  const file = await fill('a', { one: 'uno' });
  writeFileSync(file, readFileSync(file, 'utf8').replace('uno', 'una'));
  appendFileSync(file, '[]\n["x"]\n[1,2,3]\nnull\n');
  expect(await known('a', 'one')).toEqual([undefined]);
});

it('takes nothing more once something could not be written', async () => {
  const cache = await TranslationCache.open(folder, 'a');
  const { file } = cache as unknown as { file: FileHandle };
  await file.close();
  cache.add('one', 'uno');
  await nextTurn();
  expect(() => cache.add('two', 'dos')).toThrow(expect.objectContaining({ code: 'IO' }));
  await expect(cache.close()).rejects.toMatchObject({ code: 'IO' });
});
