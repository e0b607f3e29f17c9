import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { prepare } from '../../src/data/prepared-folder.js';
import { ArxivNativeError } from '../../src/errors.js';
import { openSavedModel, WEIGHTS } from '../../src/model/saved-model.js';
import type { ModelOptions } from '../../src/native.js';
import type { TrainEvent, TrainOptions } from '../../src/train/types.js';
import { FakeModel } from './fake-engine.js';

const engine = vi.hoisted(() => ({
  created: [] as { model: FakeModel; options: ModelOptions }[],
  prepare: (_: FakeModel) => {},
}));

vi.mock('../../src/engine.js', () => ({
  loadEngine: () => ({
    libtorchVersion: '2.13.0',
    createModel: async (options: ModelOptions) => {
      const model = new FakeModel(options);
      engine.prepare(model);
      engine.created.push({ model, options });
      return model;
    },
  }),
  resolveDevice: () => ({ device: 'cpu', precision: 'fp32' }),
}));

const { train } = await import('../../src/train/train.js');

const scratch = mkdtempSync(join(tmpdir(), 'train-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const data = join(scratch, 'papers.jsonl');
writeFileSync(
  data,
  Array.from({ length: 20 }, (_, i) =>
    JSON.stringify({
      id: `p${i}`,
      title: `paper ${i}`,
      abstract: 'words',
      category: i < 10 ? 'cs.AI' : 'cs.CL',
    }),
  ).join('\n'),
);

let folder: string;
let out: string;
let count = 0;
beforeEach(() => {
  folder = join(scratch, `out-${count++}`);
  mkdirSync(folder);
  out = join(folder, 'model');
  engine.created.length = 0;
  engine.prepare = () => {};
});

/** 12 papers to train on in batches of 4: three steps an epoch. */
function run(over: Partial<TrainOptions> = {}, hooks: Parameters<typeof train>[1] = {}) {
  return train({ data, out, recipe: 'demo', epochs: 2, batchSize: 4, ...over }, hooks);
}

async function failure(promise: Promise<unknown>): Promise<ArxivNativeError> {
  return promise.then(
    () => {
      throw new Error('nothing was thrown');
    },
    error => error,
  );
}

describe('train', () => {
  it('asks the engine for what the recipe says', async () => {
    await run({ recipe: { extends: 'demo', classWeights: { 'cs.CL': 3 } }, seed: 7, threads: 1 });
    expect(engine.created[0]!.options).toMatchObject({
      encoder: { hiddenSize: 64, layers: 2, positionOffset: 0 },
      head: { type: 'cross-attention', classes: 2, hidden: [64], attentionHeads: 8 },
      training: {
        frozenLayers: 0,
        learningRate: 1e-3,
        headLearningRate: 1e-3,
        weightDecay: 0.01,
        headWeightDecay: 0.02,
        classWeights: [1, 3],
      },
      device: 'cpu',
      precision: 'fp32',
      threads: 1,
      seed: 7,
      weights: [],
      mayInitialize: [''],
    });
  });

  it.each([
    [3, 2, 1],
    [8, 6, 4],
    [8, 2, 1],
  ])('freezes %i of 12 layers as its share of %i', async (frozenLayersOf12, layers, frozen) => {
    const sizes = {
      vocabSize: 200,
      hiddenSize: 16,
      attentionHeads: 2,
      intermediateSize: 16,
      maxPositions: 128,
    };
    const recipe = { extends: 'demo', encoder: { ...sizes, layers }, frozenLayersOf12 };
    const { training } = await run({ recipe, epochs: 1 });
    expect(engine.created[0]!.options.training!.frozenLayers).toBe(frozen);
    expect(training.frozenLayers).toBe(frozen);
  });

  it('weighs classes so that each counts alike, when balanced', async () => {
    const uneven = join(scratch, 'uneven.jsonl');
    const lines = Array.from({ length: 40 }, (_, i) =>
      JSON.stringify({
        id: `p${i}`,
        title: `paper ${i}`,
        abstract: 'a',
        category: i < 10 ? 'cs.AI' : 'cs.CL',
      }),
    );
    writeFileSync(uneven, lines.join('\n'));
    const { training } = await run({ data: uneven, recipe: { extends: 'demo', classWeights: 'balanced' } });
    const [ai, cl] = training.data.splits.train as [number, number];
    expect(training.classWeights).toEqual([(ai + cl) / (2 * ai), (ai + cl) / (2 * cl)]);
  });

  it('writes a model with the record of its training', async () => {
    const events: TrainEvent[] = [];
    const { folder, training } = await run({}, { onProgress: event => events.push(event) });
    const saved = await openSavedModel(folder);
    expect(saved.labels).toEqual(['cs.AI', 'cs.CL']);
    expect(saved.training).toEqual(JSON.parse(JSON.stringify(training)));
    expect(training).toMatchObject({
      interrupted: false,
      recipe: { name: 'demo', resolved: { epochs: 2, batchSize: 4 } },
      encoder: { random: true },
      seed: 42,
      schedule: { steps: 6, warmupSteps: 0 },
      versions: { libtorch: '2.13.0', node: process.versions.node },
      data: {
        source: data,
        rule: { labels: 'primary', split: 'grouped' },
        duplicates: 0,
        leaks: { contradictingRows: 0, crossingPapers: 0 },
        splits: { train: [6, 6], validation: [2, 2], test: [2, 2] },
      },
    });
    expect(training.test?.papers).toBe(4);
    expect(training.history).toHaveLength(2);
    expect(events.find(({ type }) => type !== 'reading')?.type).toBe('plan');
    const card = readFileSync(join(folder, 'README.md'), 'utf8');
    expect(card).toContain('its accuracy means nothing');
    expect(card).toContain('| cs.AI | 6 | 2 | 2 |');
    expect(engine.created[0]!.model.disposed).toBe(true);
  });

  it('records what the data contradicts and leaks, and says so in the model card', async () => {
    const both = join(folder, 'both.jsonl');
    const lines = readFileSync(data, 'utf8').replaceAll(
      '"category":"cs.AI"',
      '"categories":["cs.AI","cs.CL"]',
    );
    writeFileSync(both, lines);
    const splits = join(folder, 'splits');
    await prepare({ data: both, out: splits, labels: 'query' });
    const { training } = await run({ data: splits });
    const { leaks } = training.data;
    expect(leaks).toMatchObject({ rows: 30, contradictingRows: 20 });
    expect(leaks.seenTestRows).toBeGreaterThan(0);
    expect(training.data.rule).toMatchObject({ labels: 'query', split: 'rows' });
    const card = readFileSync(join(out, 'README.md'), 'utf8');
    expect(card).toContain('its figures are too good');
    expect(card).toContain('contradictions: 20 of 30 rows (66.7 %)');
  });

  it('learns the labels of a column', async () => {
    const topics = join(folder, 'topics.jsonl');
    writeFileSync(topics, readFileSync(data, 'utf8').replaceAll('"category"', '"topic"'));
    const { training } = await run({ data: topics, labelColumn: 'topic' });
    expect(training.data).toMatchObject({ labels: ['cs.AI', 'cs.CL'], rule: { labelColumn: 'topic' } });
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('labels: those in the column "topic"');
    out += '-2';
    expect((await failure(run({ data: topics }))).message).toContain('topics.jsonl:1: no category');
  });

  it('tests the best weights, not the last', async () => {
    // The fake is never better in its second epoch than in its first.
    await run();
    expect(engine.created[0]!.model).toMatchObject({ loads: 1, saves: { length: 3 } });
    out += '-2';
    await run({ epochs: 1 });
    expect(engine.created[1]!.model.loads).toBe(0);
    // As they are stored they are others.
    out += '-3';
    await run({ epochs: 1, saveAs: 'bf16' });
    expect(engine.created[2]!.model.loads).toBe(1);
  });

  it('writes the predictions of the test papers', async () => {
    engine.prepare = model => {
      model.onPredict = papers => new Array(papers).fill([0, Math.log(3)]).flat();
    };
    const file = join(scratch, 'predictions.jsonl');
    await run({ savePredictions: file });
    const lines = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(lines.map(line => line.label).sort()).toEqual(['cs.AI', 'cs.AI', 'cs.CL', 'cs.CL']);
    expect(lines[0]).toMatchObject({
      predicted: 'cs.CL',
      probabilities: { 'cs.AI': expect.closeTo(0.25, 6) },
    });
    expect((await failure(run({ out: `${out}-2`, savePredictions: file }))).message).toContain(
      'exists already',
    );
  });

  it('replaces a model only when forced, and then the old one is gone', async () => {
    await run();
    expect(await failure(run())).toMatchObject({ code: 'BAD_OPTION' });
    expect(engine.created).toHaveLength(1);
    const { training } = await run({ force: true, seed: 2 });
    expect((await openSavedModel(out)).training).toMatchObject({ seed: training.seed });
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it.each<[string, Partial<TrainOptions>, string]>([
    ['no epochs', { epochs: 0 }, 'epochs (--epochs) must be >= 1'],
    ['half a thread', { threads: 0.5 }, 'threads (--threads) must be a whole number >= 1, not 0.5'],
    ['a negative seed', { seed: -1 }, 'seed (--seed) must be a whole number >= 0, not -1'],
    ['no papers at once', { microBatch: 0 }, 'microBatch (--micro-batch)'],
    ['too long an abstract', { maxAbstract: 129 }, 'abstract length 129 is more than the 128 tokens'],
    ['a weight for a strange class', { recipe: { extends: 'demo', classWeights: { 'cs.XX': 2 } } }, 'cs.XX'],
    [
      'heads that do not divide a random encoder',
      {
        recipe: {
          extends: 'demo',
          encoder: {
            vocabSize: 200,
            hiddenSize: 16,
            layers: 1,
            attentionHeads: 3,
            intermediateSize: 16,
            maxPositions: 128,
          },
        },
      },
      '3 attention heads do not divide',
    ],
    [
      'heads that do not fit',
      { recipe: { extends: 'demo', crossAttentionHeads: 7 } },
      '7 cross-attention heads',
    ],
  ])('refuses %s and leaves nothing', async (_, over, message) => {
    const error = await failure(run(over));
    expect(error).toMatchObject({ code: 'BAD_OPTION' });
    expect(error.message).toContain(message);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('train, when it goes wrong', () => {
  it('says what to do about a loss that is not a number, and leaves nothing', async () => {
    engine.prepare = model => {
      model.onStep = () => {
        throw new ArxivNativeError('NON_FINITE', 'the loss is not finite');
      };
    };
    const error = await failure(run());
    expect(error).toMatchObject({ code: 'NON_FINITE', message: 'training diverged: the loss is not finite' });
    expect(error.remedy).toBe('Try a lower --lr (it was 0.001), or --precision fp32.');
    expect(readdirSync(folder)).toEqual([]);
    expect(engine.created[0]!.model.disposed).toBe(true);
  });

  it('keeps and names the best weights of the epochs before', async () => {
    engine.prepare = model => {
      model.onStep = step => {
        if (step >= 4) throw new ArxivNativeError('OUT_OF_MEMORY', 'out of memory', { remedy: 'Use less.' });
        return {};
      };
    };
    const error = await failure(run());
    expect(error.code).toBe('OUT_OF_MEMORY');
    const file =
      /^Use less\.\nThe weights of the best epoch before that are in (.*)\.\nThe same command with --resume goes on after step 3\.$/.exec(
        error.remedy!,
      )![1]!;
    expect(existsSync(file)).toBe(true);
    expect(existsSync(out)).toBe(false);
  });

  it('says so when the weights cannot be written, and leaves nothing', async () => {
    engine.prepare = model => {
      model.onSave = () => {
        throw new ArxivNativeError('IO', 'no space left on device');
      };
    };
    expect(await failure(run())).toMatchObject({ code: 'IO', message: 'no space left on device' });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('saves what there is when stopped, marked as interrupted and not tested', async () => {
    const controller = new AbortController();
    engine.prepare = model => {
      model.onStep = step => {
        if (step === 4) controller.abort();
        return {};
      };
    };
    const { training } = await run({}, { signal: controller.signal });
    expect(training).toMatchObject({ interrupted: true, bestEpoch: 1, test: undefined });
    expect((await openSavedModel(out)).training).toMatchObject({ interrupted: true });
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('interrupted before its end');
    expect(existsSync(join(out, WEIGHTS))).toBe(true);
  });

  it('saves the finished model when stopped during the test', async () => {
    const controller = new AbortController();
    engine.prepare = model => {
      let split = 0;
      model.onPredict = papers => {
        if (++split === 2) controller.abort();
        return new Array(papers * 2).fill(0);
      };
    };
    const { training } = await run({ epochs: 1 }, { signal: controller.signal });
    expect(training).toMatchObject({ interrupted: false, bestEpoch: 1, test: undefined });
    expect((await openSavedModel(out)).training).toMatchObject({ interrupted: false });
    const card = readFileSync(join(out, 'README.md'), 'utf8');
    expect(card).toContain('The test was interrupted');
    expect(card).not.toContain('Training was interrupted');
  });

  it('passes on what ends the test besides a signal', async () => {
    const controller = new AbortController();
    engine.prepare = model => {
      let split = 0;
      model.onPredict = papers => {
        if (++split === 1) return new Array(papers * 2).fill(0);
        controller.abort();
        return new Array(papers * 2).fill(Number.NaN);
      };
      // This engine does not look at the signal.
      const { predict } = model;
      model.predict = batch => predict.call(model, batch);
    };
    const error = await failure(run({ epochs: 1 }, { signal: controller.signal }));
    expect(error).toMatchObject({ code: 'NON_FINITE' });
  });

  it('does not write its predictions over the data, forced or not', async () => {
    const parts = join(scratch, 'parts');
    mkdirSync(parts);
    const file = join(parts, 'test.jsonl');
    writeFileSync(file, 'mine');
    for (const data of [file, parts]) {
      const error = await failure(run({ data, savePredictions: file, force: true }));
      expect(error).toMatchObject({
        code: 'BAD_OPTION',
        message: `${file} is the input: it is not replaced`,
      });
    }
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  it('says that the model is complete when only its predictions could not be written', async () => {
    const place = join(folder, 'predictions');
    mkdirSync(place);
    engine.prepare = model => {
      model.onSave = () => rmSync(place, { recursive: true, force: true });
    };
    const error = await failure(run({ savePredictions: join(place, 'test.jsonl') }));
    expect(error).toMatchObject({
      code: 'IO',
      remedy: expect.stringContaining(`The model itself is complete, in ${out}.`),
    });
    expect((await openSavedModel(out)).labels).toEqual(['cs.AI', 'cs.CL']);
  });

  it('asks for other weights of classes before it looks for the encoder', async () => {
    const error = await failure(
      run({ recipe: { extends: 'demo', classWeights: { 'cs.XX': 2 } }, encoder: './absent' }),
    );
    expect(error).toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining('cs.XX') });
    expect(error.remedy).toContain('--class-weights none or balanced');
    const { training } = await run({
      recipe: { extends: 'demo', classWeights: { 'cs.XX': 2 } },
      classWeights: 'none',
    });
    expect(training.classWeights).toEqual([]);
  });

  it('has nothing to save when stopped before the first step', async () => {
    expect(await failure(run({}, { signal: AbortSignal.abort() }))).toMatchObject({ code: 'CANCELLED' });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves nothing when the data is bad', async () => {
    expect(await failure(run({ data: join(scratch, 'absent.jsonl') }))).toMatchObject({ code: 'BAD_INPUT' });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('train, called without types,', () => {
  const loosely = train as unknown as (options?: unknown) => Promise<unknown>;

  it.each<[unknown, string, string?]>([
    [undefined, 'the options must be an object, not undefined'],
    [{}, 'there is no "data"'],
    [{ data: 5 }, '"data" must be a string that is not empty, not 5'],
    [{ data, epoch: 1 }, 'there is no option "epoch"', 'Did you mean "epochs"?'],
    [{ data, recipe: null }, '"recipe" must be a name, a path or an object'],
    [{ data, out: '' }, '"out" must be a string that is not empty, not ""'],
    [{ data, seed: -1 }, 'seed (--seed) must be a whole number >= 0, not -1'],
  ])('refuses %j', async (options, message, remedy) => {
    const error = await failure(loosely(options));
    expect(error).toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining(message) });
    if (remedy !== undefined) expect(error.remedy).toBe(remedy);
    expect(engine.created).toEqual([]);
  });
});
