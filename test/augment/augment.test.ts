import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AugmentEvent, AugmentOptions, AugmentResult } from '../../src/augment/augment.js';
import { lockCopies } from '../../src/data/copies.js';
import { loadDataset } from '../../src/data/dataset.js';
import { prepare } from '../../src/data/prepared-folder.js';
import { ArxivNativeError } from '../../src/errors.js';
import { fake, fakeKind } from './fake-translator.js';

vi.mock('../../src/augment/translators.js', () => ({ TRANSLATORS: { bergamot: async () => fakeKind } }));
const { augment } = await import('../../src/augment/augment.js');

const scratch = mkdtempSync(join(tmpdir(), 'augment-'));
process.env.ARXIV_NATIVE_CACHE = join(scratch, 'cache');
afterAll(() => rmSync(scratch, { recursive: true }));

const papers = join(scratch, 'papers.jsonl');
writeFileSync(
  papers,
  Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({
      id: `2501.${String(i).padStart(5, '0')}`,
      title: `Paper ${i}`,
      abstract: `We study thing ${i} by $x_${i}$. It is not bad at all, as we show.`,
      categories: [i % 2 === 0 ? 'cs.AI' : 'cs.CL', 'stat.ML'],
    }),
  ).join('\n'),
);
const prepared = join(scratch, 'prepared');
await prepare({ data: papers, out: prepared });

let data: string;
let count = 0;
beforeEach(() => {
  data = join(scratch, `data-${count++}`);
  cpSync(prepared, data, { recursive: true });
  fake.reset();
  fake.say = text => ({ text: text.replace('not bad', 'good').replace(/^(We study|Studied)/, 'Studied') });
});

const run = (over: Partial<AugmentOptions> = {}, hooks: Parameters<typeof augment>[1] = {}) =>
  augment({ data, category: 'cs.AI', samples: 5, ...over }, hooks);
const lines = (file: string) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
const failure = (promise: Promise<unknown>): Promise<ArxivNativeError> =>
  promise.then(
    () => Promise.reject(new Error('nothing was thrown')),
    error => error,
  );

