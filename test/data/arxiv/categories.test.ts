import { expect, it } from 'vitest';
import { checkCategory, oaiSet } from '../../../src/data/arxiv/categories.js';

it("names OAI-PMH's sets", () => {
  const sets = ['cs.AI', 'hep-th', 'astro-ph.GA', 'physics.flu-dyn', 'nlin.AO', 'q-bio.BM'].map(oaiSet);
  expect(sets).toEqual([
    'cs:cs:AI',
    'physics:hep-th',
    'physics:astro-ph:GA',
    'physics:physics:flu-dyn',
    'physics:nlin:AO',
    'q-bio:q-bio:BM',
  ]);
  for (const name of ['cs.AI', 'hep-th', 'cond-mat', 'cond-mat.mtrl-sci', 'astro-ph']) checkCategory(name);
  for (const name of ['', 'cs.', 'hep-th.AB', '__proto__', 'cs.AI ', 'cs.AI OR cat:x']) {
    expect(() => checkCategory(name)).toThrow('is no category');
  }
});
