import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadDataset } from '../../src/data/dataset.js';
import { prepare } from '../../src/data/prepared-folder.js';
import { ArxivNativeError } from '../../src/errors.js';
import { trainWords } from '../../src/evaluate/baseline/baseline.js';
import type { ModelOptions } from '../../src/native.js';
import type { TrainEvent, TrainOptions } from '../../src/train/types.js';
import { fake, fakeKind } from '../augment/fake-translator.js';
import { FakeModel } from './fake-engine.js';

const created: { model: FakeModel; options: ModelOptions }[] = [];
vi.mock('../../src/engine.js', () => ({
  loadEngine: () => ({
    libtorchVersion: '2.13.0',
    createModel: async (options: ModelOptions) => {
      const model = new FakeModel(options);
      created.push({ model, options });
      return model;
    },
  }),
  resolveDevice: () => ({ device: 'cpu', precision: 'fp32' }),
}));
vi.mock('../../src/augment/translators.js', () => ({ TRANSLATORS: { bergamot: async () => fakeKind } }));
const { train } = await import('../../src/train/train.js');
const { augment } = await import('../../src/augment/augment.js');

const scratch = mkdtempSync(join(tmpdir(), 'train-copies-'));
process.env.ARXIV_NATIVE_CACHE = join(scratch, 'cache');
afterAll(() => rmSync(scratch, { recursive: true }));

const papers = join(scratch, 'papers.jsonl');
writeFileSync(
  papers,
  Array.from({ length: 20 }, (_, i) =>
    JSON.stringify({
      id: `p${i}`,
      title: `paper ${i}`,
      abstract: `We study thing ${i}.`,
      category: i < 10 ? 'cs.AI' : 'cs.CL',
    }),
  ).join('\n'),
);
const prepared = join(scratch, 'prepared');
await prepare({ data: papers, out: prepared });

const recipe = { extends: 'demo', augment: { category: 'cs.AI', samples: 4 } };
let place: string;
let data: string;
let count = 0;
beforeEach(() => {
  place = join(scratch, String(count++));
  data = join(place, 'data');
  cpSync(prepared, data, { recursive: true });
  created.length = 0;
  fake.reset();
  fake.say = text => ({ text: text.replace('study', 'examine') });
});

const run = (over: Partial<TrainOptions> = {}, hooks: Parameters<typeof train>[1] = {}) =>
  train({ data, out: join(place, 'model'), recipe, epochs: 1, batchSize: 4, ...over }, hooks);
const failure = (promise: Promise<unknown>): Promise<ArxivNativeError> =>
  promise.then(
    () => Promise.reject(new Error('nothing was thrown')),
    error => error,
  );

