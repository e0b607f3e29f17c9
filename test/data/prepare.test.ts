import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Paper, SPLITS } from '../../src/data/paper.js';
import { type PreparedDataset, prepareDataset } from '../../src/data/prepare.js';
import type { PrepareOptions } from '../../src/data/prepare-options.js';
import { ArxivNativeError } from '../../src/errors.js';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-prepare-'));
});
afterEach(() => rmSync(scratch, { recursive: true }));

type Row = Record<string, unknown>;

function write(name: string, rows: Row[]): string {
  const file = join(scratch, name);
  writeFileSync(file, rows.map(row => `${JSON.stringify(row)}\n`).join(''));
  return file;
}
const prepare = (rows: Row[], options: PrepareOptions = {}) =>
  prepareDataset(write('papers.jsonl', rows), options);

/** `count` papers of a class, told apart by their numbers; the first categories are theirs, one published a day. */
function papersOf(category: string, count: number, extra: Row = {}): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `${category}/${i}`,
    title: `${category} paper ${i}`,
    abstract: `About ${category}, the ${i}th`,
    categories: [category],
    published: new Date(Date.UTC(2025, 0, 1 + i)).toISOString().slice(0, 10),
    ...extra,
  }));
}

const all = ({ parts }: PreparedDataset): Paper[] => SPLITS.flatMap(part => parts[part]);
const ids = (data: PreparedDataset) => all(data).map(({ id }) => id);
const find = (data: PreparedDataset, id: string) => all(data).filter(paper => paper.id === id);
const side = (data: PreparedDataset) =>
  new Map(all(data).map(({ id, label, split }) => [`${id} ${label}`, split]));

async function refusal(work: Promise<unknown>, code = 'BAD_INPUT'): Promise<string> {
  const error = await work.then(
    () => undefined,
    error => error,
  );
  expect(error).toBeInstanceOf(ArxivNativeError);
  expect(error.code).toBe(code);
  return error.message.replaceAll(`${scratch}/`, '');
}

/** Every row that was read must be accounted for. */
function expectBalance({ counts, labels }: PreparedDataset): void {
  const { read, withdrawn, empty, unlabelled, duplicates, outsideClasses, notSampled, childrenDropped } =
    counts;
  const placed = labels.reduce(
    (sum, _, k) => sum + counts.train[k]! + counts.validation[k]! + counts.test[k]!,
    0,
  );
  const dropped = withdrawn + empty + unlabelled + duplicates + outsideClasses + notSampled + childrenDropped;
  expect(dropped + placed).toBe(read);
}

const rest = [...papersOf('cs.AI', 20), ...papersOf('cs.LG', 20)];

describe('what cannot be learned from', () => {
  it('is left out and counted', async () => {
    const data = await prepare([
      { title: '', abstract: '', id: 'void' },
      { title: 'No abstract', abstract: null },
      { title: '', abstract: 'No title', category: 'cs.AI' },
      { title: 'Gone', abstract: 'This paper has been withdrawn by the author.', category: 'cs.AI' },
      {
        title: 'Gone too',
        abstract: 'We study x.',
        comments: 'Withdrawn due to an error',
        category: 'cs.AI',
      },
      ...rest,
    ]);
    expect(data.counts).toMatchObject({ read: 45, empty: 3, withdrawn: 2, duplicates: 0 });
    expectBalance(data);
  });

  it('is an error where it is malformed, with file and line', async () => {
    expect(await refusal(prepare([...rest, { title: 'A', abstract: 'b' }]))).toBe(
      'papers.jsonl:41: no category (found: title, abstract)',
    );
    expect(await refusal(prepareDataset([]), 'BAD_OPTION')).toContain('no files');
    expect(await refusal(prepareDataset(['-', '-']), 'BAD_OPTION')).toContain('once only');
  });

  it('leaves nothing sometimes, which is said', async () => {
    const rows = papersOf('cs.AI', 9).map(row => ({ ...row, categories: undefined, queries: ['cs.AI'] }));
    expect(await refusal(prepare(rows))).toBe('papers.jsonl: none of 9 papers has a class');
  });
});

