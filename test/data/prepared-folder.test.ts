import { createHash } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadDataset } from '../../src/data/dataset.js';
import { SPLITS } from '../../src/data/paper.js';
import { type PrepareFolderOptions, prepare } from '../../src/data/prepared-folder.js';
import { zipOf } from '../support/zip.js';

let scratch: string;
let file: string;
let out: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-prepared-'));
  file = join(scratch, 'papers.jsonl');
  out = join(scratch, 'data');
  const rows = Array.from({ length: 60 }, (_, i) => ({
    id: i % 10 === 7 ? undefined : `2506.${10000 + i}v${1 + (i % 3)}`,
    title: `Paper ${i}`,
    abstract: `About ${i}`,
    categories: i % 6 === 0 ? ['cs.AI', 'cs.LG'] : [['cs.AI', 'cs.LG'][i % 2]],
    published: `2025-06-${10 + (i % 20)}`,
    doi: `10.1/${i}`,
  }));
  const copies = [0, 1, 2].map(i => ({ title: `Paper ${i}`, abstract: `Kopie von ${i}`, category: 'cs.AI' }));
  writeFileSync(file, [...rows, ...copies].map(row => `${JSON.stringify(row)}\n`).join(''));
});
afterEach(() => rmSync(scratch, { recursive: true }));

const make = (options: Partial<PrepareFolderOptions> = {}) => prepare({ data: file, out, ...options });
const read = (name: string) => readFileSync(join(out, name), 'utf8');

