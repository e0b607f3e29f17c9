import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DateRange } from '../../src/data/dates.js';
import { prepareDataset } from '../../src/data/prepare.js';
import { ids, kaggle, lines, of, run, written } from './importing.js';
import { line, PAPER, path, refusal } from './reading.js';

describe('categories', () => {
  const CATEGORIES = ['cs.AI', 'cs.LG cs.AI', 'math.CO', 'cs.CL hep-th', 'stat.ML cs.LG', 'cs.AIX', 'xcs.AI'];
  const papers = lines(...CATEGORIES.map(each => of(each)));

  it('may stand anywhere, or first', async () => {
    const wanted = { categories: ['cs.AI', ' cs.CL '] };
    expect(await run('a.json', papers, wanted)).toMatchObject({
      read: 7,
      kept: 3,
      leftOut: { otherCategories: 4, otherDates: 0, undated: 0 },
      categories: { 'cs.AI': 2, 'cs.CL': 1 },
    });
    expect(ids()).toEqual(['cs.AI', 'cs.LG cs.AI', 'cs.CL hep-th']);
    const result = await run('a.json', papers, { ...wanted, primaryOnly: true, force: true });
    expect(result).toMatchObject({ kept: 2, leftOut: { otherCategories: 5 }, categories: { 'cs.AI': 1 } });
    expect(ids()).toEqual(['cs.AI', 'cs.CL hep-th']);
  });

  it('that a paper carries stand in its queries, and become the classes of prepare', async () => {
    const queries = () => written().map(paper => paper.queries);
    const wanted = { categories: ['cs.AI', 'cs.LG'] };
    await run('a.json', papers, wanted);
    expect(queries()).toEqual([['cs.AI'], ['cs.LG', 'cs.AI'], ['cs.LG']]);
    await run('a.json', papers, { ...wanted, primaryOnly: true, force: true });
    expect(queries()).toEqual([['cs.AI'], ['cs.LG']]);
    await run('a.json', papers, { force: true });
    expect(queries()).toEqual(CATEGORIES.map(() => undefined));
    await run('a.jsonl', line({ ...PAPER, categories: ['cs.AI'], queries: ['cs.CL'] }), {
      ...wanted,
      force: true,
    });
    expect(queries()).toEqual([['cs.CL']]);

    // One paper of another primary category came along.
    const many = Array.from({ length: 30 }, (_, i) =>
      kaggle({ id: `${i}`, title: `T ${i}`, categories: i % 2 ? 'cs.AI' : 'cs.LG' }),
    );
    await run('a.json', lines(...many, of('cs.DC cs.AI', 'stray')), { ...wanted, force: true });
    expect((await prepareDataset(path('out.jsonl'), {})).labels).toEqual(['cs.AI', 'cs.LG']);
  });

  it('are found however a line is written', async () => {
    const odd = [
      JSON.stringify(of('cs.AI', 'spaced')).replaceAll('":', '" : '),
      JSON.stringify(of('cs.AI', 'one space')).replaceAll('":', '": '),
      JSON.stringify(of('cs.AI', 'escaped')).replace('"cs.AI"', '"\\u0063s.AI"'),
      JSON.stringify(of('cs.AI', 'escaped key')).replace('"categories"', '"\\u0063ategories"'),
      `  ${JSON.stringify(of('cs.AI', 'indented'))}\t`,
      JSON.stringify({ title: '"categories":"math.CO","versions":[', ...of('cs.AI', 'quoted') }),
      JSON.stringify({ 'x"categories': 'math.CO', ...of('cs.AI', 'hostile key') }),
      JSON.stringify({ ...kaggle(), id: 'array', categories: ['hep-th', 'cs.AI'] }),
    ];
    for (const end of ['\n', '\r\n']) {
      const content = `${odd.join(end)}${end}`;
      expect(await run('a.json', content, { categories: ['cs.AI'], force: true })).toMatchObject({ kept: 8 });
    }
    expect(ids()).toHaveLength(8);
  });

  it('skip no line that is cut, nor one that is too long or not JSON', async () => {
    const whole = JSON.stringify(of('math.CO'));
    const bad = [whole.slice(0, -20), whole.slice(20), `${whole.slice(0, -1)},`, 'categories'];
    const content = `${line(of('cs.AI'))}${bad.join('\n')}\n${line(of('math.CO'))}`;
    const errors: string[] = [];
    const result = await run(
      'a.json',
      content,
      { categories: ['cs.AI'], onError: 'skip' },
      { onSkip: error => errors.push(error.message) },
    );
    expect(result).toMatchObject({ read: 6, kept: 1, errors: 4, leftOut: { otherCategories: 1 } });
    expect(errors.map(each => /:(\d): not JSON/.exec(each)?.[1])).toEqual(['2', '3', '4', '5']);
  });

  it('are those of other formats too', async () => {
    const csv = 'id,title,abstract,category,label\n1,A,b,Soil,x\n2,C,d,Air,y\n3,E,f,,Soil\n4,G,h,,\n';
    const result = await run('a.csv', csv, { categories: ['Soil'] });
    expect(result).toMatchObject({ kept: 2, leftOut: { otherCategories: 2 } });
    expect(ids()).toEqual(['1', '3']);
  });

  it('that no paper carries are told, with the one that may have been meant', async () => {
    const result = await run('a.json', papers, { categories: ['cs.ai', 'cs.CL', 'constructor'] });
    expect(result.categories).toEqual({ 'cs.ai': 0, 'cs.CL': 1, constructor: 0 });
    expect(result.warnings).toEqual([
      'no paper carries "cs.ai". Did you mean "cs.AI"?',
      expect.stringMatching(/^no paper carries "constructor"\. It can be one of: cs\.AI, /),
    ]);
  });

  it('that leave nothing are an error', async () => {
    expect(await refusal(run('a.json', papers, { categories: ['cs.cl'] }))).toBe(
      'a.json: none of 7 papers is kept: 7 of other categories',
    );
    expect(existsSync(path('out.jsonl'))).toBe(false);
  });
});