describe('of one paper', () => {
  const versions: Row[] = [
    { id: '2506.1v2', title: 'New', abstract: 'second', category: 'cs.LG', queries: ['cs.LG'] },
    { id: '2506.1v10', title: 'Newest', abstract: 'tenth', category: 'cs.AI', queries: ['cs.AI'] },
    { id: '2506.1', title: 'Bare', abstract: 'none', category: 'cs.AI' },
  ];

  it.each([
    ['in order', versions],
    ['backwards', versions.toReversed()],
  ])('the highest version is kept, wherever it stands (%s)', async (_, rows) => {
    const data = await prepare([...rows, ...rest]);
    expect(find(data, '2506.1v10')).toMatchObject([{ title: 'Newest', queries: ['cs.AI', 'cs.LG'] }]);
    expect(data.counts).toMatchObject({ duplicates: 2, duplicatesById: 2, contradictions: 1 });
    expectBalance(data);
  });

  it.each([
    ['in order', (rows: Row[]) => rows],
    ['backwards', (rows: Row[]) => rows.toReversed()],
  ])('of equal titles the first published is kept (%s)', async (_, order) => {
    const same = [
      { id: 'b', title: 'The Same', abstract: '2', category: 'cs.LG', published: '2025-03-01' },
      { id: 'a', title: 'the same!', abstract: '1', category: 'cs.AI', published: '2025-01-31T10:00:00Z' },
      { id: 'c', title: 'The same', abstract: '3', category: 'cs.AI' },
    ];
    const data = await prepare(order([...same, ...rest]));
    expect(ids(data).filter(id => 'abc'.includes(id))).toEqual(['a']);
    expect(data.counts).toMatchObject({ duplicates: 2, duplicatesById: 0, contradictions: 1 });
  });

  it.each([
    ['in order', (rows: Row[]) => rows],
    ['backwards', (rows: Row[]) => rows.toReversed()],
  ])('of one version the last changed is kept, and never what merely came first (%s)', async (_, order) => {
    const row = { id: '1v1', title: 'One', abstract: 'x' };
    const other = { id: '2', title: 'Two', abstract: 'x' };
    const data = await prepare(
      order([
        { ...row, category: 'cs.LG', updated: '2025-02-01' },
        { ...row, category: 'cs.AI', updated: '2025-03-01' },
        { ...other, category: 'cs.AI' },
        { ...other, category: 'cs.LG' },
        ...rest,
      ]),
    );
    expect([find(data, '1v1')[0]?.label, find(data, '2')[0]?.label]).toEqual(['cs.AI', 'cs.AI']);
    expect(data.counts).toMatchObject({ duplicatesById: 2, contradictions: 2 });
  });

  it('all rows are known by an id or title that any of them had', async () => {
    const data = await prepare([
      { id: '1v1', title: 'Old name', abstract: 'x', category: 'cs.AI' },
      { id: '1v2', title: 'New name', abstract: 'x', category: 'cs.AI' },
      { id: '2', title: 'Old name', abstract: 'x', category: 'cs.AI', published: '2024' },
      ...rest,
    ]);
    expect(ids(data).filter(id => /^[12]/.test(id))).toEqual(['2']);
  });
});

