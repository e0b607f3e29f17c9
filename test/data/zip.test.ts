import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readPapers } from '../../src/data/read.js';
import { type Member, zipOf } from '../support/zip.js';
import { collect, line, PAPER, path, read, refusal } from './reading.js';

const PAPERS: Member = { name: 'papers.jsonl', content: line(PAPER).repeat(3) };
const CSV: Member = { name: 'papers.csv', content: 'title,abstract\nA,b\n' };
const README: Member = { name: 'README.txt', content: 'Papers.' };

const openFiles = () => readdirSync('/dev/fd').length;

describe('a zip archive', () => {
  it.each<[string, Member[]]>([
    ['deflated', [PAPERS]],
    ['stored', [{ ...PAPERS, method: 0 }]],
    ['in a folder, beside other files', [README, { ...PAPERS, name: 'data/papers.jsonl' }]],
    ['beside what macOS puts there', [{ ...PAPERS, name: '__MACOSX/._papers.jsonl' }, PAPERS]],
    ['with a name that says nothing', [{ ...PAPERS, name: 'data' }]],
    ['that are gzip themselves', [{ name: 'papers.jsonl.gz', content: gzipSync(PAPERS.content) }]],
  ])('gives the papers of its data file, %s, whatever its own name', async (_name, members) => {
    for (const name of ['archive.zip', 'archive'])
      expect(await read(name, zipOf(members))).toMatchObject(Array(3).fill({ title: 'A title' }));
  });

  it('may be of the large format', async () => {
    expect(await read('a.zip', zipOf([README, PAPERS], { zip64: true }))).toHaveLength(3);
  });

  it('may hold far more than itself', async () => {
    const abstract = 'x'.repeat(1 << 20);
    const many = zipOf([{ name: 'a.jsonl', content: line({ title: 'A', abstract }).repeat(64) }]);
    expect(many.length).toBeLessThan(1 << 20);
    let papers = 0;
    writeFileSync(path('a.zip'), many);
    for await (const paper of readPapers(path('a.zip'), { labelled: false })) {
      expect(paper.abstract.length).toBe(1 << 20);
      papers++;
    }
    expect(papers).toBe(64);
  });

  it('with several data files needs to be told which one, as a path', async () => {
    const archive = zipOf([PAPERS, CSV, README]);
    expect(await refusal(read('a.zip', archive))).toBe(
      'a.zip: 2 files are in this archive: papers.jsonl, papers.csv',
    );
    expect(await collect(path('a.zip/papers.jsonl'))).toHaveLength(3);
    expect(await collect(path('a.zip/papers.csv'))).toMatchObject([{ title: 'A', line: 2 }]);
    expect(await refusal(collect(path('a.zip/paper.csv')))).toBe(
      'a.zip: there is no paper.csv in this archive',
    );
    expect(await refusal(collect(path('missing.zip/papers.csv')))).toBe(
      'missing.zip/papers.csv: no such file',
    );
    writeFileSync(path('a.csv'), CSV.content);
    expect(await refusal(collect(path('a.csv/papers.csv')))).toBe('a.csv/papers.csv: no such file');
  });

  it('names the file inside it in messages', async () => {
    const bad = { ...PAPERS, content: `${line(PAPER)}{\n` };
    expect(await refusal(read('a.zip', zipOf([bad])))).toMatch(/^a\.zip\/papers\.jsonl:2: not JSON/);
    const hostile = { ...bad, name: 'a\x1b[2Jb.jsonl' };
    expect(await refusal(read('a.zip', zipOf([hostile])))).toMatch(/^a\.zip\/a\?\[2Jb\.jsonl:2: not JSON/);
  });

  const whole = zipOf([PAPERS]);
  const garbled = Buffer.from(zipOf([{ ...PAPERS, content: line(PAPER).repeat(999) }]));
  garbled.fill(0xff, 60, 90);
  it.each<[string, Buffer, RegExp]>([
    ['that is cut', whole.subarray(0, -30), /^a\.zip: damaged zip archive \(.+\)$/],
    ['that is cut at its beginning', whole.subarray(0, 4), /^a\.zip: damaged zip archive \(.+\)$/],
    ['whose data is damaged', garbled, /^a\.zip\/papers\.jsonl: damaged zip archive \(.+\)$/],
    [
      'whose checksum does not match',
      zipOf([{ ...PAPERS, crc: 7 }]),
      /^a\.zip\/papers\.jsonl: damaged zip archive \(its checksum does not match\)$/,
    ],
    [
      'with less data than it states',
      zipOf([{ ...PAPERS, size: 9999 }]),
      /^a\.zip\/papers\.jsonl: damaged zip archive \(less data than it states\)$/,
    ],
    [
      'with more data than it states',
      zipOf([{ ...PAPERS, size: 7 }]),
      /^a\.zip\/papers\.jsonl: damaged zip archive \(more data than it states\)$/,
    ],
    ['that is encrypted', zipOf([{ ...PAPERS, encrypted: true }]), /^a\.zip\/papers\.jsonl: encrypted$/],
    [
      'compressed in another way',
      zipOf([{ ...PAPERS, method: 14 }]),
      /^a\.zip\/papers\.jsonl: compressed in a way that is not read here \(method 14\)$/,
    ],
    ['without files', zipOf([]), /^a\.zip: a zip archive without files$/],
    ['with folders only', zipOf([{ name: 'data/', content: '', method: 0 }]), /a zip archive without files$/],
    [
      'that points outside itself',
      zipOf([{ ...PAPERS, name: '../a.jsonl' }]),
      /damaged zip archive \(.*\.\.\//,
    ],
    ['with an empty file', zipOf([{ ...PAPERS, content: '' }]), /^a\.zip\/papers\.jsonl: empty/],
    ['with another archive', zipOf([{ name: 'b.zip', content: whole }]), /^a\.zip\/b\.zip: a zip archive/],
    [
      'with an image',
      zipOf([{ name: 'a.png', content: Buffer.from('89504e470d0a1a0a0000000d', 'hex') }]),
      /binary/,
    ],
  ])('%s is refused, errors skipped or not', async (_name, archive, message) => {
    const before = openFiles();
    expect(await refusal(read('a.zip', archive))).toMatch(message);
    expect(await refusal(read('a.zip', archive, { onError: () => {} }))).toMatch(message);
    // A stream closes its file a moment after it ends.
    await expect.poll(openFiles).toBe(before);
  });

  it('cannot be read as a stream', async () => {
    const message =
      'stdin: a zip archive, which is read only as a file of its own; expected JSON lines or CSV, plain or gzip';
    expect(await refusal(collect('-', { input: Readable.from([whole]) }))).toBe(message);
  });

  it('is closed when the reader stops early', async () => {
    writeFileSync(path('a.zip'), zipOf([{ ...PAPERS, content: line(PAPER).repeat(99_999) }]));
    const before = openFiles();
    for await (const paper of readPapers(path('a.zip'), { labelled: false })) {
      expect(paper.line).toBe(1);
      break;
    }
    await expect.poll(openFiles).toBe(before);
  });

  it('tells how many of its bytes were read', async () => {
    const content = line({ title: 'A', abstract: 'x' }).repeat(50_000);
    const archive = zipOf([{ name: 'a.jsonl', content, method: 0 }]);
    let bytes = 0;
    await read('a.zip', archive, {
      onBytes: count => {
        bytes += count;
      },
    });
    expect(bytes).toBe(content.length);
  });
});

it('a folder named as an archive is one', async () => {
  mkdirSync(path('a.zip'));
  expect(await refusal(collect(path('a.zip')))).toBe(
    'a.zip: is a folder; expected a file of JSON lines or CSV',
  );
});
