import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Dataset, loadDataset } from '../../src/data/dataset.js';
import { baseId, SPLITS, titleKey } from '../../src/data/paper.js';
import { ArxivNativeError } from '../../src/errors.js';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-dataset-'));
});
afterEach(() => rmSync(scratch, { recursive: true }));

type Row = Record<string, unknown>;

/** `count` papers of a class, told apart by their numbers. */
function papersOf(category: string, count: number, extra: Row = {}): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `${category}/${i}`,
    title: `${category} paper ${i}`,
    abstract: `About ${category}, the ${i}th`,
    categories: [category],
    ...extra,
  }));
}
const given = (category: string, train: number, validation: number, test: number): Row[] => {
  const sides = [
    ...Array(train).fill('train'),
    ...Array(validation).fill('val'),
    ...Array(test).fill('test'),
  ];
  return papersOf(category, sides.length).map((row, i) => ({ ...row, split: sides[i] }));
};

function write(name: string, rows: Row[]): string {
  const file = join(scratch, name);
  writeFileSync(file, rows.map(row => `${JSON.stringify(row)}\n`).join(''));
  return file;
}
const load = (rows: Row[], seed = 42) => loadDataset(write('papers.jsonl', rows), { seed });

function writeFolder(parts: Record<string, Row[]>): string {
  const folder = join(scratch, 'data');
  mkdirSync(folder, { recursive: true });
  for (const [part, rows] of Object.entries(parts)) write(`data/${part}.jsonl`, rows);
  return folder;
}

async function refusal(loading: Promise<Dataset>): Promise<string> {
  const error = await loading.then(
    () => undefined,
    error => error,
  );
  expect(error).toBeInstanceOf(ArxivNativeError);
  expect(error.code).toBe('BAD_INPUT');
  return error.message.replaceAll(`${scratch}/`, '');
}

const ids = (dataset: Dataset) => SPLITS.map(part => dataset[part].map(({ paper }) => paper.id));