describe('a child', () => {
  const parents = [...papersOf('cs.AI', 20), ...papersOf('cs.LG', 20)];
  /** As augmented rows stand in a file: title and label, no id, another abstract. */
  const copies = papersOf('cs.AI', 20).map(({ title, abstract }) => ({
    title,
    abstract: `${abstract}, translated`,
    category: 'cs.LG',
  }));

  it('is found by its title, has its parent and its label, and trains only beside it', async () => {
    const data = await prepare([...parents, ...copies]);
    const trained = new Set(data.parts.train.map(({ id }) => id));
    const children = all(data).filter(({ parent }) => parent !== undefined);
    expect(children).toHaveLength(14);
    for (const child of children) {
      expect(child).toMatchObject({
        label: 'cs.AI',
        split: 'train',
        title: expect.stringMatching(/^cs\.AI/),
      });
      expect(trained).toContain(child.parent);
    }
    expect(data.counts).toMatchObject({
      childrenKept: 14,
      childrenDropped: 6,
      labelChanges: 20,
      duplicates: 0,
      train: [28, 14],
      validation: [3, 3],
      test: [3, 3],
    });
    expect(data.leaks).toMatchObject({ contradictingRows: 0, crossingPapers: 0, seenTestRows: 0 });
    expectBalance(data);
  });

  it('is none where its text is the parent’s or a sibling’s: that is a duplicate', async () => {
    const [first, ...others] = copies;
    const { title, abstract } = parents[0] as Row;
    const data = await prepare([
      ...parents,
      first!,
      first!,
      { title, abstract, category: 'cs.AI' },
      ...others,
    ]);
    expect(data.counts.duplicates).toBe(2);
    expectBalance(data);
  });

  it('names its parent, or a copy of it, by any version; an orphan is dropped', async () => {
    const twin = {
      id: 'twin',
      title: 'CS.AI: paper 3',
      abstract: 'later',
      category: 'cs.AI',
      published: '2026',
    };
    const named = [
      { title: 'Übersetzt', abstract: 'x', category: 'cs.AI', parent: 'http://arxiv.org/abs/cs.AI/3' },
      { id: 'back', title: 'Encore', abstract: 'y', category: 'cs.AI', parent: 'twin' },
      { title: 'Waise', abstract: 'z', category: 'cs.AI', parent: 'nobody' },
    ];
    const data = await prepare([...parents, twin, ...named], { ratios: [18, 1, 1], seed: 1 });
    const kept = side(data).get('cs.AI/3 cs.AI') === 'train' ? 2 : 0;
    expect(kept).toBe(2);
    expect(data.counts).toMatchObject({ duplicates: 1, childrenKept: 2, childrenDropped: 1 });
    expect(all(data).flatMap(({ parent }) => parent ?? [])).toEqual(['cs.AI/3', 'cs.AI/3']);
  });

  it('is known by ids that are numbers too', async () => {
    const numbered = parents.map((row, i) => ({ ...row, id: i }));
    const children = numbered.map(({ id }) => ({
      id: 100 + id,
      title: `Kopie ${id}`,
      abstract: 'x',
      category: 'cs.AI',
      parent: id,
    }));
    const data = await prepare([...numbered, ...children]);
    expect(data.counts).toMatchObject({ childrenKept: 28, childrenDropped: 12, validation: [3, 3] });
    expectBalance(data);
  });

  it('has an id of its own, made of file and line', async () => {
    const other = write(
      'papers-2.jsonl',
      papersOf('cs.CV', 5).map(({ id: _, ...row }) => row),
    );
    const data = await prepareDataset([write('papers.jsonl', [...parents, ...copies]), other, other], {
      split: 'rows',
    });
    expect(new Set(ids(data)).size).toBe(70);
    expect(ids(data)).toEqual(
      expect.arrayContaining(['papers.jsonl:41', 'papers-2.jsonl:1', 'papers-2.jsonl-2:1']),
    );
  });
});

