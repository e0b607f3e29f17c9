import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { type FetchHooks, type FetchSummary, fetchPapers } from '../../../src/data/arxiv/fetch.js';
import type { FetchOptions } from '../../../src/data/arxiv/options.js';
import { type ArxivServer, arxivServer, someRecords } from './server.js';

export let folder: string;
export let output: string;
export let server: ArxivServer;

/** Gives each test of a file its own server with 200 papers, and a folder. */
export function useArxiv(): void {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fetch-'));
    output = join(folder, 'papers.jsonl');
    server = await arxivServer(someRecords(200));
    process.env.ARXIV_API_ENDPOINT = server.api;
    process.env.ARXIV_OAI_ENDPOINT = server.oai;
  });

  afterEach(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
    delete process.env.ARXIV_API_ENDPOINT;
    delete process.env.ARXIV_OAI_ENDPOINT;
  });
}

export const CATEGORIES = ['cs.AI', 'cs.LG'];

/** Fetches 30 papers of each category, unless told otherwise. */
export function fetched(options: Partial<FetchOptions> = {}, hooks: FetchHooks = {}): Promise<FetchSummary> {
  const base = { categories: CATEGORIES, perCategory: 30, pageSize: 20, pause: 0.002, output };
  return fetchPapers({ ...base, ...options }, hooks);
}

/** The output's papers. */
export function lines(): Record<string, unknown>[] {
  return readFileSync(output, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
}

/** What a list of the category holds down to the last paper that counts, from the records themselves. */
export function expectedOf(
  category: string,
  count: 'primary' | 'any',
  n: number,
  records = server.papers,
): string[] {
  const list = records
    .filter(paper => paper.categories.includes(category))
    .sort((a, b) =>
      a.published === b.published ? (a.id < b.id ? 1 : -1) : a.published < b.published ? 1 : -1,
    );
  const counts = list.filter(paper => count === 'any' || paper.categories[0] === category);
  const last = counts[n - 1];
  return list.slice(0, last === undefined ? undefined : list.indexOf(last) + 1).map(paper => paper.id);
}

/** Of the output's papers, those of the category's list. */
export const idsOf = (category: string) =>
  lines()
    .filter(paper => (paper.queries as string[]).includes(category))
    .map(paper => paper.id);

/** The queries of all requests. */
export const asked = () => server.requests.map(({ path }) => new URL(path, server.url).searchParams);