describe('dates', () => {
  const dated = [
    '2025-05-31',
    '2025-06-01T00:00:00Z',
    '2025-06-30T23:59:59Z',
    '2025-07-01',
    '2025-06',
    '2025-07',
  ];
  const papers = lines(
    ...dated.map(published => ({ ...PAPER, id: published, published })),
    { ...PAPER, id: 'none' },
    { ...PAPER, id: 'June', published: 'June 2025' },
  );

  it.each<[DateRange, string[], number]>([
    [{ from: '2025-06-01', to: '2025-06-30' }, dated.slice(1, 3).concat('2025-06'), 3],
    [{ from: '2025-07-01' }, ['2025-07-01', '2025-07'], 4],
    [{ to: '2025-05-31' }, ['2025-05-31'], 5],
    [{ from: '2025-06-15', to: '2025-06-15' }, ['2025-06'], 5],
  ])('of %j', async (range, kept, otherDates) => {
    const result = await run('a.jsonl', papers, range);
    expect(ids()).toEqual(kept);
    expect(result.leftOut).toEqual({ otherCategories: 0, otherDates, undated: 2 });
  });

  it("are those of a paper's first version", async () => {
    await run('a.json', lines(kaggle(), kaggle({ id: '2' })), { from: '2007-04-02', to: '2007-04-02' });
    expect(ids()).toEqual(['0704.0001', '2']);
    expect(await refusal(run('a.json', line(kaggle()), { from: '2007-04-03', force: true }))).toBe(
      'a.json: none of 1 papers is kept: 1 of other dates',
    );
  });

  it.each([
    [{ from: '2025-06-31' }, '"from" must be a day as 2025-06-30, not "2025-06-31"'],
    [{ to: '2025-6-1' }, '"to" must be a day as 2025-06-30, not "2025-6-1"'],
    [{ to: 'June' }, '"to" must be a day as 2025-06-30, not "June"'],
    [{ from: '2025-02-01', to: '2025-01-01' }, '"from" (2025-02-01) comes after "to" (2025-01-01)'],
  ])('of %j are refused', async (range, message) => {
    expect(await refusal(run('a.jsonl', papers, range), 'BAD_OPTION')).toBe(message);
  });
});