describe('augment', () => {
  it('writes copies of training papers beside the splits, which stay as they are', async () => {
    const events: AugmentEvent[] = [];
    const result = await run({}, { onProgress: event => events.push(event) });
    const train = lines(join(data, 'train.jsonl'));
    const copies = lines(result.file);
    expect(copies).toHaveLength(5);
    for (const copy of copies) {
      const parent = train.find(({ id }) => id === copy.parent);
      const { id, title, abstract, categories } = parent;
      expect(copy).toMatchObject({ id: `${id}~es`, title, categories, parent: id });
      expect(copy.abstract).toBe(abstract.replace('We study', 'Studied').replace('not bad', 'good'));
      expect(copy.translator).toMatch(/^fake \d+, en-es; fake \d+, es-en$/);
    }
    expect(result).toMatchObject({
      category: 'cs.AI',
      samples: 5,
      seed: 42,
      copies: 5,
      dropped: {},
      pivots: ['es'],
    });
    expect(result.drawn).toEqual(copies.map(({ parent }) => parent));
    for (const part of ['train', 'validation', 'test']) {
      const name = `${part}.jsonl`;
      expect(readFileSync(join(data, name), 'utf8')).toBe(readFileSync(join(prepared, name), 'utf8'));
    }
    const plan = events.find(event => event.type === 'augment');
    expect(plan).toMatchObject({
      plan: { papers: 5, words: 75, download: 10, models: ['fake en-es', 'fake es-en'] },
    });
    expect(events.at(-1)).toMatchObject({
      type: 'translating',
      from: 'es',
      to: 'en',
      papers: 5,
      ofPapers: 5,
    });
    const { train: own, copies: read } = await loadDataset(data, { seed: 1, copies: true });
    expect(read).toMatchObject({ fingerprint: result.fingerprint, record: { seed: 42 } });
    expect(read!.examples.map(({ label }) => label)).toEqual([0, 0, 0, 0, 0]);
    expect(own.some(({ paper }) => paper.parent !== undefined)).toBe(false);
    expect(fake.open).toBe(0);
  });

  it('draws by the seed, all papers where there are fewer, and a copy for each language', async () => {
    const first = (await run({ seed: 1 })).drawn;
    expect((await run({ seed: 1, force: true })).drawn).toEqual(first);
    expect((await run({ seed: 2, force: true })).drawn).not.toEqual(first);
    const all = await run({ samples: 1000, pivot: ['es', 'pt'], force: true });
    expect(all.drawn).toHaveLength(14);
    expect(all).toMatchObject({ copies: 28, pivots: ['es', 'pt'] });
    expect(new Set(lines(all.file).map(({ id }) => id)).size).toBe(28);
  });

  it('counts what is worth nothing, and takes no original for a copy', async () => {
    const { drawn } = await run();
    const number = (i: number) => String(Number(drawn[i]!.slice(5)));
    const spoilt: Record<string, (text: string, to: string) => { text: string } | { failure: string }> = {
      [number(0)]: () => ({ failure: 'too long' }),
      [number(1)]: (text, to) => (to === 'en' ? { failure: 'too long' } : { text }),
      [number(2)]: text => ({ text: text.replace(/XQ\d/, '') }),
      [number(3)]: text => ({ text: `${text} ${'again '.repeat(20)}` }),
    };
    fake.reset();
    fake.say = (text, { to }) => {
      const [, thing] = /thing (\d+)/.exec(text) ?? [];
      return spoilt[thing ?? '']?.(text, to) ?? { text };
    };
    const { code, message } = await failure(run({ force: true }));
    expect(code).toBe('TRANSLATOR');
    for (const part of ['2 × too long', '1 × a formula', '1 × much longer', '1 × identical']) {
      expect(message).toContain(part);
    }
    // The copies that were there stay.
    expect(lines(join(data, 'augmented.jsonl'))).toHaveLength(5);
  });

  it('counts a copy of which one sentence lost its end', async () => {
    fake.say = (text, { to }) => ({ text: to === 'en' ? text.replace(/not bad.*/, 'fine.') : text });
    const long = 'It is not bad at all, as we show by long rows of experiments on many things.';
    const file = join(data, 'train.jsonl');
    const papers = lines(file).map(paper => ({
      ...paper,
      abstract: `We show ${paper.title}, ${'and it is new '.repeat(20)}. ${long}`,
    }));
    writeFileSync(file, papers.map(paper => JSON.stringify(paper)).join('\n'));
    rmSync(join(data, 'dataset.json'));
    expect((await failure(run())).message).toContain('5 × a sentence much shorter than the original');
  });

  it('says that there is nothing to translate where no paper has an abstract', async () => {
    const file = join(data, 'train.jsonl');
    const empty = lines(file).map(paper => JSON.stringify({ ...paper, abstract: '' }));
    writeFileSync(file, empty.join('\n'));
    rmSync(join(data, 'dataset.json'));
    expect(await failure(run())).toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('has an abstract'),
    });
  });

  it('names the variable of the cache where it cannot be written', async () => {
    const cache = process.env.ARXIV_NATIVE_CACHE!;
    process.env.ARXIV_NATIVE_CACHE = papers;
    try {
      expect(await failure(run())).toMatchObject({
        code: 'IO',
        remedy: expect.stringContaining('ARXIV_NATIVE_CACHE'),
      });
    } finally {
      process.env.ARXIV_NATIVE_CACHE = cache;
    }
  });

  it('drops copies with words that the translator does not know, and keeps its marks out of the others', async () => {
    fake.mark = '*';
    fake.say = (text, { to }) =>
      to === 'es'
        ? { text: text.replace('thing', '*thing') }
        : { text: text.replace(/thing (?=\d*[02468]\b)/, '*thing ').replace('not bad', '*muybueno') };
    expect((await failure(run())).message).toContain('5 × words that the translator does not know');
    expect(fake.asked.some(text => text.includes('*'))).toBe(false);
    fake.version++;
    fake.say = (text, { to }) => ({
      text: to === 'es' ? text : text.replace('thing', '*thing').replace('not', 'so'),
    });
    for (const { abstract } of lines((await run()).file)) expect(abstract).not.toContain('*');
  });

  it('tells of a batch at once, not of its first text', async () => {
    const words: number[] = [];
    await run(
      {},
      { onProgress: event => event.type === 'translating' && event.to === 'es' && words.push(event.words) },
    );
    expect(words).toEqual([0, 39]);
  });

  it('goes on where it broke down, and asks for each text once', async () => {
    const say = fake.say;
    let left = 4;
    fake.say = (text, options) => {
      if (left-- === 0) throw new ArxivNativeError('TRANSLATOR', 'killed');
      return say(text, options);
    };
    expect(await failure(run())).toMatchObject({ code: 'TRANSLATOR', message: 'killed' });
    expect(fake.open).toBe(0);
    expect(existsSync(join(data, 'augmented.jsonl'))).toBe(false);
    fake.say = say;
    const before = [...fake.asked];
    fake.asked = [];
    await run();
    // Five sentences of papers and one that all share, there and back; four were known.
    expect(fake.asked).toHaveLength(2 * 6 - 4);
    for (const text of before.slice(0, 4)) expect(fake.asked).not.toContain(text);
    fake.asked = [];
    await run({ force: true });
    expect(fake.asked).toEqual([]);
  });

  it('sends whole abstracts where asked to, and formulas never', async () => {
    await run({ whole: true, beams: 2, threads: 3 });
    expect(fake.asked).toHaveLength(10);
    expect(fake.asked[0]).toMatch(/XQ1\. It is/);
    expect(fake.options[0]).toMatchObject({
      from: 'en',
      to: 'es',
      whole: true,
      beams: 2,
      threads: 3,
      seed: 42,
    });
  });

  it.each<[string, Partial<AugmentOptions>, string, RegExp]>([
    ['a bare file', { data: papers }, 'BAD_INPUT', /no folder of splits/],
    ['a class that is none', { category: 'cs.Al' }, 'BAD_OPTION', /no class "cs.Al"/],
    ['no papers', { samples: 0 }, 'BAD_OPTION', /"samples" must be/],
    ['English to go through', { pivot: ['en'] }, 'BAD_OPTION', /in English/],
    ['a path for a language', { pivot: ['../x'] }, 'BAD_OPTION', /list of languages/],
    ['another translator', { translator: 'google' as never }, 'BAD_OPTION', /must be one of/],
    ['a temperature and beams', { temperature: 1, beams: 4 }, 'BAD_OPTION', /sampling/],
    ['a name that is no option', { leaky: true } as never, 'BAD_OPTION', /no option "leaky"/],
  ])('refuses %s', async (_, over, code, message) => {
    const error = await failure(run(over));
    expect(error).toMatchObject({ code });
    expect(error.message).toMatch(message);
  });

  it('replaces copies only by force', async () => {
    await run();
    expect(await failure(run())).toMatchObject({
      code: 'BAD_OPTION',
      remedy: expect.stringContaining('--force'),
    });
  });

  it('leaves the copies that another process put there meanwhile', async () => {
    let said = 0;
    fake.say = text => ({ text: `${text.replace(/^We study/, 'Studied')} ${said++}` });
    const [first, second] = await Promise.allSettled([run(), run()]);
    const [kept, refused] = first.status === 'fulfilled' ? [first, second] : [second, first];
    expect(kept).toMatchObject({ status: 'fulfilled' });
    expect(refused).toMatchObject({
      reason: { code: 'BAD_OPTION', remedy: expect.stringContaining('--force') },
    });
    const { copies } = await loadDataset(data, { seed: 1, copies: true });
    expect(copies?.fingerprint).toBe((kept as PromiseFulfilledResult<AugmentResult>).value.fingerprint);
  });

  it('says that it waits for another process, and stops waiting on its signal', async () => {
    const controller = new AbortController();
    const types: string[] = [];
    const onProgress = ({ type }: AugmentEvent) => {
      types.push(type);
      if (type === 'waiting') controller.abort();
    };
    const error = await lockCopies(
      data,
      () => failure(run({}, { onProgress, signal: controller.signal })),
      {},
    );
    expect(error).toMatchObject({ code: 'CANCELLED' });
    expect(types.at(-1)).toBe('waiting');
    expect(existsSync(join(data, 'augmented.jsonl'))).toBe(false);
  });

  it.skipIf(process.getuid?.() === 0)('translates nothing for a folder that it may not write', async () => {
    chmodSync(data, 0o500);
    expect(await failure(run())).toMatchObject({ code: 'IO' });
    chmodSync(data, 0o700);
    expect(fake.asked).toEqual([]);
  });

  it('draws nobody who stands on another side too, where rows were split', async () => {
    const out = join(scratch, 'rows');
    await prepare({ data: papers, out, labels: 'query', categories: ['cs.AI', 'stat.ML'] });
    const { drawn } = await augment({ data: out, category: 'cs.AI', samples: 1000 });
    const elsewhere = ['validation', 'test'].flatMap(part =>
      lines(join(out, `${part}.jsonl`)).map(({ id }) => id),
    );
    expect(elsewhere.length).toBeGreaterThan(0);
    expect(drawn.length).toBeGreaterThan(0);
    expect(drawn.filter(id => elsewhere.includes(id))).toEqual([]);
    await loadDataset(out, { seed: 1, copies: true });
  });
});

