import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ImportOptions, importPapers } from '../../src/data/import.js';
import { zipOf } from '../support/zip.js';
import { type Fields, ids, kaggle, lines, of, run, written } from './importing.js';
import { line, PAPER, path, refusal } from './reading.js';

describe('the output', () => {
  it('gives the same papers when it is imported itself', async () => {
    await run('a.json', lines(kaggle(), kaggle({ id: '2', title: 'Erdős 大 😀 \u2028' })));
    const first = readFileSync(path('out.jsonl'), 'utf8');
    await importPapers([path('out.jsonl')], { output: path('again.jsonl') });
    expect(readFileSync(path('again.jsonl'), 'utf8')).toBe(first);
  });

  it('holds all files in their order, standard input among them', async () => {
    writeFileSync(path('a.jsonl'), line({ ...PAPER, id: 'a' }));
    writeFileSync(path('b.csv'), 'id,title,abstract\nb,T,A\n');
    const input = Readable.from([Buffer.from(line({ ...PAPER, id: 'c' }))]);
    await importPapers([path('b.csv'), '-', path('a.jsonl')], { output: path('out.jsonl') }, { input });
    expect(ids()).toEqual(['b', 'c', 'a']);
  });

  it('is not replaced unless that is asked for, and never where it is read', async () => {
    writeFileSync(path('out.jsonl'), line(PAPER));
    const before = readFileSync(path('out.jsonl'), 'utf8');
    expect(await refusal(run('a.jsonl', line(PAPER)), 'BAD_OPTION')).toBe('out.jsonl exists already');
    const itself = importPapers([path('out.jsonl')], { output: path('out.jsonl'), force: true });
    expect(await refusal(itself, 'BAD_OPTION')).toBe('out.jsonl is the input: it is not replaced');
    const archive = zipOf([{ name: 'a.jsonl', content: line(PAPER) }]);
    writeFileSync(path('a.zip'), archive);
    const inside = importPapers([path('a.zip/a.jsonl')], { output: path('a.zip'), force: true });
    expect(await refusal(inside, 'BAD_OPTION')).toBe('a.zip is the input: it is not replaced');
    expect(await refusal(run('bad.jsonl', '{', { force: true }))).toMatch(/^bad\.jsonl:1: not JSON/);
    expect(readFileSync(path('out.jsonl'), 'utf8')).toBe(before);
    expect(readdirSync(path('.')).filter(name => name.includes('.part'))).toEqual([]);
  });

  it('holds papers without any text, which prepare counts, but no made-up id', async () => {
    await run('a.jsonl', lines(PAPER, { title: '', abstract: null }));
    expect(written()[1]).toEqual({ title: '', abstract: '', categories: [] });
  });
});

describe('bad input', () => {
  it.each<[string, string | Uint8Array, string]>([
    ['empty.jsonl', '', 'empty.jsonl: empty; there are no papers in it'],
    [
      'cut.json.gz',
      gzipSync(line(kaggle())).subarray(0, -9),
      'cut.json.gz: the gzip data ends in the middle',
    ],
    ['latin1.csv', Buffer.from('title,abstract\nCaf\xe9,b\n', 'latin1'), 'latin1.csv:2: not UTF-8'],
    [
      'utf16.csv',
      Buffer.from('\uFEFFtitle,abstract\nA,b\n', 'utf16le'),
      'utf16.csv: UTF-16 text; expected UTF-8',
    ],
  ])('%s is refused', async (name, content, message) => {
    expect(await refusal(run(name, content))).toBe(message);
    expect(readdirSync(path('.'))).toEqual([name]);
  });

  it('is refused: a folder, and nothing', async () => {
    mkdirSync(path('folder'));
    const output = path('out.jsonl');
    expect(await refusal(importPapers([path('folder')], { output }))).toMatch(/^folder: is a folder/);
    expect(await refusal(importPapers([path('a.jsonl')], { output }))).toBe('a.jsonl: no such file');
  });

  // Nothing is unreadable to root.
  it.skipIf(process.getuid?.() === 0)('is refused: what may not be read', async () => {
    writeFileSync(path('a.jsonl'), line(PAPER), { mode: 0 });
    const importing = importPapers([path('a.jsonl')], { output: path('out.jsonl') });
    expect(await refusal(importing, 'IO')).toBe('a.jsonl: cannot be read (EACCES)');
  });

  it('stops, or is passed over and counted', async () => {
    const content = `${line(PAPER)}{\n[]\n${line({ id: 'b' })}${line({ ...PAPER, id: 'c' })}`;
    expect(await refusal(run('a.jsonl', content))).toMatch(/^a\.jsonl:2: not JSON/);
    const result = await run('a.jsonl', content, { onError: 'skip' });
    expect(result).toMatchObject({ read: 5, kept: 2, errors: 3 });
    expect(ids()).toEqual(['2506.00019', 'c']);
    expect(await refusal(run('a.jsonl', '{\n', { onError: 'skip', force: true }))).toBe(
      'a.jsonl: none of 1 papers is kept: 1 bad',
    );
  });
});