describe('a split made here', () => {
  const sizes = { 'cs.LG': 100, 'cs.AI': 7, 'cs.CV': 33, 'math.OC': 4 };
  const rows = Object.entries(sizes).flatMap(([category, size]) => papersOf(category, size));

  it('sorts the labels, and gives each paper its own', async () => {
    const dataset = await load(rows);
    expect(dataset.labels).toEqual(['cs.AI', 'cs.CV', 'cs.LG', 'math.OC']);
    for (const part of SPLITS) {
      for (const { paper, label } of dataset[part]) expect(dataset.labels[label]).toBe(paper.categories[0]);
    }
  });

  it.each([0, 1, 42, 2 ** 40])(
    'has 70/15/15 of each class within one paper, each paper once (seed %d)',
    async seed => {
      const dataset = await load(rows, seed);
      const shares = { train: 0.7, validation: 0.15, test: 0.15 };
      dataset.labels.forEach((label, i) => {
        for (const part of SPLITS) {
          const count = dataset.counts[part][i]!;
          expect(count).toBe(dataset[part].filter(example => example.label === i).length);
          expect(count).toBeGreaterThan(0);
          expect(Math.abs(count - shares[part] * sizes[label as keyof typeof sizes])).toBeLessThanOrEqual(1);
        }
      });
      expect(ids(dataset).flat().sort()).toEqual(rows.map(({ id }) => id).sort());
    },
  );

  it('depends on the seed', async () => {
    const [a, b, c] = [await load(rows, 7), await load(rows, 7), await load(rows, 8)];
    expect(ids(a)).toEqual(ids(b));
    expect(a.fingerprint).toBe(b.fingerprint);
    expect(ids(a)).not.toEqual(ids(c));
    expect(a.fingerprint).not.toBe(c.fingerprint);
  });

  it('draws evenly: over many seeds each paper is tested about equally often', async () => {
    const few = [...papersOf('a', 20), ...papersOf('b', 20)];
    const tested = new Map<string, number>();
    for (let seed = 0; seed < 200; seed++) {
      for (const { paper } of (await load(few, seed)).test)
        tested.set(paper.id, (tested.get(paper.id) ?? 0) + 1);
    }
    // 3 of 20: expected 30 of 200, standard deviation 5.
    expect(tested.size).toBe(40);
    for (const times of tested.values()) expect(Math.abs(times - 30)).toBeLessThan(25);
  });

  it('keeps the order of the file in each part', async () => {
    const order = new Map(rows.map(({ id }, i) => [id, i]));
    for (const part of ids(await load(rows))) {
      const places = part.map(id => order.get(id)!);
      expect(places).toEqual([...places].sort((a, b) => a - b));
    }
  });

  it('needs two classes, and four papers of each', async () => {
    expect(await refusal(load(papersOf('cs.AI', 50)))).toBe(
      'papers.jsonl: one class only (cs.AI); a classifier needs two',
    );
    expect(await refusal(load([...papersOf('a', 9), ...papersOf('a', 9, { category: 'b' })]))).toBe(
      'papers.jsonl: one class only (a) without the 9 duplicates of its papers; a classifier needs two',
    );
    expect(await refusal(load([...papersOf('a', 9), ...papersOf('b', 3), ...papersOf('c', 1)]))).toBe(
      'papers.jsonl: needs at least 4 papers a class; b has 3, c has 1',
    );
    const three = ['a', 'b', 'c'].flatMap(category => papersOf(category, 1));
    expect(await refusal(load(three))).toBe(
      'papers.jsonl: needs at least 4 papers a class; a has 1, b has 1, c has 1',
    );
    const smallest = await load([...papersOf('a', 4), ...papersOf('b', 4)]);
    expect(smallest.counts).toMatchObject({ train: [2, 2], validation: [1, 1], test: [1, 1] });
  });

  it('works for many classes with names of any kind', async () => {
    const names = Array.from({ length: 150 }, (_, i) => `Topic ${i}: ${'é大'[i % 2]}`);
    const dataset = await load(names.flatMap(name => papersOf(name, 5)));
    expect(dataset.labels).toEqual([...names].sort());
  });

  it('leaves the example papers as they are: 50 a class, none twice', async () => {
    const examples = fileURLToPath(new URL('../../examples/papers.jsonl', import.meta.url));
    const dataset = await loadDataset(examples, { seed: 42 });
    expect(dataset.source).toBe(examples);
    expect(dataset.labels).toEqual(['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG']);
    expect(dataset.counts).toEqual({
      read: 200,
      withdrawn: 0,
      empty: 0,
      unlabelled: 0,
      duplicates: 0,
      duplicatesById: 0,
      contradictions: 0,
      outsideClasses: 0,
      notSampled: 0,
      childrenKept: 0,
      childrenDropped: 0,
      labelChanges: 0,
      train: [34, 34, 34, 34],
      validation: [8, 8, 8, 8],
      test: [8, 8, 8, 8],
    });
  });
});

