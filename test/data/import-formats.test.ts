import { existsSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { importPapers } from '../../src/data/import.js';
import { zipOf } from '../support/zip.js';
import { type Fields, kaggle, lines, run, written } from './importing.js';
import { collect, line, PAPER, path, refusal } from './reading.js';

/** As Python's json writes it: other characters than ASCII escaped. */
const ascii = (fields: Fields) =>
  line(fields).replace(/[^\0-\x7f]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

describe("Kaggle's snapshot", () => {
  const PLAIN = lines(kaggle(), kaggle({ id: 'math/0309136', doi: null, comments: null }));
  const FIRST = {
    id: '0704.0001',
    version: 12,
    title: 'Calculation of prompt diphoton production',
    abstract: 'A fully differential calculation is presented.',
    categories: ['hep-ph', 'cs.AI'],
    published: '2007-04-02T19:18:42Z',
    updated: '2008-11-26',
    doi: '10.1103/PhysRevD.76.013009',
    comment: '37 pages, 15 figures',
  };

  it.each([
    ['snapshot.json', PLAIN],
    ['snapshot.json.gz', gzipSync(PLAIN)],
    ['snapshot.zip', zipOf([{ name: 'arxiv-metadata-oai-snapshot.json', content: PLAIN }])],
    ['escaped.json', ascii(kaggle()) + line(kaggle({ id: 'math/0309136', doi: null, comments: null }))],
  ])('becomes papers: %s', async (name, content) => {
    const result = await run(name, content);
    expect(result).toMatchObject({ output: path('out.jsonl'), read: 2, kept: 2, errors: 0, warnings: [] });
    const { doi: _, comment: __, ...bare } = FIRST;
    expect(written()).toEqual([FIRST, { ...bare, id: 'math/0309136' }]);
  });

  it('is read by every command', async () => {
    writeFileSync(path('a.json'), PLAIN);
    expect(await collect(path('a.json'), { labelled: true })).toMatchObject([
      { published: FIRST.published, label: 'hep-ph' },
      {},
    ]);
  });

  it('without dates and versions has papers without them', async () => {
    await run('a.json', lines(kaggle({ versions: [], update_date: null }), kaggle({ versions: [{}] })));
    expect(written()[0]).not.toHaveProperty('published');
    expect(written()[0]).not.toHaveProperty('version');
    expect(written()[1]).toMatchObject({ updated: '2008-11-26' });
  });

  it('is expected where it is asked for, and taken for nothing more than JSON where that is', async () => {
    const both = lines(kaggle(), PAPER);
    expect(await refusal(run('a.json', both, { format: 'kaggle' }))).toBe(
      `a.json:2: no "versions", as each record of Kaggle's snapshot has`,
    );
    expect((await run('a.json', both)).kept).toBe(2);
    await run('a.json', both, { format: 'jsonl', force: true });
    expect(written()[0]).not.toHaveProperty('published');
  });
});

describe('columns', () => {
  const CSV = 'Nr,Titel,"Summary, short",Topics,Topic\n7,A,b,"cs.AI, cs.LG",Planning\n8,C,d,math.CO,Graphs\n';
  const columns = { id: 'Nr', title: 'titel', abstract: 'Summary, short', categories: 'TOPICS' };

  it('of a CSV may have any names, in any case', async () => {
    await run('a.csv', CSV, { columns });
    expect(written()).toEqual([
      { id: '7', title: 'A', abstract: 'b', categories: ['cs.AI', 'cs.LG'] },
      { id: '8', title: 'C', abstract: 'd', categories: ['math.CO'] },
    ]);
    await run('a.csv', CSV, { columns, labelColumn: 'Topic', categories: ['cs.LG'], force: true });
    expect(written()).toMatchObject([{ id: '7', label: 'Planning' }]);
  });

  it('of JSON are its fields', async () => {
    await run('a.jsonl', line({ name: 'A', text: 'b', title: 'no title' }), {
      columns: { title: 'name', abstract: 'text', label: 'title' },
    });
    expect(written()).toEqual([{ title: 'A', abstract: 'b', categories: [], label: 'no title' }]);
  });

  it('may be exchanged, and hold the categories of records like those of the snapshot', async () => {
    await run('a.jsonl', line({ title: 'long', abstract: 'short' }), {
      columns: { title: 'abstract', abstract: 'title' },
    });
    expect(written()).toMatchObject([{ title: 'short', abstract: 'long' }]);
    const options = { columns: { categories: 'mine' }, categories: ['cs.AI'], force: true };
    await run('a.json', line(kaggle({ categories: 'math.CO', mine: 'cs.AI' })), options);
    expect(written()).toMatchObject([{ categories: ['cs.AI'], published: '2007-04-02T19:18:42Z' }]);
  });

  it.each<[string, Record<string, unknown>, string]>([
    [
      'a.csv',
      { title: 'Tittel' },
      'a.csv:1: no column "Tittel" (found: Nr, Titel, Summary, short, Topics, Topic)',
    ],
    [
      'a.csv',
      { ...columns, doi: 'DOI' },
      'a.csv:1: no column "DOI" (found: Nr, Titel, Summary, short, Topics, Topic)',
    ],
    ['a.jsonl', { title: 'toString' }, 'a.jsonl:1: no "toString" for the title'],
    ['a.jsonl', { title: 'headline' }, 'a.jsonl:1: no "headline" for the title'],
    ['a.jsonl', { doi: 'DOI' }, 'a.jsonl: no record has a field "DOI"'],
  ])('that are not there are refused: %s, %j', async (name, wrong, message) => {
    const content = name === 'a.csv' ? CSV : line(PAPER);
    const options = { columns: wrong as Record<string, string> };
    expect(await refusal(run(name, content, options))).toBe(message);
    expect(await refusal(run(name, content, { ...options, onError: 'skip' }))).toMatch(
      message.startsWith('a.jsonl:1') ? /none of 1 papers is kept|no record has/ : message,
    );
    expect(existsSync(path('out.jsonl'))).toBe(false);
  });

  it('with the label must be filled', async () => {
    const csv = 'title,abstract,Topic\nA,b,Soil\nC,d,\n';
    expect(await refusal(run('a.csv', csv, { labelColumn: 'Topic' }))).toBe(
      'a.csv:3: "topic" is ""; expected the name of a class',
    );
    expect(await refusal(run('a.csv', csv, { labelColumn: 'Topik' }))).toBe(
      'a.csv:1: no column "Topik" (found: title, abstract, Topic)',
    );
    expect(await refusal(run('a.jsonl', line(PAPER), { labelColumn: 'Topic' }))).toMatch(
      /^a\.jsonl:1: no "Topic"/,
    );
  });
});

describe("the predecessor's files", () => {
  it('keep what they say: the query, all categories, and rows without an id as such', async () => {
    const raw =
      'id,title,abstract,category,all_categories,published\n' +
      'http://arxiv.org/abs/2401.00001v2,A,b,cs.AI,"cs.LG,cs.AI",2024-01-01T00:00:00Z\n';
    const augmented = `${raw},A,translated,cs.AI,,\n`;
    writeFileSync(path('raw.csv'), raw);
    writeFileSync(path('augmented.csv'), augmented);
    const output = path('out.jsonl');
    const files = [path('raw.csv'), path('augmented.csv')];
    expect(await importPapers(files, { output, categories: ['cs.AI'] })).toMatchObject({ read: 3, kept: 3 });
    const paper = {
      id: '2401.00001',
      version: 2,
      title: 'A',
      abstract: 'b',
      categories: ['cs.LG', 'cs.AI'],
      published: '2024-01-01T00:00:00Z',
      stated: 'cs.AI',
      queries: ['cs.AI'],
    };
    expect(written()).toEqual([
      paper,
      paper,
      { title: 'A', abstract: 'translated', categories: [], stated: 'cs.AI', queries: ['cs.AI'] },
    ]);
    const again = await collect(output);
    expect(again.map(({ id }) => id)).toEqual(['2401.00001', '2401.00001', 'line-3']);
  });
});