describe('options', () => {
  it.each<[Fields, string]>([
    [{ colums: {} }, 'importPapers: there is no option "colums"'],
    [{ output: undefined }, 'importPapers: no "output"'],
    [{ format: 'xml' }, 'importPapers: "format" must be one of jsonl, csv, kaggle, not "xml"'],
    [{ onError: 'stop' }, 'importPapers: "onError" must be one of fail, skip, not "stop"'],
    [{ columns: { titel: 'A' } }, 'papers have no "titel" that a column could hold'],
    [{ columns: { title: ' ' } }, 'the column for "title" must be a name'],
    [{ columns: null }, '"columns" must be an object, not null'],
    [{ categories: 'cs.AI' }, '"categories" must be a list of names, not "cs.AI"'],
    [{ categories: [] }, '"categories" must be a list of names, not []'],
    [{ categories: ['cs.AI', ''] }, '"categories" must be a list of names, not ["cs.AI",""]'],
    [{ primaryOnly: true }, '"primaryOnly" goes with "categories"'],
    [{ force: 'yes' }, 'importPapers: "force" must be a boolean, not "yes"'],
  ])('%j are refused', async (options, message) => {
    expect(await refusal(run('a.jsonl', line(PAPER), options), 'BAD_OPTION')).toBe(message);
  });

  it('without files are refused', async () => {
    for (const files of [[], [''], 'a.jsonl'] as unknown as string[][]) {
      expect(await refusal(importPapers(files, { output: path('out.jsonl') }), 'BAD_OPTION')).toMatch(
        /"files"/,
      );
    }
  });
});

describe('a long import', () => {
  it('tells how far it is, in bytes of the files', async () => {
    writeFileSync(path('a.jsonl'), line(PAPER).repeat(9999));
    writeFileSync(path('b.zip'), zipOf([{ name: 'b.jsonl', content: line(PAPER).repeat(9999) }]));
    const seen: { done: number; total: number }[] = [];
    const files = [path('a.jsonl'), path('b.zip')];
    const total = files.reduce((sum, file) => sum + readFileSync(file).length, 0);
    await importPapers(files, { output: path('out.jsonl') }, { onProgress: each => seen.push(each) });
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.every(each => each.total === total)).toBe(true);
    expect(seen.map(({ done }) => done)).toEqual(seen.map(({ done }) => done).sort((a, b) => a - b));
    expect(seen.at(-1)).toEqual({ done: total, total });
  });

  it.each<[string, string, string, Partial<ImportOptions>]>([
    ['papers that are kept', 'a.jsonl', line(PAPER), {}],
    ['papers that are left out', 'a.jsonl', line(PAPER), { categories: ['math.CO'] }],
    ['lines that are skipped', 'a.jsonl', line(of('math.CO')), { categories: ['cs.AI'] }],
    ['bad lines', 'a.jsonl', `{${'A'.repeat(999)}\n`, { onError: 'skip' }],
    ['rows that are left out', 'a.csv', `A,${'b'.repeat(999)}\n`, { categories: ['math.CO'] }],
    ['bad rows', 'a.csv', `${'A'.repeat(999)}\n`, { onError: 'skip' }],
  ])('of %s can be cancelled at any time, and leaves nothing', async (_what, name, record, options) => {
    const controller = new AbortController();
    let pieces = 0;
    const onProgress = () => {
      pieces++;
      controller.abort();
    };
    const count = Math.ceil((6 << 20) / record.length);
    const content = (name === 'a.csv' ? 'title,abstract\n' : '') + record.repeat(count);
    const importing = run(name, content, options, { signal: controller.signal, onProgress });
    expect(await refusal(importing, 'CANCELLED')).toBe(`importing ${name}: cancelled`);
    // A quarter of a megabyte each.
    expect(pieces).toBeLessThan(8);
    expect(readdirSync(path('.'))).toEqual([name]);
  });

  it('can be cancelled while it waits for standard input', async () => {
    const controller = new AbortController();
    const input = new Readable({ read() {} });
    input.push(line(PAPER));
    const options = { output: path('out.jsonl') };
    const importing = importPapers(['-'], options, { input, signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    expect(await refusal(importing, 'CANCELLED')).toBe('importing -: cancelled');
    expect(readdirSync(path('.'))).toEqual([]);
  });
});

it('warns of papers with neither category nor label', async () => {
  const rows = (topic: string) => `title,abstract,Topic\nT,A,${topic}\nU,B,x\nV,,x\n`;
  const result = await run('a.csv', rows('y'));
  expect(result.warnings).toEqual([
    '2 papers have neither category nor label: name its field with --label-column',
  ]);
  const labelled = await run('a.csv', rows('y'), { labelColumn: 'Topic', force: true });
  expect(labelled.warnings).toEqual([]);
});
