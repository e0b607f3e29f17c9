import { PassThrough } from 'node:stream';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Decision } from '../../src/model/decision.js';
import type { EngineModel, ModelOptions, PackedBatch } from '../../src/native.js';
import type { PaperText } from '../../src/serve/predictor.js';

const LABELS = ['cs.AI', 'cs.CL', 'cs.CV'];

/** Stands for the engine: the class of a paper is the number of its title's words, modulo the classes. */
const engine = vi.hoisted(() => ({
  options: undefined as unknown,
  batches: [] as number[],
  waiting: [] as (() => void)[],
  paused: false,
  disposals: 0,
  fill: undefined as number | undefined,
  thresholds: { method: 'argmax' } as Decision,
}));

vi.mock('../../src/engine.js', () => ({
  loadEngine: () => ({
    createModel: async (options: ModelOptions) => {
      engine.options = options;
      return model;
    },
  }),
  resolveDevice: () => ({ device: 'cpu', precision: 'fp32' }),
}));

vi.mock('../../src/model/saved-model.js', async () => {
  const { Tokenizer } = await import('../../src/text/tokenizer.js');
  const tokenizer = Tokenizer.train(['word word word'], 64);
  return {
    openSavedModel: async () => ({
      labels: LABELS,
      tokenizer,
      lengths: { title: 32, abstract: 96 },
      thresholds: engine.thresholds,
      tensors: [],
    }),
  };
});

const model: Pick<EngineModel, 'predict' | 'dispose'> = {
  async predict({ offsets }: PackedBatch, cancel?: Uint8Array) {
    const papers = (offsets.length - 1) / 2;
    engine.batches.push(papers);
    if (engine.paused) await new Promise<void>(resolve => engine.waiting.push(resolve));
    if (cancel?.[0]) throw new Error('abandoned');
    const logits = new Float32Array(papers * LABELS.length);
    if (engine.fill !== undefined) return logits.fill(engine.fill);
    for (let p = 0; p < papers; p++) {
      const words = offsets[2 * p + 1]! - offsets[2 * p]! - 2;
      logits[p * LABELS.length + (words % LABELS.length)] = 2;
    }
    return logits;
  },
  dispose() {
    engine.disposals++;
  },
};

const { Predictor } = await import('../../src/serve/predictor.js');
const { classifyFile, line } = await import('../../src/serve/classify.js');

const paper = (words: number): PaperText => ({
  title: 'word '.repeat(words),
  abstract: 'word',
  id: `p${words}`,
});
const turn = () => new Promise(resolve => setImmediate(resolve));
async function* endless(read: { papers: number }): AsyncGenerator<PaperText> {
  for (;;) yield paper(read.papers++ % 20);
}

beforeEach(() => {
  Object.assign(engine, { batches: [], waiting: [], paused: false, disposals: 0, fill: undefined });
  engine.thresholds = { method: 'argmax' };
});