describe('duplicates', () => {
  const rest = [...papersOf('cs.AI', 9), ...papersOf('cs.LG', 9)];

  it('by id without version and by title are dropped, one kept, and counted', async () => {
    const dataset = await load([
      { id: '2506.1v1', title: 'On Tabs & Spaces', abstract: 'first', category: 'cs.AI' },
      { id: 'http://arxiv.org/abs/2506.1v3', title: 'Renamed', abstract: 'by id', category: 'cs.AI' },
      { id: 'other', title: '  on tabs,  SPACES! ', abstract: 'by title', category: 'cs.LG' },
      { id: 'other', title: 'Another', abstract: 'by the id of a duplicate', category: 'cs.AI' },
      { id: 'last', title: 'renamed', abstract: 'by the title of a duplicate', category: 'cs.LG' },
      ...rest,
    ]);
    expect(dataset.counts).toMatchObject({ read: 23, duplicates: 4, contradictions: 2 });
    const kept = ids(dataset).flat();
    expect(kept).toHaveLength(19);
    // Of each id the highest version or the first row, and of those none is dated: the least id.
    expect(kept).toContain('http://arxiv.org/abs/2506.1v3');
  });

  it('are not papers without id, or with a title of marks alone', async () => {
    const marks = ['?', '!'].map(title => ({ title, abstract: 'Text', category: 'cs.AI' }));
    expect((await load([...marks, ...rest])).counts).toMatchObject({ duplicates: 0, empty: 0 });
  });

  it.each([
    ['2506.00019v2', '2506.00019'],
    ['2506.00019', '2506.00019'],
    ['https://arxiv.org/abs/hep-th/9901001v1', 'hep-th/9901001'],
    ['http://export.arxiv.org/abs/2506.00019v11', '2506.00019'],
    ['https://arxiv.org/pdf/2506.00019v1.pdf', '2506.00019'],
    ['arXiv:2506.00019v1', '2506.00019'],
    ['arxiv.org/abs/2506.00019v1', '2506.00019'],
    ['https://doi.org/10.48550/arXiv.2506.00019', '2506.00019'],
    ['10.1000/arxiv.2506', '10.1000/arxiv.2506'],
    ['example-001', 'example-001'],
    ['conv2', 'conv2'],
  ])('know %s as %s', (id, base) => expect(baseId(id)).toBe(base));

  it('know titles by their letters and digits', () => {
    expect(titleKey('Ｄeep–Learning: A $k$-NN “View”')).toBe(titleKey('deep learning a K NN VIEW'));
    expect(titleKey('Part 1')).not.toBe(titleKey('Part 2'));
    expect(titleKey('C++?')).toBe('c');
    expect(titleKey('…')).toBe('');
  });
});

describe('a split that is given', () => {
  it('is honoured, whatever the seed', async () => {
    const rows = [...given('a', 3, 1, 2), ...given('b', 2, 2, 1)];
    const [one, two] = [await load(rows, 1), await load(rows, 2)];
    expect(one.counts).toMatchObject({ train: [3, 2], validation: [1, 2], test: [2, 1] });
    expect(one.fingerprint).toBe(two.fingerprint);
  });

  it('may lack a class in validation or test', async () => {
    const { counts } = await load([...given('a', 3, 1, 1), ...given('b', 3, 0, 0)]);
    expect(counts).toMatchObject({ train: [3, 3], validation: [1, 0], test: [1, 0] });
  });

  it.each<[string, Row[], string]>([
    [
      'on some papers only',
      [...given('a', 2, 1, 1), ...papersOf('b', 5)],
      'papers.jsonl:5: no split, though other papers have one (5 of 9 have none)',
    ],
    [
      'without test',
      [...given('a', 2, 1, 0), ...given('b', 2, 1, 0)],
      'papers.jsonl: no paper has the split test',
    ],
    [
      'with a class that training lacks',
      [...given('a', 2, 1, 1), ...given('b', 2, 1, 1), ...given('c', 0, 0, 1)],
      'papers.jsonl:9: category "c" is not among those of the training papers (a, b)',
    ],
    [
      'with one paper of a class to train on',
      [...given('a', 4, 1, 1), ...given('b', 1, 1, 1)],
      'papers.jsonl: needs at least 2 papers a class to train on; b has 1',
    ],
    ['with one class', given('a', 4, 2, 2), 'papers.jsonl: one class only (a); a classifier needs two'],
    [
      'with a paper on two sides',
      [
        ...given('a', 2, 1, 1),
        ...given('b', 2, 1, 1),
        { id: 'a/0v2', title: 'A', abstract: 'x', category: 'a', split: 'test' },
        { id: 'z', title: 'B: paper 2', abstract: 'x', category: 'b', split: 'train' },
      ],
      'papers.jsonl: 2 papers stand on two sides',
    ],
  ])('%s is refused', async (name, rows, message) => {
    const found = await refusal(load(rows));
    if (name !== 'with a paper on two sides') return expect(found).toBe(message);
    expect(found).toBe(
      '2 papers stand on two sides of the split; papers.jsonl:1 (train) and papers.jsonl:9 (test) are the same paper: a/0, "a paper 0"',
    );
  });
});