describe('classes', () => {
  it('are those asked for; the others are counted', async () => {
    const data = await prepare([...rest, ...papersOf('cs.CV', 7)], { categories: ['cs.LG', 'cs.CV'] });
    expect(data.labels).toEqual(['cs.CV', 'cs.LG']);
    expect(data.counts.outsideClasses).toBe(20);
    expectBalance(data);
    expect(await refusal(prepare(rest, { categories: ['cs.AI', 'cs.LGG'] }))).toContain(
      'no paper is of the class "cs.LGG"',
    );
  });

  it('are the categories that were searched, where the papers know them', async () => {
    const searched = rest.map(row => ({ ...row, queries: row.categories }));
    const crossListed = papersOf('math.OC', 8, { categories: ['math.OC', 'cs.LG'], queries: ['cs.LG'] });
    const data = await prepare([...searched, ...crossListed]);
    expect(data.labels).toEqual(['cs.AI', 'cs.LG']);
    expect(data.counts).toMatchObject({ outsideClasses: 8, labelChanges: 0 });
  });

  it('are those of a column, whatever was searched', async () => {
    const rows = rest.map((row, i) => ({ ...row, queries: row.categories, Topic: i % 2 }));
    const data = await prepare(rows, { labelColumn: 'Topic' });
    expect(data.labels).toEqual(['0', '1']);
    for (const labelColumn of ['Topic', 'constructor']) {
      const message = `papers.jsonl:1: no "${labelColumn}"`;
      expect(await refusal(prepare(rest, { labelColumn }))).toContain(message);
    }
  });

  it('have at most so many papers, drawn by the seed from all', async () => {
    const draw = async (seed: number) => ids(await prepare(rest, { perClass: 8, seed })).sort();
    const data = await prepare([...rest, ...papersOf('cs.CV', 5)], { perClass: 8 });
    expect(data.counts).toMatchObject({
      notSampled: 24,
      train: [6, 3, 6],
      validation: [1, 1, 1],
      test: [1, 1, 1],
    });
    const warnings = ['cs.CV has 5 papers, fewer than the 8 asked for'];
    expect(data.warnings).toEqual(warnings);
    const copies = papersOf('cs.CV', 5).map(({ id, ...row }) => ({ ...row, abstract: `Kopie von ${id}` }));
    const more = await prepare([...rest, ...papersOf('cs.CV', 5), ...copies], { perClass: 8 });
    expect(more).toMatchObject({ warnings, counts: { childrenKept: 3 } });
    expectBalance(data);
    expect(await draw(1)).toEqual(await draw(1));
    expect(await draw(1)).not.toEqual(await draw(2));
  });
});

describe('labels by query', () => {
  /** Ten papers carry both classes; the youngest ten of cs.AI and the eldest of cs.LG. */
  const both = papersOf('cs.AI', 40).map((row, i) =>
    i < 30 ? row : { ...row, categories: ['cs.AI', 'cs.LG'] },
  );
  const rows = [...both, ...papersOf('cs.LG', 30, { published: '2024-12' })];

  it('give a paper a row for each class that it carries, split row by row', async () => {
    const data = await prepare(rows, { labels: 'query', seed: 3 });
    expect(data.rule).toMatchObject({ labels: 'query', split: 'rows', categories: ['cs.AI', 'cs.LG'] });
    expect(data.counts).toMatchObject({ read: 70, train: [28, 28], validation: [6, 6], test: [6, 6] });
    const sides = side(data);
    const doubles = Array.from({ length: 10 }, (_, i) => [`cs.AI/${30 + i} cs.AI`, `cs.AI/${30 + i} cs.LG`]);
    const crossing = doubles.filter(([a, b]) => sides.get(a!) !== sides.get(b!)).length;
    expect(crossing).toBeGreaterThan(0);
    expect(data.leaks).toMatchObject({
      rows: 80,
      contradictingRows: 20,
      crossingPapers: crossing,
      bestAccuracy: 70 / 80,
    });
    expect(data.leaks.seenTestRows).toBeGreaterThan(0);
  });

  it('take the newest of each class', async () => {
    const data = await prepare(rows, { labels: 'query', perClass: 12 });
    const ofClass = (label: string) =>
      all(data)
        .filter(paper => paper.label === label)
        .map(({ id }) => id);
    expect(ofClass('cs.AI').sort()).toEqual(Array.from({ length: 12 }, (_, i) => `cs.AI/${28 + i}`));
    // Ten cross-lists, then the highest ids of one month.
    expect(ofClass('cs.LG').sort()).toEqual([
      ...Array.from({ length: 10 }, (_, i) => `cs.AI/${30 + i}`),
      'cs.LG/8',
      'cs.LG/9',
    ]);
    const undated = rows.map(row => ({ ...row, published: undefined }));
    expect(await refusal(prepare(undated, { labels: 'query', perClass: 12 }))).toContain(
      'the newest are not known',
    );
  });

  it('keep a paper on one side when asked to, contradicting as it is', async () => {
    const data = await prepare(rows, { labels: 'query', split: 'grouped' });
    expect(data.leaks).toMatchObject({
      contradictingRows: 20,
      crossingPapers: 0,
      seenTestRows: 0,
      bestAccuracy: 7 / 8,
    });
  });

  it('go by what found a paper, where that is known', async () => {
    const found = rows.map(row => ({ ...row, queries: [(row.categories as string[]).at(-1)] }));
    const data = await prepare(found, { labels: 'query' });
    expect(data.leaks).toMatchObject({ rows: 70, contradictingRows: 0 });
    expect(data.counts.train).toEqual([20, 28]);
  });
});

