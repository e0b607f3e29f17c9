import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface Example {
  id: string;
  title: string;
  abstract: string;
  categories: string[];
}

const CLASSES = ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'];
const MOST_SHARED_SHINGLES = 0.4;
const SHINGLE_WORDS = 3;

const read = (name: string): Example[] =>
  readFileSync(new URL(`../examples/${name}`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
const papers = read('papers.jsonl');
const unseen = read('unseen.jsonl');
const all = [...papers, ...unseen];

function shingles(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
  const last = words.length - SHINGLE_WORDS;
  return new Set(words.slice(0, last + 1).map((_, at) => words.slice(at, at + SHINGLE_WORDS).join(' ')));
}

/** The share of the smaller set that the larger one holds too. */
function overlap(a: Set<string>, b: Set<string>): number {
  const shared = [...a].filter(shingle => b.has(shingle)).length;
  return shared / Math.min(a.size, b.size);
}

function primaries(some: Example[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { categories } of some) counts[categories[0]!] = (counts[categories[0]!] ?? 0) + 1;
  return counts;
}

describe('examples/unseen.jsonl', () => {
  it('holds two more papers a class', () => {
    expect(unseen.map(paper => paper.id)).toEqual(unseen.map((_, index) => `unseen-00${index + 1}`));
    expect(primaries(unseen)).toEqual(Object.fromEntries(CLASSES.map(name => [name, 2])));
  });
});

describe('examples/papers.jsonl', () => {
  it('holds 200 papers, numbered in order, with the documented fields alone', () => {
    expect(papers.map(paper => paper.id)).toEqual(
      Array.from({ length: 200 }, (_, index) => `example-${String(index + 1).padStart(3, '0')}`),
    );
    for (const paper of papers) expect(Object.keys(paper)).toEqual(['id', 'title', 'abstract', 'categories']);
  });

  it('holds 50 papers a class, interleaved: ten of each in every 40 lines', () => {
    expect(primaries(papers)).toEqual(Object.fromEntries(CLASSES.map(name => [name, 50])));
    for (let first = 0; first < papers.length; first += 40) {
      const counts = primaries(papers.slice(first, first + 40));
      expect(counts, `from line ${first + 1}`).toEqual(Object.fromEntries(CLASSES.map(name => [name, 10])));
    }
  });

  it('lists each category once and in arXiv form', () => {
    for (const { id, categories } of all) {
      expect(new Set(categories).size, id).toBe(categories.length);
      for (const category of categories) expect(category, id).toMatch(/^[a-z-]+\.[A-Z]{2}$/);
    }
  });

  it('has papers between cs.AI and cs.LG on both sides', () => {
    const between = (primary: string, other: string) =>
      papers.filter(({ categories }) => categories[0] === primary && categories.includes(other)).length;
    expect(between('cs.AI', 'cs.LG')).toBeGreaterThanOrEqual(8);
    expect(between('cs.LG', 'cs.AI')).toBeGreaterThanOrEqual(8);
  });

  it('has abstracts of 60 to 100 words', () => {
    for (const { id, abstract } of all) {
      const words = abstract.split(' ').length;
      expect(words, id).toBeGreaterThanOrEqual(60);
      expect(words, id).toBeLessThanOrEqual(100);
    }
  });

  it('repeats no title and no abstract', () => {
    expect(new Set(all.map(paper => paper.title.toLowerCase())).size).toBe(all.length);
    expect(new Set(all.map(paper => paper.abstract.toLowerCase())).size).toBe(all.length);
  });

  it('has no near-duplicates among its abstracts', () => {
    const sets = all.map(paper => shingles(paper.abstract));
    const near: string[] = [];
    for (let a = 0; a < sets.length; a++) {
      for (let b = a + 1; b < sets.length; b++) {
        if (overlap(sets[a]!, sets[b]!) > MOST_SHARED_SHINGLES) near.push(`${all[a]!.id} ${all[b]!.id}`);
      }
    }
    expect(near).toEqual([]);
  });

  it('is trimmed, single-spaced text in ASCII or plain typographic characters', () => {
    for (const { id, title, abstract } of all) {
      for (const text of [title, abstract]) {
        expect(text, id).toMatch(/^[\x20-\x7e\u2013\u2014\u2018\u2019\u201c\u201d]+$/);
        expect(text, id).not.toMatch(/^ | $| {2}/);
      }
    }
  });
});