describe('training with back-translated copies', () => {
  it('makes those that the recipe asks for, says so first, and records them', async () => {
    const events: TrainEvent[] = [];
    const { training, folder } = await run({}, { onProgress: event => events.push(event) });
    // Twelve papers and four copies.
    expect(training.schedule.steps).toBe(4);
    const { splits, copies, fingerprint } = training.data;
    expect(splits.train).toEqual([6, 6]);
    expect(copies).toMatchObject({
      papers: [4, 0],
      fingerprint: JSON.parse(readFileSync(join(data, 'augmented.json'), 'utf8')).fingerprint,
      record: { category: 'cs.AI', samples: 4, seed: 42, pivots: ['es'], copies: 4 },
    });
    expect(fingerprint).toBe(
      JSON.parse(readFileSync(join(prepared, 'dataset.json'), 'utf8')).fingerprints?.all,
    );
    const types = events.map(({ type }) => type);
    expect(types.indexOf('augment')).toBeLessThan(types.indexOf('translating'));
    const card = readFileSync(join(folder, 'README.md'), 'utf8');
    expect(card).toMatch(/synthetic copies were trained on: 4 of cs\.AI, back-translated through es \(fake/);
  });

  it('takes those that are there where the recipe or the options ask for copies', async () => {
    await augment({ data, category: 'cs.CL', samples: 2 });
    fake.asked = [];
    const taken = await run();
    expect(taken.training.data.copies?.papers).toEqual([0, 2]);
    expect(taken.training.data.copiesLeftOut).toBeUndefined();
    const asked = await run({ recipe: 'demo', augment: true, out: join(place, 'asked') });
    expect(asked.training.data.copies?.papers).toEqual([0, 2]);
    for (const [name, without] of Object.entries({ told: { augment: false }, none: { recipe: 'demo' } })) {
      const { training } = await run({ ...without, out: join(place, name) });
      expect(training.data.copies).toBeUndefined();
      expect(training.data.copiesLeftOut).toBe(true);
      // What is saved is what was done.
      expect(training.recipe.resolved.augment).toBe('none');
      expect(training.schedule.steps).toBe(3);
      expect(training.fingerprint).not.toBe(taken.training.fingerprint);
    }
    expect(fake.asked).toEqual([]);
  });

  it('makes them in one folder for several trainings at once, which all take those of the first', async () => {
    let said = 0;
    fake.say = text => ({ text: text.replace('study', ['examine', 'probe', 'analyse'][said++ % 3]!) });
    const runs = ['one', 'two', 'three'].map(name => run({ out: join(place, name) }));
    const fingerprints = (await Promise.all(runs)).map(({ training }) => training.data.copies?.fingerprint);
    expect(new Set(fingerprints).size).toBe(1);
    expect((await run()).training.data.copies?.fingerprint).toBe(fingerprints[0]);
  });

  it('refuses to take copies that are not there when the recipe does not say of what', async () => {
    expect(await failure(run({ recipe: 'demo', augment: true }))).toMatchObject({
      code: 'BAD_OPTION',
      message: `--augment: no copies lie beside ${data}`,
    });
    expect((await run({ augment: true })).training.data.copies?.papers).toEqual([4, 0]);
  });

  it('makes those of a bare file in memory, each time the same', async () => {
    const first = await run({ data: papers });
    expect(first.training.data.copies?.papers).toEqual([4, 0]);
    expect(existsSync(join(scratch, 'augmented.jsonl'))).toBe(false);
    const other = await run({ data: papers, out: join(place, 'other') });
    expect(other.training.data.copies?.fingerprint).toBe(first.training.data.copies?.fingerprint);
  });

  it('needs no translator to go on from a bare file, or to find it complete', async () => {
    const controller = new AbortController();
    const stop = (event: TrainEvent) => event.type === 'step' && controller.abort();
    const stopped = await run({ data: papers }, { signal: controller.signal, onProgress: stop });
    fake.reset();
    fake.say = () => {
      throw new ArxivNativeError('TRANSLATOR', 'gone');
    };
    expect(
      await failure(run({ data: papers, resume: true, force: true, learningRate: 0.002 })),
    ).toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('holds another run: '),
    });
    const { training, unfinished } = await run({ data: papers, resume: true });
    expect(unfinished).toBeUndefined();
    expect(training.data.copies).toEqual(stopped.training.data.copies);
    expect(existsSync(join(place, 'model.training'))).toBe(false);
    created.length = 0;
    const found = await run({ data: papers, resume: true });
    expect(found.training.finishedAt).toBe(training.finishedAt);
    expect(created).toEqual([]);
    expect(fake.options).toEqual([]);
    const fewer = { ...recipe, augment: { category: 'cs.AI', samples: 3 } };
    expect(await failure(run({ data: papers, resume: true, recipe: fewer }))).toMatchObject({
      message: expect.stringContaining('gone'),
    });
  });

  it.each<[string, Partial<TrainOptions>, string]>([
    ['an encoder that is none', { encoder: join(scratch, 'nowhere') }, 'BAD_MODEL'],
    ['papers longer than the encoder takes', { maxAbstract: 100_000 }, 'BAD_OPTION'],
    ['a teacher that is none', { distillation: { teacher: join(scratch, 'nowhere') } }, 'BAD_MODEL'],
    ['a temperature that is none', { distillation: { teacher: 'x', temperature: 0 } }, 'BAD_OPTION'],
  ])('makes none for %s', async (_, over, code) => {
    expect(await failure(run(over))).toMatchObject({ code });
    expect(fake.options).toEqual([]);
  });

  it('goes on with no other copies than it was begun with', async () => {
    await run();
    await augment({ data, category: 'cs.AI', samples: 3, force: true });
    expect(await failure(run({ resume: true }))).toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('other options or data'),
    });
    const controller = new AbortController();
    const out = join(place, 'stopped');
    const stop = (event: TrainEvent) => event.type === 'step' && controller.abort();
    await run({ out }, { signal: controller.signal, onProgress: stop });
    await augment({ data, category: 'cs.AI', samples: 2, force: true });
    expect(await failure(run({ out, resume: true, force: true }))).toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('the copies were others'),
    });
  });

  it('learns words from the papers alone, whose baseline is kept for whoever evaluates', async () => {
    const { training } = await run({ words: 'tfidf' });
    expect(training.data.copies?.papers).toEqual([4, 0]);
    const { classifier, cached } = await trainWords(await loadDataset(data, { seed: 42 }));
    expect(cached).toBe(true);
    // In four copies and no paper.
    expect(classifier.model.vocabulary.words).not.toContain('examine');
  });

  it('weighs classes by all that trains, when balanced', async () => {
    const { training } = await run({ recipe: { ...recipe, classWeights: 'balanced' } });
    expect(training.classWeights).toEqual([16 / (2 * 10), 16 / (2 * 6)]);
  });

  it('makes none of a class that the data has not, nor beside copies among the papers', async () => {
    const other = { ...recipe, augment: { category: 'math.CO', samples: 4 } };
    expect((await run({ recipe: other })).training.data.copies).toBeUndefined();
    const child = { title: 'copy', abstract: 'Examined.', category: 'cs.AI', parent: 'p1', id: 'c' };
    const file = join(place, 'with-child.jsonl');
    const children = Array.from({ length: 10 }, (_, i) =>
      JSON.stringify({ ...child, id: `c${i}`, parent: `p${i}`, abstract: `Examined ${i}.` }),
    );
    writeFileSync(file, `${readFileSync(papers, 'utf8')}\n${children.join('\n')}`);
    const { training } = await run({ data: file, out: join(place, 'child') });
    expect(training.data.copies).toBeUndefined();
    expect(fake.asked).toEqual([]);
  });

  it('stops where no translator is to be had, and names the way to do without', async () => {
    fake.say = () => {
      throw new ArxivNativeError('TRANSLATOR', 'not installed', { remedy: 'Install it.' });
    };
    const error = await failure(run());
    expect(error).toMatchObject({ code: 'TRANSLATOR', message: expect.stringContaining('not installed') });
    expect(error.remedy).toMatch(/^Install it\.\nOr train without .*--no-augment/);
    expect(created).toEqual([]);
    expect(existsSync(join(place, 'model.training'))).toBe(false);
  });
});