describe('a split', () => {
  const sizes = { 'cs.LG': 100, 'cs.AI': 7, 'cs.CV': 33, 'math.OC': 4 };
  const rows = Object.entries(sizes).flatMap(([category, size]) => papersOf(category, size));

  it.each([
    [70, 15, 15],
    [8, 1, 1],
    [0.5, 0.25, 0.25],
    [10, 45, 45],
  ])('has its shares in every class within one paper: %d, %d, %d', async (...ratios) => {
    const data = await prepare(rows, { ratios });
    const sum = ratios.reduce((a, b) => a + b);
    data.labels.forEach((label, k) => {
      SPLITS.forEach((part, i) => {
        const due = (ratios[i]! / sum) * sizes[label as keyof typeof sizes];
        expect(data.counts[part][k]).toBeGreaterThan(0);
        // The smallest classes have two to train on before anything else.
        if (sizes[label as keyof typeof sizes] > 20)
          expect(Math.abs(data.counts[part][k]! - due)).toBeLessThanOrEqual(1);
      });
    });
  });

  it('depends on the seed and the papers, not on their order', async () => {
    const sides = async (list: Row[], seed: number) =>
      new Map([...side(await prepare(list, { seed }))].sort());
    const first = await sides(rows, 1);
    expect(await sides(rows.toReversed(), 1)).toEqual(first);
    expect(await sides(rows, 2)).not.toEqual(first);
    // One paper more: hardly another one moves.
    const more = await sides([...rows, ...papersOf('cs.LG', 101).slice(100)], 1);
    const moved = [...first].filter(([key, part]) => more.get(key) !== part).length;
    expect(moved).toBeLessThanOrEqual(2);
  });

  it('is the same on every machine', async () => {
    const { fingerprints, parts } = await prepare(rows, { perClass: 5 });
    expect(parts.test.map(({ id }) => id)).toEqual(['cs.LG/26', 'cs.AI/0', 'cs.CV/1', 'math.OC/3']);
    expect(fingerprints.all).toBe('99ffc1ec5e44d54f1a66436b78f3d89fe97df74d3c4477bb4d14faa2c30126de');
  });

  it('by date trains on the oldest and tests the newest', async () => {
    const data = await prepare(rows, { split: 'temporal', categories: ['cs.LG', 'cs.CV'] });
    const dates = SPLITS.map(part => data.parts[part].map(({ published }) => published!).sort());
    expect(dates[0]!.at(-1)! < dates[1]![0]!).toBe(true);
    expect(dates[1]!.at(-1)! < dates[2]![0]!).toBe(true);
    // 133 papers: two a day for 33 days, then one.
    expect(dates.map(list => list.length)).toEqual([93, 20, 20]);
    expect(data.warnings).toEqual(['validation has no paper of cs.CV', 'test has no paper of cs.CV']);
  });

  it('by date never parts what is dated alike', async () => {
    const dated = ['2025-01', '2025-02-03', '2025-02-04', '2025-02', '2025-03-01', '2025-03-02', '2024'];
    const list = papersOf('a', 35).map((row, i) => ({ ...row, published: dated[i % 7] }));
    const other = papersOf('b', 35).map((row, i) => ({ ...row, published: dated[i % 7] }));
    const data = await prepare([...list, ...other], { split: 'temporal', ratios: [60, 20, 20] });
    const parts = SPLITS.map(part => [...new Set(data.parts[part].map(({ published }) => published))].sort());
    expect(parts).toEqual([
      ['2024', '2025-01', '2025-02', '2025-02-03', '2025-02-04'],
      ['2025-03-01'],
      ['2025-03-02'],
    ]);
  });

  it('by date is refused without enough dates, or with a class too young', async () => {
    const undated = papersOf('cs.AI', 3, { published: 'last year', id: undefined, title: undefined });
    const more = undated.map((row, i) => ({ ...row, title: `Undated ${i}` }));
    expect(await refusal(prepare([...rest, ...more], { split: 'temporal' }))).toBe(
      'papers.jsonl: 3 of 43 papers have no date to be split by; the first is papers.jsonl:41',
    );
    const alike = rest.map((row, i) => ({ ...row, published: i % 2 ? '2025-01' : '2025-02' }));
    expect(await refusal(prepare(alike, { split: 'temporal' }))).toContain('2 dates only (2025-01, 2025-02)');
    const young = papersOf('cs.XX', 4, { published: '2025-01-21' });
    expect(await refusal(prepare([...rest, ...young], { split: 'temporal' }))).toContain(
      'papers.jsonl:41: category "cs.XX" is not among those of the training papers (cs.AI, cs.LG)',
    );
  });

  it('that the papers state is honoured, for their children too', async () => {
    const stated = rest.map((row, i) => ({ ...row, split: ['train', 'train', 'val', 'test'][i % 4] }));
    const child = (i: number, extra: Row = {}) => ({
      title: `cs.AI paper ${i}`,
      abstract: 'Kopie',
      category: 'cs.AI',
      ...extra,
    });
    const data = await prepare([...stated, child(0), child(1, { split: 'train' }), child(3)]);
    expect(data.rule.split).toBe('given');
    expect(data.counts).toMatchObject({ childrenKept: 2, childrenDropped: 1, train: [12, 10], test: [5, 5] });
    expect(await refusal(prepare([...stated, child(3, { split: 'train' })]))).toBe(
      '1 paper stands on two sides of the split; papers.jsonl:4 (test) and papers.jsonl:41 (train) are a paper and a copy of it: cs.AI/3, "cs.AI paper 3"',
    );
    expect(await refusal(prepare(stated, { split: 'grouped' }), 'BAD_OPTION')).toContain('state their split');
  });

  it('by rows keeps duplicates, and says what they leak', async () => {
    const twice = [...rest, ...rest.map(row => ({ ...row, id: `${row.id}v2` }))];
    const data = await prepare(twice, { split: 'rows' });
    expect(data.counts).toMatchObject({ read: 80, duplicates: 0, train: [28, 28] });
    expect(data.leaks.contradictingRows).toBe(0);
    expect(data.leaks.crossingPapers).toBeGreaterThan(5);
  });
});

