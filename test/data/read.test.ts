import { mkdirSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readPapers } from '../../src/data/read.js';
import { MAX_RECORD_BYTES } from '../../src/data/records.js';
import { type Content, collect, line, PAPER, path, read, readOn, refusal } from './reading.js';

const EXPECTED = { ...PAPER, version: 2, label: 'cs.AI', line: 1 };
const { version: _, ...UNVERSIONED } = EXPECTED;

describe('JSON lines', () => {
  it('gives papers with their line, past blank lines and a last line without end', async () => {
    const content = `${line(PAPER)}\n  \r\n${line({ ...PAPER, id: 'b' }).trim()}`;
    expect(await read('papers.jsonl', content)).toEqual([EXPECTED, { ...UNVERSIONED, id: 'b', line: 4 }]);
  });

  it('are read from gzip, whatever the name, in one member or several', async () => {
    const packed = Buffer.concat([gzipSync(line(PAPER)), gzipSync(line(PAPER))]);
    for (const name of ['papers.jsonl.gz', 'papers.jsonl', 'papers'])
      expect(await read(name, packed)).toHaveLength(2);
  });

  it('are read from standard input, in chunks that end anywhere', async () => {
    const bytes = Buffer.from(line({ ...PAPER, title: 'Erdős 大 😀' }).repeat(3));
    const chunks = Array.from(bytes, byte => Buffer.of(byte));
    const papers = await collect('-', { input: Readable.from(chunks) });
    expect(papers.map(({ title }) => title)).toEqual(Array(3).fill('Erdős 大 😀'));
  });

  it('give each paper of a stream before the next one comes', async () => {
    const input = new Readable({ read() {} });
    const papers = readPapers('-', { labelled: false, input });
    for (const id of ['a', 'b', 'c']) {
      input.push(line({ ...PAPER, id }));
      expect((await papers.next()).value).toMatchObject({ id });
    }
    input.push(null);
    expect((await papers.next()).done).toBe(true);
  });

  it('may begin with a byte order mark', async () => {
    expect(await read('papers.jsonl', `\uFEFF${line(PAPER)}`)).toEqual([EXPECTED]);
  });

  it('close the file when the reader stops early', async () => {
    for (const content of [line(PAPER).repeat(9), gzipSync(line(PAPER).repeat(9))]) {
      writeFileSync(path('papers.jsonl'), content);
      for await (const paper of readPapers(path('papers.jsonl'), { labelled: true })) {
        expect(paper.line).toBe(1);
        break;
      }
    }
  });

  it.each([
    ['text', 'hello', /^papers\.jsonl:2: not JSON \(Unexpected token .+\)$/],
    ['half an object', '{"title": "A', /^papers\.jsonl:2: not JSON \(.+\)$/],
    [
      'an array',
      '[{"title": "A", "abstract": "b"}]',
      /^papers\.jsonl:2: an array; expected one object a line$/,
    ],
    ['a number', '42', /^papers\.jsonl:2: 42; expected an object with title and abstract$/],
    ['null', 'null', /^papers\.jsonl:2: null; expected an object with title and abstract$/],
    ['no abstract', '{"id": 1, "title": "A"}', /^papers\.jsonl:2: no "abstract" \(found: id, title\)$/],
    ['an empty object', '{}', /^papers\.jsonl:2: no "title" \(found: nothing\)$/],
    [
      'a number for a title',
      '{"title": 7, "abstract": "b"}',
      /^papers\.jsonl:2: "title" is 7; expected text$/,
    ],
    [
      'no text at all',
      '{"title": " ", "abstract": null}',
      /^papers\.jsonl:2: title and abstract are both empty$/,
    ],
    [
      'a split of the name of what every object has',
      '{"title": "A", "abstract": "b", "split": "constructor"}',
      /^papers\.jsonl:2: split "constructor" is unknown/,
    ],
    [
      'an unknown split',
      '{"title": "A", "abstract": "b", "split": "eval"}',
      /^papers\.jsonl:2: split "eval" is unknown; expected train, validation or test$/,
    ],
  ])('refuse %s by its line, or go on with the next', async (_name, bad, message) => {
    const content = `${line(PAPER)}${bad}\n${line({ ...PAPER, title: 'Next' })}`;
    expect(await refusal(read('papers.jsonl', content))).toMatch(message);
    const { titles, errors } = await readOn('papers.jsonl', content);
    expect(titles).toEqual(['A title', 'Next']);
    expect(errors).toEqual([expect.stringMatching(message)]);
  });

  it('refuse a line in another encoding', async () => {
    const content = Buffer.concat([
      Buffer.from(line(PAPER)),
      Buffer.from(line({ ...PAPER, title: 'café' }), 'latin1'),
      Buffer.from(line({ ...PAPER, title: 'Next' })),
    ]);
    expect(await readOn('papers.jsonl', content)).toEqual({
      titles: ['A title', 'Next'],
      errors: ['papers.jsonl:2: not UTF-8'],
    });
  });

  it('refuse a line that would not fit in memory, and go on after it', async () => {
    const chunk = Buffer.alloc(1 << 20, 'x');
    function* chunks() {
      yield Buffer.from(line(PAPER));
      for (let i = 0; i <= MAX_RECORD_BYTES / chunk.length; i++) yield chunk;
      yield Buffer.from(`\n${line({ ...PAPER, title: 'Next' })}`);
    }
    const errors: string[] = [];
    const papers = await collect('-', {
      input: Readable.from(chunks()),
      onError: error => errors.push(error.message),
    });
    expect(papers.map(({ title }) => title)).toEqual(['A title', 'Next']);
    expect(errors).toEqual(['stdin:2: longer than 16 MiB; expected one paper a record']);
  });
});

