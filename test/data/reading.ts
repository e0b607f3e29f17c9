import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { Paper } from '../../src/data/paper.js';
import { type ReadOptions, readPapers } from '../../src/data/read.js';
import { ArxivNativeError } from '../../src/errors.js';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-read-'));
});
afterEach(() => rmSync(scratch, { recursive: true }));

export type Content = string | Uint8Array;
/** A name in the test's own folder. */
export const path = (name: string) => join(scratch, name);

export async function collect(source: string, options: Partial<ReadOptions> = {}): Promise<Paper[]> {
  const papers: Paper[] = [];
  for await (const paper of readPapers(source, { labelled: false, ...options })) papers.push(paper);
  return papers;
}

export function read(name: string, content: Content, options: Partial<ReadOptions> = {}): Promise<Paper[]> {
  writeFileSync(path(name), content);
  return collect(path(name), options);
}

/** The message of the refusal, without the folder's name. */
export async function refusal(reading: Promise<unknown>, code = 'BAD_INPUT'): Promise<string> {
  const error = await reading.then(
    () => undefined,
    error => error,
  );
  expect(error).toBeInstanceOf(ArxivNativeError);
  expect(error.code).toBe(code);
  return error.message.replaceAll(`${scratch}/`, '');
}

/** Reads on past errors: titles and messages, in the order they came. */
export async function readOn(
  name: string,
  content: Content,
  labelled = false,
): Promise<{ titles: string[]; errors: string[] }> {
  const errors: string[] = [];
  const onError = (error: ArxivNativeError) => errors.push(error.message.replaceAll(`${scratch}/`, ''));
  const papers = await read(name, content, { labelled, onError });
  return { titles: papers.map(({ title }) => title), errors };
}

export const line = (fields: object) => `${JSON.stringify(fields)}\n`;
export const PAPER = {
  id: '2506.00019v2',
  title: 'A title',
  abstract: 'An abstract',
  categories: ['cs.AI', 'cs.LG'],
};