describe('a folder', () => {
  const parts = () => ({
    train: [...papersOf('a', 3), ...papersOf('b', 2)],
    validation: [...papersOf('a', 5).slice(3), ...papersOf('b', 3).slice(2)],
    test: [...papersOf('a', 6).slice(5), ...papersOf('b', 4).slice(3)],
  });

  it('gives its three files as they are', async () => {
    const folder = writeFolder(parts());
    const dataset = await loadDataset(folder, { seed: 1 });
    expect(ids(dataset)).toEqual(Object.values(parts()).map(rows => rows.map(({ id }) => id)));
    expect(dataset.counts).toMatchObject({ read: 10, train: [3, 2], validation: [2, 1], test: [1, 1] });
    expect(dataset.fingerprint).toBe((await loadDataset(folder, { seed: 2 })).fingerprint);
  });

  it('has other papers on the same line of another file, though none has an id', async () => {
    const bare = (rows: Row[]) => rows.map(({ id: _, ...row }) => row);
    const { train, validation, test } = parts();
    const folder = writeFolder({ train: bare(train), validation: bare(validation), test: bare(test) });
    const dataset = await loadDataset(folder, { seed: 1 });
    expect(dataset.counts.duplicates).toBe(0);
    expect(new Set(ids(dataset).flat()).size).toBe(10);
  });

  it('is refused with what is wrong', async () => {
    const { train, validation, test } = parts();
    const loading = (all: Record<string, Row[]>) => refusal(loadDataset(writeFolder(all), { seed: 1 }));
    expect(await loading({ train })).toBe('data: no validation.jsonl, no test.jsonl');
    expect(await loading({ train, validation: [], test })).toBe(
      'data/validation.jsonl: empty; there are no papers in it',
    );
    expect(await loading({ train, validation, test: [...test, ...papersOf('c', 1)] })).toBe(
      'data/test.jsonl:3: category "c" is not among those of the training papers (a, b)',
    );
    expect(await loading({ train, validation, test: [...test, train[1]!] })).toBe(
      '1 paper stands on two sides of the split; data/train.jsonl:2 (train) and data/test.jsonl:3 (test) are the same paper: a/1, "a paper 1"',
    );
    expect(await loading({ train, validation, test: [{ ...test[0], split: 'train' }] })).toBe(
      'data/test.jsonl:1: split "train" in test.jsonl',
    );
  });
});