describe('options', () => {
  it.each<[string, object, string]>([
    ['an unknown one', { perclass: 3 }, 'there is no option "perclass"'],
    ['an unknown rule', { labels: 'all' }, '"labels" must be one of primary, query, not "all"'],
    ['an unknown split', { split: 'random' }, '"split" must be one of grouped, rows, temporal'],
    ['no papers a class', { perClass: 0 }, '"perClass" must be a whole number >= 1, not 0'],
    ['half a seed', { seed: 0.5 }, '"seed" must be a whole number >= 0'],
    ['two shares', { ratios: [70, 30] }, 'ratios (--ratios) must be three numbers above 0, not [70,30]'],
    ['an empty share', { ratios: [70, 0, 30] }, 'three numbers above 0'],
    ['one class', { categories: ['cs.AI', 'cs.AI'] }, 'is one class only'],
    ['no list', { categories: 'cs.AI' }, 'must be a list of names, not "cs.AI"'],
    ['two kinds of label', { labels: 'query', labelColumn: 'topic' }, '"query" labels by category'],
  ])('%s is refused', async (_, options, message) => {
    expect(await refusal(prepareDataset('absent.jsonl', options), 'BAD_OPTION')).toContain(message);
  });

  it('are kept, resolved, with what they were applied to', async () => {
    const data = await prepare(rest, { ratios: [8, 1, 1] });
    expect(data).toMatchObject({
      seed: 42,
      rule: { labels: 'primary', categories: ['cs.AI', 'cs.LG'], split: 'grouped', ratios: [8, 1, 1] },
    });
    const { path, size, sha256 } = data.sources[0]!;
    expect(size).toBe(readFileSync(path).length);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('may be cut short', async () => {
    const signal = AbortSignal.abort();
    await expect(prepareDataset(write('papers.jsonl', rest), {}, { signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});