describe('labels', () => {
  it.each<[object, string[]]>([
    [{ categories: ['cs.AI', ' cs.LG ', 'cs.AI'] }, ['cs.AI', 'cs.LG']],
    [{ categories: 'cs.AI cs.LG  math.OC' }, ['cs.AI', 'cs.LG', 'math.OC']],
    [{ categories: 'hep-th, cs.AI,' }, ['hep-th', 'cs.AI']],
    [{ category: 'cs.CL' }, ['cs.CL']],
    [{ category: 'cs.CL', categories: ['cs.AI', 'cs.CL'] }, ['cs.CL', 'cs.AI']],
    [{ category: 'Machine Learning' }, ['Machine Learning']],
    [{ categories: 'soil science, tillage' }, ['soil science', 'tillage']],
    [{ category: 'Math, pure' }, ['Math, pure']],
    [{ category: 'cs.CL, cs.AI stat.ML' }, ['cs.CL', 'cs.AI', 'stat.ML']],
  ])('of %j', async (fields, categories) => {
    const { title, abstract } = PAPER;
    const [paper] = await read('papers.jsonl', line({ title, abstract, ...fields }), { labelled: true });
    expect(paper!.categories).toEqual(categories);
  });

  it.each<[object, string]>([
    [{}, 'papers.jsonl:1: no category (found: title, abstract)'],
    [
      { categories: ['cs.AI', null] },
      'papers.jsonl:1: "categories" has null at position 2; expected text or an array of texts',
    ],
    [{ categories: [] }, 'papers.jsonl:1: no category (found: title, abstract, categories)'],
    [{ category: ' ' }, 'papers.jsonl:1: no category (found: title, abstract, category)'],
    [{ category: 3 }, 'papers.jsonl:1: "category" is 3; expected text or an array of texts'],
    [
      { categories: ['cs.AI', 3] },
      'papers.jsonl:1: "categories" has 3 at position 2; expected text or an array of texts',
    ],
    [
      { categories: { a: 1 } },
      'papers.jsonl:1: "categories" is an object; expected text or an array of texts',
    ],
  ])('%j are refused where labels are needed, only', async (fields, message) => {
    const { title, abstract } = PAPER;
    const content = line({ title, abstract, ...fields });
    expect(await refusal(read('papers.jsonl', content, { labelled: true }))).toBe(message);
    expect(await read('papers.jsonl', content)).toEqual([
      { id: 'line-1', title, abstract, categories: [], label: '', line: 1 },
    ]);
  });
});