describe('a prepared folder', () => {
  it('holds three parts and says how they came about', async () => {
    const { folder, ...record } = await make({ seed: 5 });
    expect(folder).toBe(out);
    expect(readdirSync(scratch).sort()).toEqual(['data', 'papers.jsonl']);
    expect(readdirSync(out).sort()).toEqual([
      'dataset.json',
      'test.jsonl',
      'train.jsonl',
      'validation.jsonl',
    ]);
    expect(JSON.parse(read('dataset.json'))).toEqual({
      format_version: 1,
      ...JSON.parse(JSON.stringify(record)),
    });
    for (const part of SPLITS) {
      const hash = createHash('sha256')
        .update(read(`${part}.jsonl`))
        .digest('hex');
      expect(record.fingerprints[part]).toBe(hash);
    }
    const lines = read('test.jsonl').trim().split('\n');
    expect(lines).toHaveLength(record.counts.test[0]! + record.counts.test[1]!);
    expect(JSON.parse(lines[0]!)).toMatchObject({ doi: expect.stringMatching(/^10/), split: 'test' });
  });

  it('is loaded as the data set that its file is', async () => {
    const text = ({ paper, label }: { paper: { title: string; abstract: string }; label: number }) => [
      paper.title,
      paper.abstract,
      label,
    ];
    await make({ seed: 5 });
    const [folder, bare] = [await loadDataset(out, { seed: 1 }), await loadDataset(file, { seed: 5 })];
    for (const part of SPLITS) expect(folder[part].map(text)).toEqual(bare[part].map(text));
    expect(folder.fingerprint).toBe(bare.fingerprint);
    expect(folder.counts).toEqual(bare.counts);
    expect(folder).toMatchObject({ source: out, labels: ['cs.AI', 'cs.LG'], rule: { split: 'grouped' } });
    expect(folder.counts.childrenKept).toBeGreaterThan(0);
  });

  it('is the same bytes from the same papers and options', async () => {
    await make();
    await make({ out: `${out}-2` });
    for (const name of readdirSync(out)) {
      expect(readFileSync(join(`${out}-2`, name), 'utf8')).toBe(read(name));
    }
  });

  it('may hold a paper on two sides, by its rule alone', async () => {
    await make({ labels: 'query' });
    const data = await loadDataset(out, { seed: 1 });
    expect(data.leaks.crossingPapers).toBeGreaterThan(0);
    expect(data.leaks.contradictingRows).toBeGreaterThan(0);
    rmSync(join(out, 'dataset.json'));
    await expect(loadDataset(out, { seed: 1 })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/papers? stands? on two sides/),
    });
  });

  it('is refused once a part was changed, and taken as it stands without its record', async () => {
    await make();
    appendFileSync(
      join(out, 'test.jsonl'),
      '{"id": "new", "title": "New", "abstract": "new", "category": "cs.AI"}\n',
    );
    await expect(loadDataset(out, { seed: 1 })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining(`${out}/test.jsonl: changed since it was prepared`),
      remedy: expect.stringContaining('remove'),
    });
    rmSync(join(out, 'dataset.json'));
    expect((await loadDataset(out, { seed: 1 })).test.at(-1)?.paper.id).toBe('new');
  });

  it.each<[string, (json: string) => string, string]>([
    ['is cut', json => json.slice(0, 100), 'dataset.json: not JSON'],
    [
      'is of another version',
      json => json.replace('"format_version": 1', '"format_version": 2'),
      'format_version is 2, not 1',
    ],
    ['lacks something', json => json.replace('"rule"', '"role"'), 'dataset.json: incomplete'],
    [
      'has other labels',
      json => json.replace('"cs.LG"', '"cs.XX"'),
      '"cs.LG" is not among those of dataset.json',
    ],
  ])('is refused where its record %s', async (_, change, message) => {
    await make();
    writeFileSync(join(out, 'dataset.json'), change(read('dataset.json')));
    await expect(loadDataset(out, { seed: 1 })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining(message),
    });
  });

  it('may be given up while it is read', async () => {
    await make();
    const signal = AbortSignal.abort();
    await expect(loadDataset(out, { seed: 1 }, { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
    rmSync(join(out, 'dataset.json'));
    await expect(loadDataset(out, { seed: 1 }, { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('has chosen its labels', async () => {
    await make();
    await expect(loadDataset(out, { seed: 1, labelColumn: 'doi' })).rejects.toMatchObject({
      code: 'BAD_OPTION',
    });
  });
});

describe('the folder to write', () => {
  it('is replaced only when forced, and only if it is a data set', async () => {
    await make({ seed: 1 });
    const before = read('dataset.json');
    await expect(make({ seed: 2 })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      remedy: expect.stringContaining('--force'),
    });
    expect(read('dataset.json')).toBe(before);
    await make({ seed: 2, force: true });
    expect(JSON.parse(read('dataset.json')).seed).toBe(2);
    expect(readdirSync(scratch).sort()).toEqual(['data', 'papers.jsonl']);
    const thesis = join(scratch, 'thesis');
    mkdirSync(thesis);
    writeFileSync(join(thesis, 'dataset.json'), '{"mine": true}');
    await expect(make({ out: thesis, force: true })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('is not a data set that was prepared here'),
    });
    expect(readdirSync(thesis)).toEqual(['dataset.json']);
  });

  it('is none that holds what is read', async () => {
    await make();
    symlinkSync(scratch, `${scratch}-link`);
    try {
      const data = [file, join(`${scratch}-link`, 'data/train.jsonl')];
      await expect(make({ data, force: true })).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining('would be replaced'),
      });
    } finally {
      rmSync(`${scratch}-link`);
    }
    await loadDataset(out, { seed: 1 });
    const archive = join(out, 'papers.zip');
    writeFileSync(archive, zipOf([{ name: 'papers.jsonl', content: readFileSync(file) }]));
    await expect(make({ data: join(archive, 'papers.jsonl'), force: true })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('would be replaced'),
    });
    await expect(prepare({ out, force: true } as PrepareFolderOptions)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('no files'),
    });
    expect(readdirSync(out)).toContain('papers.zip');
  });

  it('knows an archive by its bytes, whichever file of it is read', async () => {
    const archive = join(scratch, 'papers.zip');
    const bytes = zipOf([{ name: 'papers.jsonl', content: readFileSync(file) }]);
    writeFileSync(archive, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const { sources } = await make({ data: join(archive, 'papers.jsonl') });
    expect(sources).toEqual([{ path: join(archive, 'papers.jsonl'), size: bytes.length, sha256 }]);
  });

  it('stays absent when something fails or is stopped', async () => {
    const stopped = new AbortController();
    const stopping = prepare(
      { data: file, out },
      { signal: stopped.signal, onProgress: () => stopped.abort() },
    );
    await expect(stopping).rejects.toMatchObject({ code: 'CANCELLED' });
    writeFileSync(file, '{"title": "cut');
    await expect(make()).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining(`${file}:1: not JSON`),
    });
    await expect(make({ out: '' })).rejects.toMatchObject({ code: 'BAD_OPTION' });
    await expect(prepare({ data: file } as PrepareFolderOptions)).rejects.toMatchObject({
      code: 'BAD_OPTION',
    });
    expect(readdirSync(scratch)).toEqual(['papers.jsonl']);
  });
});
