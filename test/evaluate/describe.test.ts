import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type DescribeEvent, describe as describeData } from '../../src/evaluate/describe.js';
import { describePage } from '../../src/evaluate/describe-page.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-describe-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const LENGTHS = { title: 5, abstract: 8 };

/** One word of the vocabulary is one token, any other is unknown: one token too. */
const encoder = join(scratch, 'encoder');
beforeAll(() => {
  mkdirSync(encoder);
  const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'paper', 'a', 'b', 'of', '##s'];
  writeFileSync(join(encoder, 'vocab.txt'), `${vocabulary.join('\n')}\n`);
});

interface Row {
  id: string;
  title: string;
  abstract: string;
  categories: string[];
  published?: string;
  split?: string;
}

/** Papers whose lengths, categories and dates differ; of every ten, seven train, two validate and one tests. */
function papers(): Row[] {
  return ['a', 'b'].flatMap(label =>
    Array.from({ length: 20 }, (_, i) => ({
      id: `${label}/${i}`,
      title: ['paper', label, `${label}${i}`, ...Array(i % 5).fill('of')].join(' '),
      abstract: Array.from({ length: 1 + ((7 * i) % 13) }, () => 'papers').join(' '),
      categories: [label, ...(i % 4 === 0 ? [label === 'a' ? 'b' : 'a'] : []), ...(i % 3 === 0 ? ['x'] : [])],
      ...(i % 10 !== 9 && { published: `2025-0${1 + (i % 3)}-1${i % 10}` }),
      split: i % 10 < 7 ? 'train' : i % 10 < 9 ? 'val' : 'test',
    })),
  );
}

let file = '';
beforeAll(() => {
  file = write('papers.jsonl', papers());
});

