import { expect, it } from 'vitest';
import { Newest } from '../../../src/data/arxiv/newest.js';
import type { Paper } from '../../../src/data/paper.js';

it('keeps no more papers than it may need', () => {
  const newest = new Newest(['cs.AI'], 10, 'any');
  const paper = (i: number): Paper => ({
    id: String(i),
    version: 1,
    title: 'x',
    abstract: 'x',
    categories: ['cs.AI'],
    label: 'cs.AI',
    published: new Date(i * 1000).toISOString(),
    line: 0,
  });
  let most = 0;
  for (let i = 0; i < 20_000; i++) {
    newest.add('cs.AI', [paper((i * 7919) % 20_000)]);
    most = Math.max(most, (newest as unknown as { papers: Map<string, Paper> }).papers.size);
  }
  expect(newest.result().papers.map(each => Number(each.id))).toEqual(
    [...Array(10).keys()].map(i => 19_999 - i),
  );
  expect(most).toBeLessThan(1100);
});