describe('Predictor.load', () => {
  it('makes a model that only predicts, on the device asked for', async () => {
    const predictor = await Predictor.load('folder', { threads: 2 });
    expect(engine.options).toMatchObject({ device: 'cpu', precision: 'fp32', threads: 2, mayInitialize: [] });
    expect(engine.options).not.toHaveProperty('training');
    expect(predictor).toMatchObject({ labels: LABELS, device: 'cpu', precision: 'fp32', batchSize: 64 });
  });

  it.each([{ threads: 0 }, { threads: 1.5 }, { batchSize: -1 }])('refuses %o', async options => {
    await expect(Predictor.load('folder', options)).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  it.each([
    [[null], 'the path of a model folder, not null'],
    [[{ threads: 2 }], 'the path of a model folder, not {"threads":2}'],
    [['folder', { batchsize: 2 }], 'no option "batchsize"'],
    [['folder', null], 'the options must be an object, not null'],
    [['folder', { device: 1 }], '"device" must be a string'],
    [['folder', { thresholds: [0.4] }], '"thresholds" must be an object of numbers by class, not [0.4]'],
    [['folder', { thresholds: { 'cs.AI': 0 } }], 'the threshold of "cs.AI" must be a number between 0 and 1'],
    [['folder', { thresholds: { 'cs.AI': 1 } }], 'must be a number between 0 and 1, not 1'],
    [['folder', { thresholds: { 'cs.AI': '0.4' } }], 'must be a number between 0 and 1, not "0.4"'],
    [['folder', { thresholds: { 'cs.Al': 0.4 } }], 'the model has no class "cs.Al"'],
  ])('called without types with %j refuses it', async (args, message) => {
    const loosely = Predictor.load as unknown as (...args: unknown[]) => Promise<unknown>;
    await expect(loosely(...args)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining(message),
    });
  });
});

describe('predict', () => {
  it('gives the most probable category, all probabilities in the order of the labels, and the id', async () => {
    const predictor = await Predictor.load('folder');
    const prediction = await predictor.predict(paper(4));
    expect(prediction).toMatchObject({ id: 'p4', category: 'cs.CL' });
    expect(Object.keys(prediction.probabilities)).toEqual(LABELS);
    const values = Object.values(prediction.probabilities);
    expect(values[1]).toBeCloseTo(Math.exp(2) / (Math.exp(2) + 2), 6);
    expect(values.reduce((sum, p) => sum + p)).toBeCloseTo(1, 6);
    expect(await predictor.predict({ title: 'word', abstract: '' })).not.toHaveProperty('id');
  });

  it('chooses by the thresholds that the model was saved with', async () => {
    engine.thresholds = { method: 'thresholds', thresholds: { 'cs.AI': 0.1 } };
    const predictor = await Predictor.load('folder');
    const [one, two] = await predictor.predictBatch([paper(4), paper(5)]);
    expect([one?.category, two?.category]).toEqual(['cs.AI', 'cs.AI']);
    engine.thresholds = { method: 'thresholds', thresholds: { 'cs.AI': 0.2, 'cs.CV': 0.1 } };
    const stricter = await Predictor.load('folder');
    expect((await stricter.predict(paper(4))).category).toBe('cs.CV');
    expect((await stricter.predict(paper(3))).category).toBe('cs.AI');
  });

  it("chooses by the call's thresholds in place of the model's own, at the model's temperature", async () => {
    engine.thresholds = { method: 'thresholds', thresholds: { 'cs.CV': 0.1 }, temperature: 2 };
    const predictor = await Predictor.load('folder', { thresholds: { 'cs.AI': 0.2 } });
    const { category, probabilities } = await predictor.predict(paper(4));
    expect(category).toBe('cs.AI');
    expect(probabilities['cs.CL']).toBeCloseTo(Math.E / (Math.E + 2), 6);
    const stricter = await Predictor.load('folder', { thresholds: { 'cs.AI': 0.3 } });
    expect((await stricter.predict(paper(4))).category).toBe('cs.CL');
    const none = await Predictor.load('folder', { thresholds: {} });
    expect((await none.predict(paper(4))).category).toBe('cs.CL');
  });

  it('applies the temperature that the model was saved with', async () => {
    engine.thresholds = { method: 'argmax', temperature: 2 };
    const predictor = await Predictor.load('folder');
    const { category, probabilities } = await predictor.predict(paper(4));
    expect(category).toBe('cs.CL');
    expect(probabilities['cs.CL']).toBeCloseTo(Math.E / (Math.E + 2), 6);
  });

  it('shares batches between callers', async () => {
    const predictor = await Predictor.load('folder');
    const papers = Array.from({ length: 100 }, (_, i) => paper(i % 20));
    const predictions = await Promise.all(papers.map(p => predictor.predict(p)));
    expect(predictions.map(p => p.id)).toEqual(papers.map(p => p.id));
    expect(predictions.map(p => LABELS.indexOf(p.category))).toEqual(papers.map((_, i) => (i % 20) % 3));
    expect(engine.batches).toEqual([64, 36]);
  });

  it.each([
    [undefined, 'title'],
    [{ title: 'A' }, 'abstract'],
    [{ title: 3, abstract: 'B' }, 'title'],
    [{ title: ' ', abstract: '\n' }, 'neither'],
  ])('refuses %o', async (bad, message) => {
    const predictor = await Predictor.load('folder');
    const refused = predictor.predict(bad as PaperText);
    await expect(refused).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining(message),
    });
    expect(engine.batches).toEqual([]);
  });

  it('stops waiting at a signal, and serves the others of the batch', async () => {
    const predictor = await Predictor.load('folder');
    const controller = new AbortController();
    engine.paused = true;
    const stopped = predictor.predict(paper(1), { signal: controller.signal });
    const other = predictor.predict(paper(2));
    await turn();
    controller.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'CANCELLED' });
    engine.waiting[0]?.();
    expect(await other).toMatchObject({ id: 'p2' });
    const late = predictor.predict(paper(3), { signal: AbortSignal.abort() });
    await expect(late).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(engine.batches).toEqual([2]);
  });

  it('reports logits that are not numbers', async () => {
    const predictor = await Predictor.load('folder');
    engine.fill = Number.NaN;
    await expect(predictor.predict(paper(1))).rejects.toMatchObject({ code: 'NON_FINITE' });
  });
});

