import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { MAX_RECORD_BYTES } from '../../src/data/records.js';
import { type Content, collect, line, PAPER, read, readOn, refusal } from './reading.js';

describe('CSV', () => {
  const HEADER = 'id,Title, ABSTRACT ,category,other\n';

  it('gives papers by the header, in any case and order', async () => {
    const papers = await read('papers.csv', `${HEADER}a,"One, two","He said ""no""",cs.AI,x\nb,T,A,cs.LG,\n`);
    expect(papers).toEqual([
      {
        id: 'a',
        title: 'One, two',
        abstract: 'He said "no"',
        categories: ['cs.AI'],
        label: 'cs.AI',
        line: 2,
      },
      { id: 'b', title: 'T', abstract: 'A', categories: ['cs.LG'], label: 'cs.LG', line: 3 },
    ]);
  });

  it.each(['\n', '\r\n'])('numbers records by their first line, with line ends %j', async end => {
    const rows = ['title,abstract', '"A', 'b","c', '', 'd"', 'E,f', '', '', '"G",h'];
    const papers = await read('papers.csv', rows.join(end));
    expect(papers.map(({ line, title, abstract }) => [line, title, abstract])).toEqual([
      [2, 'A b', 'c d'],
      [6, 'E', 'f'],
      [9, 'G', 'h'],
    ]);
  });

  it('may be gzip, have a byte order mark and old line ends, and come from standard input', async () => {
    const content = gzipSync('\uFEFF"title",abstract\rA,b\rC,d\r');
    const papers = await collect('-', { input: Readable.from([content]) });
    expect(papers.map(({ title }) => title)).toEqual(['A', 'C']);
  });

  it('is told by its name, or by its first line, or by being asked for', async () => {
    const csv = 'title,abstract\nA,b\n';
    for (const name of ['papers.csv', 'papers.CSV.gz', 'papers.txt'])
      expect(await read(name, csv)).toHaveLength(1);
    expect(await read('papers.jsonl', csv, { format: 'csv' })).toHaveLength(1);
    expect(await read('papers.txt', line(PAPER))).toHaveLength(1);
    expect(await refusal(read('papers.jsonl', csv))).toMatch(/^papers\.jsonl:1: not JSON/);
  });

  it('without its columns is told how to name them', async () => {
    await expect(read('papers.csv', 'Titel,abstract\nA,b\n')).rejects.toMatchObject({
      message: expect.stringContaining('no column "title" (found: Titel, abstract)'),
      remedy: expect.stringContaining('import --columns title=…'),
    });
  });

  it.each([
    [
      'no abstract',
      'title,summary\nA,b\n',
      'papers.csv:1: no column "abstract" (found: title, summary); name them title, abstract, category',
    ],
    [
      'semicolons',
      'title;abstract\nA;b\n',
      'papers.csv:1: no column "title" (found: title;abstract); name them title, abstract, category',
    ],
    [
      'no header',
      'Deep nets,We show\n',
      'papers.csv:1: no column "title" (found: Deep nets, We show); name them title, abstract, category',
    ],
    ['a column twice', 'title,abstract,Title\nA,b,c\n', 'papers.csv:1: two columns are named "title"'],
    ['a header only', 'title,abstract\n', 'papers.csv: there are no papers in it'],
    [
      'an open quote',
      'title,abstract\nA,b\n"C,d\nE,f\n',
      'papers.csv:3: a quoted field opens here and is never closed',
    ],
    [
      'a header in Latin-1',
      Buffer.from('title,abstract,catégorie\nA,b,c\n', 'latin1'),
      'papers.csv:1: not UTF-8',
    ],
  ])('with %s is refused', async (_name, content, message) => {
    expect(await refusal(read('papers.csv', content))).toBe(message);
    expect(await refusal(read('papers.csv', content, { onError: () => {} }))).toBe(message);
  });

  it.each<[string, Content, string]>([
    ['another number of fields', 'A,b,c', 'papers.csv:3: 3 fields, but the header has 2 columns'],
    ['a quote inside a field', 'A "x" y,b', 'papers.csv:3: a stray double quote'],
    ['text after a quoted field', '"A"x,b', 'papers.csv:3: a stray double quote'],
    ['quotes inside quotes', '"A "in" q",b', 'papers.csv:3: a stray double quote'],
    ['Latin-1', Buffer.from('caf\xe9,b', 'latin1'), 'papers.csv:3: not UTF-8'],
    ['no text', ' ,', 'papers.csv:3: title and abstract are both empty'],
  ])('with %s in a record is refused by its line, or read on', async (_name, bad, message) => {
    const content = Buffer.concat([
      Buffer.from('title,abstract\nFirst,b\n'),
      Buffer.from(bad as string),
      Buffer.from('\nNext,d\nLast,"e"\n'),
    ]);
    expect(await refusal(read('papers.csv', content))).toBe(message);
    expect(await readOn('papers.csv', content)).toEqual({
      titles: ['First', 'Next', 'Last'],
      errors: [message],
    });
  });

  it('with a record that would not fit in memory is refused', async () => {
    const chunk = Buffer.alloc(1 << 22, 'x');
    function* chunks() {
      yield Buffer.from('title,abstract\nA,b\n');
      for (let i = 0; i <= MAX_RECORD_BYTES / chunk.length; i++) yield chunk;
    }
    expect(await refusal(collect('-', { input: Readable.from(chunks()), format: 'csv' }))).toBe(
      'stdin:3: longer than 16 MiB; expected one paper a record',
    );
  });
});