describe('text', () => {
  const clean = async (title: string) =>
    (await read('papers.jsonl', line({ title, abstract: 'b' })))[0]!.title;

  it('has its white space and control characters collapsed, and half surrogates replaced', async () => {
    expect(await clean('  A\n  b\t\u00a0c\u0000d\u001f\u0085e\u3000 ')).toBe('A b c d e');
    expect(await clean('x\ud83dy \udc00')).toBe('x\uFFFDy \uFFFD');
    expect(await clean('😀 e\u0301 \u200d \ufeff \u00ad É')).toBe('😀 e\u0301 \u200d \ufeff \u00ad É');
  });

  it('may hold raw control characters', async () => {
    const [paper] = await read('papers.jsonl', '{"title": "A\0b\tc", "abstract": "d"}\n');
    expect(paper!.title).toBe('A b c');
  });

  it('may be 2 MB long', async () => {
    const abstract = 'neural network '.repeat(140_000).trim();
    const [paper] = await read('papers.jsonl', line({ title: 'A', abstract }));
    expect(paper!.abstract).toBe(abstract);
  });

  it('gets an id of its line where it has none; a number is one', async () => {
    const content = [{}, { id: null }, { id: ' ' }, { id: 7 }]
      .map(id => line({ ...PAPER, id: undefined, ...id }))
      .join('');
    expect((await read('papers.jsonl', content)).map(({ id }) => id)).toEqual([
      'line-1',
      'line-2',
      'line-3',
      '7',
    ]);
  });

  it('has a split by any of its names', async () => {
    const names = ['train', 'Validation', 'val', 'valid', 'dev', 'TEST', '', null];
    const papers = await read('papers.jsonl', names.map(split => line({ ...PAPER, split })).join(''));
    expect(papers.map(({ split }) => split)).toEqual([
      'train',
      ...Array(4).fill('validation'),
      'test',
      undefined,
      undefined,
    ]);
  });
});

describe('what is no file of papers', () => {
  it.each([line(PAPER), gzipSync(line(PAPER))])('a stream that fails is reported (%#)', async content => {
    async function* chunks() {
      yield Buffer.from(content).subarray(0, 10);
      throw Object.assign(new Error('i/o error'), { code: 'EIO' });
    }
    expect(await refusal(collect('-', { input: Readable.from(chunks()) }), 'IO')).toBe(
      'stdin: cannot be read (EIO)',
    );
  });

  it('is refused by name', async () => {
    expect(await refusal(collect(path('missing.jsonl')))).toBe('missing.jsonl: no such file');
    mkdirSync(path('folder'));
    expect(await refusal(collect(path('folder')))).toBe(
      'folder: is a folder; expected a file of JSON lines or CSV',
    );
  });

  it.each<[string, Content, string]>([
    ['an empty file', '', 'p.jsonl: empty; there are no papers in it'],
    ['empty gzip', gzipSync(''), 'p.jsonl: empty; there are no papers in it'],
    ['blank lines', '\n \n', 'p.jsonl: there are no papers in it'],
    ['a lone byte order mark', '\uFEFF', 'p.jsonl: empty; there are no papers in it'],
    [
      'zstd',
      Buffer.from('28b52ffd04', 'hex'),
      'p.jsonl: zstd-compressed; expected JSON lines or CSV, plain or gzip',
    ],
    [
      'UTF-16 with a mark',
      Buffer.from(`\uFEFF${line(PAPER)}`, 'utf16le'),
      'p.jsonl: UTF-16 text; expected UTF-8',
    ],
    ['UTF-16 without', Buffer.from(line(PAPER), 'utf16le'), 'p.jsonl: UTF-16 text; expected UTF-8'],
    [
      'binary data',
      Buffer.from(Array.from({ length: 999 }, (_, i) => (i * 37) % 256)),
      'p.jsonl: binary data; expected JSON lines or CSV in UTF-8',
    ],
  ])('%s is refused, errors skipped or not', async (_name, content, message) => {
    expect(await refusal(read('p.jsonl', content))).toBe(message);
    expect(await refusal(read('p.jsonl', content, { onError: () => {} }))).toBe(message);
  });

  it('damaged gzip is refused', async () => {
    const packed = gzipSync(line(PAPER));
    packed.fill(0xff, 40, 60);
    expect(await refusal(read('p.jsonl', packed))).toMatch(/^p\.jsonl: damaged gzip data \(.+\)$/);
  });

  it('gzip that ends in the middle gives the whole papers before, then the refusal', async () => {
    const content = Array.from({ length: 5000 }, (_, i) => line({ ...PAPER, title: `Title ${i * i}` })).join(
      '',
    );
    const packed = gzipSync(content);
    const titles: string[] = [];
    writeFileSync(path('cut.jsonl.gz'), packed.subarray(0, packed.length / 2));
    const reading = (async () => {
      for await (const { title } of readPapers(path('cut.jsonl.gz'), { labelled: false })) titles.push(title);
    })();
    expect(await refusal(reading)).toBe('cut.jsonl.gz: the gzip data ends in the middle');
    expect(titles.length).toBeGreaterThan(100);
    expect(titles).toEqual(titles.map((_, i) => `Title ${i * i}`));
  });
});