describe('predictBatch and predictStream', () => {
  it('keep the order over many batches', async () => {
    const predictor = await Predictor.load('folder', { batchSize: 3 });
    const papers = Array.from({ length: 20 }, (_, i) => paper(i));
    const predictions = await predictor.predictBatch(papers);
    expect(predictions.map(p => p.id)).toEqual(papers.map(p => p.id));
    expect(engine.batches).toEqual([3, 3, 3, 3, 3, 3, 2]);
    expect(await predictor.predictBatch([])).toEqual([]);
  });

  it('refuse what is no papers', async () => {
    const predictor = await Predictor.load('folder');
    for (const papers of [null, undefined, 5, 'papers']) {
      const expected = { code: 'BAD_INPUT', message: expect.stringContaining('an array of papers') };
      await expect(predictor.predictBatch(papers as never)).rejects.toMatchObject(expected);
      await expect(predictor.predictStream(papers as never).next()).rejects.toMatchObject(expected);
    }
  });

  it('answer the papers before a bad one', async () => {
    const predictor = await Predictor.load('folder', { batchSize: 2 });
    const ids: (string | undefined)[] = [];
    const reading = (async () => {
      const papers = [paper(1), paper(2), paper(3), { title: '', abstract: '' }, paper(4)];
      for await (const { id } of predictor.predictStream(papers)) ids.push(id);
    })();
    await expect(reading).rejects.toMatchObject({ message: expect.stringMatching(/^paper 4 /) });
    expect(ids).toEqual(['p1', 'p2', 'p3']);
  });

  it('name the paper that is bad', async () => {
    const predictor = await Predictor.load('folder');
    const refused = predictor.predictBatch([paper(1), { title: '', abstract: '' }]);
    await expect(refused).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/^paper 2 /),
    });
  });

  it('read no further ahead than two batches', async () => {
    const predictor = await Predictor.load('folder', { batchSize: 4 });
    const read = { papers: 0 };
    const predictions = predictor.predictStream(endless(read));
    for (let i = 0; i < 41; i++) {
      await predictions.next();
      expect(read.papers).toBeLessThanOrEqual(i + 1 + 3 * 4);
    }
    await predictions.return();
  });

  it('stop at a signal, also in the middle of a batch', async () => {
    const predictor = await Predictor.load('folder', { batchSize: 4 });
    const controller = new AbortController();
    engine.paused = true;
    const predictions = predictor.predictStream(endless({ papers: 0 }), { signal: controller.signal });
    const first = predictions.next();
    while (engine.waiting.length < 2) await turn();
    controller.abort();
    for (const release of engine.waiting) release();
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
    const aborted = predictor.predictBatch([paper(1)], { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('a signal that came before', () => {
  const aborted = AbortSignal.abort();

  it('keeps predictStream from waiting for a paper', async () => {
    const predictor = await Predictor.load('folder');
    const silent = (async function* (): AsyncGenerator<PaperText> {
      await new Promise(() => {});
    })();
    const first = predictor.predictStream(silent, { signal: aborted }).next();
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('keeps classifyFile from reading standard input', async () => {
    const predictor = await Predictor.load('folder');
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    const options = { input: '-', force: false, signal: aborted, stdin, stdout };
    await expect(classifyFile(predictor, options)).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('line', () => {
  it('keeps the most probable labels, also where they are numbers', () => {
    const probabilities = { 0: 0.1, 5: 0.6, 10: 0.3 };
    const { probabilities: kept } = line({ category: '5', probabilities }, 2);
    expect(kept).toEqual({ 5: 0.6, 10: 0.3 });
  });
});

describe('dispose', () => {
  it('finishes what the engine has, rejects what waits and what comes later, and frees once', async () => {
    const predictor = await Predictor.load('folder', { batchSize: 1 });
    engine.paused = true;
    const running = predictor.predict(paper(1));
    const waiting = predictor.predict(paper(2));
    waiting.catch(() => {});
    await turn();
    const disposals = [predictor.dispose(), predictor.dispose()];
    await turn();
    expect(engine.disposals).toBe(0);
    engine.waiting[0]?.();
    expect(await running).toMatchObject({ id: 'p1' });
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    await Promise.all(disposals);
    expect(engine.disposals).toBe(1);
    await expect(predictor.predict(paper(3))).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(predictor.predictBatch([paper(3)])).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