describe('copies beside the splits', () => {
  const loading = () => failure(loadDataset(data, { seed: 1, copies: true }));
  const rewrite = (change: (copy: Record<string, unknown>) => object) => {
    const file = join(data, 'augmented.jsonl');
    const changed = lines(file).map(copy => JSON.stringify(change(copy)));
    writeFileSync(file, `${changed.join('\n')}\n`);
  };

  it('are refused when they were changed', async () => {
    await run();
    rewrite(copy => ({ ...copy, title: 'other' }));
    expect(await loading()).toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('not as it was written'),
    });
  });

  describe('of papers without ids', () => {
    const write = (part: string, things: number[]) => {
      const paper = (i: number) => ({ title: `Paper ${i}`, abstract: `We study thing ${i}.` });
      const papers = things.map(i => JSON.stringify({ ...paper(i), topic: i % 2 === 0 ? 'even' : 'odd' }));
      writeFileSync(join(data, `${part}.jsonl`), papers.join('\n'));
    };
    const over = { category: 'even', samples: 2, labelColumn: 'topic' };
    const load = () => loadDataset(data, { seed: 2, labelColumn: 'topic', copies: true });
    beforeEach(() => {
      rmSync(join(data, 'dataset.json'));
      write('train', [0, 1, 2, 3]);
      write('validation', [4, 5]);
      write('test', [6, 7]);
    });

    it('are taken with the label column that they were made by', async () => {
      expect((await failure(run({ ...over, labelColumn: undefined }))).remedy).toContain('--label-column');
      await run(over);
      expect((await load()).copies?.examples.map(({ label }) => label)).toEqual([0, 0]);
    });

    it('are refused once the papers were dealt anew', async () => {
      await run(over);
      write('train', [6, 1, 4, 3]);
      write('validation', [2, 5]);
      write('test', [0, 7]);
      const error = await failure(load());
      expect(error).toMatchObject({ code: 'BAD_INPUT', remedy: expect.stringContaining('--force') });
      expect(error.message).toContain('the copies are of other data');
      rmSync(join(data, 'augmented.json'));
      expect((await failure(load())).message).toContain('named by its line alone');
      await run({ ...over, force: true });
      expect((await load()).copies?.examples).toHaveLength(2);
    });

    it('are not written where the papers were dealt anew meanwhile', async () => {
      fake.say = text => {
        write('train', [2, 1, 0, 3]);
        return { text: text.replace('study', 'examine') };
      };
      expect(await failure(run(over))).toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringContaining('the data changed'),
      });
      expect(existsSync(join(data, 'augmented.jsonl'))).toBe(false);
    });
  });

  it.each<[string, (copy: Record<string, unknown>) => object, RegExp]>([
    [
      'of a test paper',
      copy => ({ ...copy, parent: lines(join(prepared, 'test.jsonl'))[0].id }),
      /stands in test.jsonl/,
    ],
    ['of nobody', copy => ({ ...copy, parent: '2501.99999' }), /not among the papers/],
    ['without a parent', ({ parent, ...copy }) => copy, /no "parent"/],
    [
      'of another class',
      copy => ({ ...copy, categories: ['cs.CL'] }),
      /its parent .* is not of its class "cs.CL"/,
    ],
    ['with another title', copy => ({ ...copy, title: 'Paper 77' }), /its title is not that of its parent/],
    ['without an abstract', copy => ({ ...copy, abstract: ' ' }), /its abstract is empty/],
    [
      'with the words of the parent',
      copy => ({
        ...copy,
        abstract: lines(join(prepared, 'train.jsonl')).find(({ id }) => id === copy.parent).abstract,
      }),
      /it has the words of its parent/,
    ],
  ])('are refused %s', async (_, change, message) => {
    await run();
    rmSync(join(data, 'augmented.json'));
    rewrite(change);
    const error = await loading();
    expect(error).toMatchObject({ code: 'BAD_INPUT' });
    expect(error.message).toMatch(message);
    expect(error.message).toContain('augmented.jsonl:1:');
  });

  it('are refused where one is there twice', async () => {
    await run();
    rmSync(join(data, 'augmented.json'));
    const file = join(data, 'augmented.jsonl');
    appendFileSync(file, readFileSync(file, 'utf8').split('\n')[0]!);
    expect((await loading()).message).toMatch(/augmented.jsonl:6: it has the words of/);
  });

  it('leave nothing half written, and what a kill left goes with the data set', async () => {
    mkdirSync(join(data, 'augmented.json'));
    expect(await failure(run())).toMatchObject({ code: 'IO' });
    rmdirSync(join(data, 'augmented.json'));
    expect(readdirSync(data).sort()).toEqual(readdirSync(prepared).sort());
    writeFileSync(join(data, 'augmented.jsonl.part'), '{');
    mkdirSync(join(data, 'augmented.jsonl.lock'));
    for (const name of ['holder', 'holder.part']) writeFileSync(join(data, `augmented.jsonl.${name}`), 'x');
    await prepare({ data: papers, out: data, force: true });
    expect(readdirSync(data).sort()).toEqual(readdirSync(prepared).sort());
  });

  it('do not count for those who do not ask for them, and go when the data set is replaced', async () => {
    await run();
    expect((await loadDataset(data, { seed: 1 })).copies).toBeUndefined();
    await prepare({ data: papers, out: data, force: true });
    expect(existsSync(join(data, 'augmented.jsonl'))).toBe(false);
  });
});