describe('a folder with copies of papers', () => {
  const [train, validation, test] = [
    [0, 4],
    [4, 6],
    [6, 8],
  ].map(range =>
    [...papersOf('a', 8), ...papersOf('b', 8)].filter((_, i) => i % 8 >= range[0]! && i % 8 < range[1]!),
  ) as [Row[], Row[], Row[]];
  const copy = (parent: string) => ({ title: 'A paper 6', abstract: 'Übersetzt', category: 'a', parent });

  it('has them train, though they may be called as other papers are, or have no parent there', async () => {
    const orphan = { ...copy('x/9'), title: 'Of its own' };
    const folder = writeFolder({ train: [...train, copy('a/1'), orphan], validation, test });
    const { counts } = await loadDataset(folder, { seed: 1 });
    expect(counts).toMatchObject({ duplicates: 0, childrenKept: 2, childrenDropped: 0, train: [6, 4] });
  });

  it('leaves out those that validation and test hold', async () => {
    const folder = writeFolder({
      train: [...train, copy('a/1')],
      validation: [...validation, { ...copy('x/9'), title: 'Of its own' }],
      test: [...test, copy('a/6')],
    });
    const { counts } = await loadDataset(folder, { seed: 1 });
    expect(counts).toMatchObject({ childrenKept: 1, childrenDropped: 2, validation: [2, 2], test: [2, 2] });
  });

  it.each([
    'arxiv.org/abs/2507.00152',
    'https://arxiv.org/html/2507.00152v2',
    'https://doi.org/10.48550/arXiv.2507.00152',
    '10.48550/arxiv.2507.00152',
    '2507.00152~es',
    '2507.00152v1~es~pt',
    'unknown',
    'self',
  ])('is refused where one trains whose parent, %s, is tested or has the title of what is', async parent => {
    const tested = { ...test[0], id: '2507.00152', title: 'A paper 6' };
    const folder = writeFolder({
      train: [...train, { ...copy(parent), id: 'self' }],
      validation,
      test: [tested, ...test.slice(1)],
    });
    expect(await refusal(loadDataset(folder, { seed: 1 }))).toMatch(/^1 paper stands on two sides/);
    const renamed = writeFolder({
      train: [...train, { ...copy(parent), title: 'Otherwise' }],
      validation,
      test: [tested, ...test.slice(1)],
    });
    const loading = loadDataset(renamed, { seed: 1 });
    if (parent === 'unknown' || parent === 'self') await loading;
    else expect(await refusal(loading)).toMatch(/^1 paper stands on two sides/);
  });

  it.each([
    ['its parent', 'test', { train: [...train, copy('a/6')], validation, test }],
    [
      'another copy',
      'validation',
      { train: [...train, copy('x')], validation: [...validation, copy('x')], test },
    ],
  ])('is refused where one stands on another side than %s', async (_, part, parts) => {
    expect(await refusal(loadDataset(writeFolder(parts), { seed: 1 }))).toMatch(
      new RegExp(`^1 paper stands on two sides.*train.*${part}.*are a paper and a copy of it`),
    );
  });
});

describe('a column of labels', () => {
  const topics = (rows: Row[]) =>
    rows.map((row, i) => ({ ...row, topic: ['x', 'y'][i % 2], categories: undefined }));

  it('is what a file or a folder is labelled by', async () => {
    const rows = topics(papersOf('a', 24));
    const file = await loadDataset(write('papers.jsonl', rows), { seed: 1, labelColumn: 'topic' });
    expect(file.labels).toEqual(['x', 'y']);
    const folder = writeFolder({
      train: rows.slice(0, 8),
      validation: rows.slice(8, 16),
      test: rows.slice(16),
    });
    const { counts, rule } = await loadDataset(folder, { seed: 1, labelColumn: 'topic' });
    expect([file.rule.labelColumn, rule.labelColumn]).toEqual(['topic', 'topic']);
    expect(counts).toMatchObject({ train: [4, 4], validation: [4, 4], test: [4, 4] });
  });
});

describe('what is no data set', () => {
  it('is refused as the reader refuses it', async () => {
    expect(await refusal(loadDataset(join(scratch, 'missing.jsonl'), { seed: 1 }))).toBe(
      'missing.jsonl: no such file',
    );
    expect(await refusal(load([...papersOf('a', 4), { title: 'A', abstract: 'b' }]))).toBe(
      'papers.jsonl:5: no category (found: title, abstract)',
    );
  });

  it('has a fingerprint that every text, id, label and side changes', async () => {
    const rows = [...given('a', 3, 1, 1), ...given('b', 2, 1, 1)];
    const prints = [(await load(rows)).fingerprint];
    for (const change of [
      { title: 'X' },
      { abstract: 'X' },
      { id: 'X' },
      { categories: ['b'] },
      { split: 'val' },
    ]) {
      prints.push((await load([{ ...rows[0], ...change }, ...rows.slice(1)])).fingerprint);
    }
    expect(new Set(prints).size).toBe(prints.length);
    expect(prints[0]).toMatch(/^[0-9a-f]{64}$/);
  });
});