function write(name: string, rows: object[]): string {
  const path = join(scratch, name);
  writeFileSync(path, rows.map(row => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const wordsOf = (text: string) => text.split(' ').length;
/** `papers` is cut into two pieces: paper, ##s. */
const tokensOf = (text: string) =>
  2 + text.split(' ').reduce((sum, word) => sum + (word === 'papers' ? 2 : 1), 0);

describe('a description', () => {
  it('has the figures that another computation gives', async () => {
    const rows = papers();
    const found = await describeData({ data: file, lengths: LENGTHS, encoder });
    expect(found.labels).toEqual(['a', 'b']);
    expect(found.papers).toEqual({ train: 28, validation: 8, test: 4, total: 40 });
    expect(found.counts).toMatchObject({ read: 40, train: [14, 14], validation: [4, 4], test: [2, 2] });
    expect(found.leaks).toMatchObject({ contradictingRows: 0, crossingPapers: 0, bestAccuracy: 1 });
    expect(found.missing).toMatchObject({ title: 0, abstract: 0, categories: 0, published: 4, doi: 40 });

    for (const text of ['title', 'abstract'] as const) {
      const words = rows.map(row => wordsOf(row[text])).sort((x, y) => x - y);
      expect(found.words[text].mean).toBeCloseTo(mean(words), 10);
      expect(found.words[text]).toMatchObject({
        min: words[0],
        max: words.at(-1),
        median: (words[19]! + words[20]!) / 2,
      });
      const limit = LENGTHS[text];
      const lengths = rows.map(row => ({ label: row.categories[0], tokens: tokensOf(row[text]) }));
      expect(found.tokens![text].mean).toBeCloseTo(mean(lengths.map(({ tokens }) => tokens)), 10);
      const cut = found.tokens!.truncation.find(each => each.text === text)!;
      for (const [k, label] of [...found.labels, undefined].entries()) {
        const members = lengths.filter(each => label === undefined || each.label === label);
        const { papers: count, cut: share, lost } = label === undefined ? cut.all : cut.perClass[k]!;
        expect(count).toBe(members.length);
        expect(share).toBeCloseTo(mean(members.map(({ tokens }) => Number(tokens > limit))), 10);
        const over = members.reduce((sum, { tokens }) => sum + Math.max(0, tokens - limit), 0);
        expect(lost).toBeCloseTo(over / members.reduce((sum, { tokens }) => sum + tokens - 2, 0), 10);
      }
    }

    const carrying = (...labels: string[]) =>
      rows.filter(row => labels.every(label => row.categories.includes(label))).length;
    expect(found.overlap).toEqual({
      matrix: [
        [carrying('a'), carrying('a', 'b')],
        [carrying('a', 'b'), carrying('b')],
      ],
      several: carrying('a', 'b'),
    });
    const inMonth = (month: string, label: string) =>
      rows.filter(row => row.published?.startsWith(month) && row.categories[0] === label).length;
    expect(found.dates).toEqual({
      unknown: 4,
      months: ['2025-01', '2025-02', '2025-03'].map(month => ({
        month,
        papers: [inMonth(month, 'a'), inMonth(month, 'b')],
      })),
    });
    expect(found.distinctiveWords.map(words => words.map(({ word }) => word))).toEqual([[], []]);
  });

  it('names no seed where somebody else has split', async () => {
    const folder = join(scratch, 'split');
    mkdirSync(folder);
    for (const [name, part] of Object.entries({ train: 'train', val: 'validation', test: 'test' })) {
      const rows = papers().filter(({ split }) => split === name);
      write(
        `split/${part}.jsonl`,
        rows.map(({ split, ...row }) => row),
      );
    }
    const found = await describeData({ data: folder, lengths: LENGTHS, seed: 3 });
    expect(found).not.toHaveProperty('seed');
    const page = await describePage(found);
    expect(page).toContain(`>Fingerprint <code>${found.fingerprint.slice(0, 16)}<`);
  });

  it('shows papers of each class, of those that train, the same for the same seed', async () => {
    const of = async (seed: number, examples?: number) =>
      (await describeData({ data: file, lengths: LENGTHS, seed, examples })).examples.map(papers =>
        papers.map(({ id }) => id),
      );
    const [a, b] = await of(1);
    const training = papers().filter(({ split }) => split === 'train');
    for (const [label, ids] of [
      ['a', a],
      ['b', b],
    ] as const) {
      expect(ids).toHaveLength(2);
      for (const id of ids!) expect(training.find(row => row.id === id)?.categories[0]).toBe(label);
    }
    expect(await of(1)).toEqual([a, b]);
    expect(await of(2)).not.toEqual([a, b]);
    expect((await of(1, 99)).map(ids => new Set(ids).size)).toEqual([14, 14]);
    expect(await of(1, 0)).toEqual([[], []]);
  });

  it('counts joined sequences for a head that reads them', async () => {
    const { tokens } = await describeData({ data: file, lengths: { joined: 12 }, encoder });
    const joined = papers().map(({ title, abstract }) => tokensOf(title) + tokensOf(abstract) - 1);
    expect(tokens!.truncation).toHaveLength(1);
    expect(tokens!.truncation[0]).toMatchObject({ text: 'joined', limit: 12 });
    expect(tokens!.truncation[0]!.all.cut).toBeCloseTo(mean(joined.map(n => Number(n > 12))), 10);
  });

  it('does without tokens where there is no tokenizer, and asks nobody for one', async () => {
    vi.stubEnv('HF_HUB_CACHE', join(scratch, 'empty-cache'));
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    const id = 'organisation/encoder';
    const found = await describeData({ data: file, lengths: LENGTHS, encoder: id, ifCached: true });
    expect(found.tokens).toBeUndefined();
    expect(found.tokensOmitted).toBe('the tokenizer of organisation/encoder is not on this machine');
    const bare = await describeData({ data: file, lengths: LENGTHS });
    expect(bare.tokensOmitted).toBe('no encoder is named');
    await expect(
      describeData({ data: file, lengths: LENGTHS, encoder: './no-such-folder' }),
    ).rejects.toMatchObject({
      code: 'BAD_MODEL',
    });
    vi.unstubAllEnvs();
  });

  it('tells how far it is, and stops when it is told to', async () => {
    const events: DescribeEvent[] = [];
    await describeData({ data: file, lengths: LENGTHS }, { onProgress: event => events.push(event) });
    expect(events.some(({ type }) => type === 'reading')).toBe(true);
    expect(events.at(-1)).toEqual({ type: 'counting', done: 40, total: 40 });
    await expect(
      describeData({ data: file, lengths: LENGTHS }, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it.each<[string, object, string]>([
    ['no data', { lengths: LENGTHS }, 'describe: there is no "data"'],
    ['an unknown option', { data: 'x', lenghts: 1 }, 'describe: there is no option "lenghts"'],
    [
      'a broken number',
      { data: 'x', lengths: LENGTHS, examples: 1.5 },
      'describe: "examples" must be a whole number >= 0, not 1.5',
    ],
    [
      'a seed below 0',
      { data: 'x', lengths: LENGTHS, seed: -1 },
      'describe: "seed" must be a whole number >= 0, not -1',
    ],
  ])('refuses %s', async (_, options, message) => {
    await expect(describeData(options as never)).rejects.toMatchObject({ code: 'BAD_OPTION', message });
  });
});

describe('a page', () => {
  const HOSTILE = `</style></text></title><script>alert('1')</script><img src="http://x/y.png" onerror=a>`;

  /** What a paper says is shown, but can do nothing: neither as an element nor as an address that is followed. */
  it('shows hostile titles, abstracts, ids and classes as text, and needs no network', async () => {
    const rows = papers().map(row => ({
      ...row,
      id: `${row.id} ${HOSTILE}`,
      title: `${row.title} ${HOSTILE}`,
      abstract: `${row.abstract} ${HOSTILE}`,
      categories: row.categories.map(name => (name === 'x' ? name : `${name}${HOSTILE}`)),
    }));
    const data = write('hostile.jsonl', rows);
    const page = await describePage(await describeData({ data, lengths: LENGTHS, encoder }));
    expect(page).toContain('&#60;script&#62;alert(&#39;1&#39;)');
    expect(page).not.toMatch(/<script|<img|<link|<iframe|<object/i);
    expect(page.match(/<\/style>/g)).toHaveLength(1);
    const elements = page
      .match(/<[^>]*>/g)!
      .join('\n')
      .replace(/ (xmlns(:\w+)?|aria-label)="[^"]*"/g, '');
    expect(elements).not.toMatch(/https?:|\b(src|href|on\w+)=/);
  });

  it('has a chart of classes, four of lengths with their limits, one of overlap and one of months', async () => {
    const page = await describePage(await describeData({ data: file, lengths: LENGTHS, encoder }));
    expect(page.match(/<svg /g)).toHaveLength(7);
    for (const text of ['limit 5', 'limit 8', 'words', 'tokens', '40%'])
      expect(page).toContain(`>${text}</text>`);
    expect(page).not.toContain('undefined');
    expect(page).not.toContain('NaN');
  });

  it('of many classes shows the largest', async () => {
    const rows = Array.from({ length: 40 }, (_, k) =>
      Array.from({ length: 4 + (k % 3) }, (_, i) => ({
        id: `${k}/${i}`,
        title: `Paper ${i} of ${k}`,
        abstract: 'x',
        categories: [`class ${k}`, `class ${(k + 1) % 40}`],
        published: `${1990 + k}-01`,
      })),
    ).flat();
    const page = await describePage(
      await describeData({ data: write('many.jsonl', rows), lengths: LENGTHS }),
    );
    expect(page).toContain('The 24 largest of 40 classes.');
    expect(page).toContain('>others</text>');
    expect(page).toContain('Papers a year');
    expect(page.match(/<svg /g)).toHaveLength(4);
  });
});
