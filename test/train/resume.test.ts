import {
  appendFileSync,
  copyFileSync,
  cpSync,
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
import { seedsSummary } from '../../src/cli/train-display.js';
import { ArxivNativeError } from '../../src/errors.js';
import { WEIGHTS } from '../../src/model/saved-model.js';
import type { ModelOptions } from '../../src/native.js';
import { newState } from '../../src/train/checkpoint.js';
import { RunFolder } from '../../src/train/run-folder.js';
import type { TrainEvent, TrainingRecord, TrainOptions } from '../../src/train/types.js';
import { FakeModel } from './fake-engine.js';

const engine = vi.hoisted(() => ({ created: [] as FakeModel[], prepare: (_: FakeModel) => {} }));

vi.mock('../../src/engine.js', () => ({
  loadEngine: () => ({
    libtorchVersion: '2.13.0',
    createModel: async (options: ModelOptions) => {
      const model = new FakeModel(options);
      // What it says of the papers depends on what it was trained on.
      model.onPredict = papers =>
        Array.from({ length: papers }, (_, i) => [Math.sin(model.weight * 50 + i), 0]).flat();
      model.onStep = () => ({ loss: 2 + model.weight });
      engine.prepare(model);
      engine.created.push(model);
      return model;
    },
  }),
  resolveDevice: () => ({ device: 'cpu', precision: 'fp32' }),
}));

const { train } = await import('../../src/train/train.js');
const { trainSeeds } = await import('../../src/train/seeds.js');

const scratch = mkdtempSync(join(tmpdir(), 'resume-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function papers(name: string, abstract: string): string {
  const file = join(scratch, name);
  const lines = Array.from({ length: 20 }, (_, i) =>
    JSON.stringify({ id: `p${i}`, title: `paper ${i}`, abstract, category: i < 10 ? 'cs.AI' : 'cs.CL' }),
  );
  writeFileSync(file, lines.join('\n'));
  return file;
}
const data = papers('papers.jsonl', 'words');

let folder: string;
let out: string;
let training: string;
let count = 0;
beforeEach(() => {
  folder = join(scratch, `out-${count++}`);
  mkdirSync(folder);
  out = join(folder, 'model');
  training = `${out}.training`;
  engine.created.length = 0;
  engine.prepare = () => {};
});

/** 12 papers to train on in batches of 4: three steps an epoch, nine in all. */
function run(over: Partial<TrainOptions> = {}, hooks: Parameters<typeof train>[1] = {}) {
  const options = { data, out, recipe: 'demo', epochs: 3, batchSize: 4, checkpointEvery: 1, logEvery: 2 };
  return train({ ...options, ...over } as TrainOptions, hooks);
}

async function failure(promise: Promise<unknown>): Promise<ArxivNativeError> {
  return promise.then(
    () => {
      throw new Error('nothing was thrown');
    },
    error => error,
  );
}

/** Ends as a failure of the engine does: after so many steps, without a word to the run's folder. */
async function crash(steps: number, over: Partial<TrainOptions> = {}): Promise<void> {
  engine.prepare = model => {
    const { onStep } = model;
    model.onStep = step => {
      if (step === steps) throw new ArxivNativeError('ENGINE', 'crashed');
      return onStep(step);
    };
  };
  expect(await failure(run(over))).toMatchObject({ code: 'ENGINE' });
  engine.prepare = () => {};
}

function timeless(value: unknown): unknown {
  const times = ['seconds', 'papersPerSecond', 'sessions', 'trainingSeconds'];
  const more = [...times, 'secondsPerStep', 'peakMemory', 'finishedAt'];
  return JSON.parse(JSON.stringify(value, (key, each) => (more.includes(key) ? undefined : each)));
}

function metrics(model: string): unknown[] {
  const lines = readFileSync(join(model, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map(line => timeless(JSON.parse(line)));
}

describe('resume', () => {
  it.each([1, 2, 3, 4, 5, 7, 8])('goes on after step %i as if nothing had happened', async steps => {
    const straight = await run({ out: join(folder, 'straight') });
    await crash(steps);
    // Written after the checkpoint, and half of a file: a kill leaves such.
    appendFileSync(join(training, 'metrics.jsonl'), '{"type":"st');
    writeFileSync(join(training, 'checkpoint.safetensors.part'), 'half');
    writeFileSync(join(training, 'best-9.safetensors'), 'of an epoch that no checkpoint knows');
    mkdirSync(join(training, 'model'));
    const events: TrainEvent[] = [];
    const resumed = await run({ resume: true }, { onProgress: event => events.push(event) });
    expect(events.filter(({ type }) => type === 'resume')).toEqual([
      { type: 'resume', step: steps, epoch: Math.floor(steps / 3) + 1 },
    ]);
    expect(timeless(resumed.training)).toEqual(timeless(straight.training));
    expect(resumed.training.sessions.map(session => session.steps)).toEqual([steps, 9 - steps]);
    expect(metrics(out)).toEqual(metrics(straight.folder));
    const weights = (model: string) => readFileSync(join(model, WEIGHTS));
    expect(weights(out).equals(weights(straight.folder))).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['model', 'straight']);
  });

  it('begins where nothing was begun, and has nothing to do where all is done', async () => {
    const first = await run({ resume: true });
    expect(engine.created).toHaveLength(1);
    const again = await run({ resume: true });
    expect(again).toEqual({ folder: out, training: JSON.parse(JSON.stringify(first.training)) });
    expect(engine.created).toHaveLength(1);
    expect(readdirSync(folder)).toEqual(['model']);
    const refused = await failure(run({ resume: true, savePredictions: join(folder, 'predictions') }));
    expect(refused).toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining('is complete') });
  });

  it('finishes what was killed after the last step, before its folder was gone', async () => {
    const kept = join(folder, 'kept');
    const first = await run(
      {},
      {
        onProgress: ({ type }) => {
          if (type === 'evaluation' && existsSync(training)) cpSync(training, kept, { recursive: true });
        },
      },
    );
    for (const name of readdirSync(kept))
      if (/^run\.|^model$/.test(name)) rmSync(join(kept, name), { recursive: true });
    cpSync(kept, training, { recursive: true });
    rmSync(kept, { recursive: true });
    const { training: record } = await run({ resume: true });
    expect(timeless(record)).toEqual(timeless(first.training));
    expect(record.sessions.map(({ steps }) => steps)).toEqual([9, 0]);
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('goes on after an interruption, and replaces only what that saved', async () => {
    const controller = new AbortController();
    engine.prepare = model => {
      model.onStep = step => {
        if (step === 4) controller.abort();
        return { loss: 2 + model.weight };
      };
    };
    const first = await run({}, { signal: controller.signal });
    expect(first).toMatchObject({ unfinished: training, training: { interrupted: true, steps: 5 } });
    engine.prepare = () => {};
    const elsewhere = join(folder, 'other');
    cpSync(training, `${elsewhere}.training`, { recursive: true });
    await run({ out: elsewhere, resume: true });
    const straight = await run({ out: join(folder, 'straight') });
    const { training: record } = await run({ resume: true });
    expect(timeless(record)).toEqual(timeless(straight.training));
    expect(record.sessions.map(({ steps }) => steps)).toEqual([5, 4]);
    // A complete model is no more replaced than one of another training.
    expect(await failure(run({ resume: true, seed: 2 }))).toMatchObject({
      code: 'BAD_OPTION',
      message: `${out} exists already, from a training with other options or data`,
    });
    expect((await run({ resume: true, seed: 2, force: true })).training.seed).toBe(2);
  });

  it('tests a model whose test was interrupted', async () => {
    const controller = new AbortController();
    const { training: untested, unfinished } = await run(
      { epochs: 1 },
      {
        signal: controller.signal,
        onProgress: event => {
          if (event.type === 'epoch') controller.abort();
        },
      },
    );
    expect({ untested, unfinished }).toMatchObject({
      untested: { interrupted: false },
      unfinished: training,
    });
    expect(untested.test).toBeUndefined();
    const { training: tested } = await run({ epochs: 1, resume: true });
    expect(tested.test?.papers).toBe(4);
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('is refused with other options or data, which are named, and leaves the run as it was', async () => {
    await crash(2);
    const before = readFileSync(join(training, 'checkpoint.safetensors'));
    const refused = async (over: Partial<TrainOptions>) => {
      const error = await failure(run({ resume: true, ...over }));
      expect(error).toMatchObject({ code: 'BAD_OPTION' });
      return error.message.slice(`${training} holds another run: `.length);
    };
    expect(await refused({ patience: 7, epochs: 4 })).toBe(
      'epochs (--epochs) was 3, is now 4; patience (--patience) was 6, is now 7',
    );
    // Which decides the splits, and the vocabulary, too.
    expect(await refused({ seed: 7 })).toMatch(/^seed \(--seed\) was 42, is now 7/);
    expect(await refused({ recipe: { extends: 'demo', hidden: [32] } })).toBe(
      `the recipe's "hidden" was [64], is now [32]`,
    );
    expect(await refused({ microBatch: 2 })).toBe('microBatch (--micro-batch) was 4, is now 2');
    expect(await refused({ data: papers('other.jsonl', 'other words') })).toMatch(/^the data were others/);
    expect(readFileSync(join(training, 'checkpoint.safetensors')).equals(before)).toBe(true);
    // The data may lie elsewhere, and what decides no weights may differ.
    const moved = join(folder, 'moved.jsonl');
    copyFileSync(data, moved);
    const { training: record } = await run({ resume: true, data: moved, checkpointEvery: 5, logEvery: 3 });
    expect(record.sessions).toHaveLength(2);
  });
});

describe('a training that did not end', () => {
  it('is neither passed over nor lost, unless forced', async () => {
    await crash(4);
    expect(await failure(run())).toMatchObject({
      code: 'BAD_OPTION',
      message: `${training} holds a training that did not end (epoch 2, step 4)`,
      remedy: 'Go on with it by --resume, or discard it and begin anew by --force.',
    });
    const { training: record } = await run({ force: true });
    expect(record.sessions).toHaveLength(1);
    expect(metrics(out)).toHaveLength(4 + 3);
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('says what is left of it when it fails', async () => {
    engine.prepare = model => {
      model.onSave = file => {
        if (model.steps.length === 5 && file.includes('checkpoint')) throw new ArxivNativeError('IO', 'full');
      };
    };
    const error = await failure(run());
    expect(error.remedy).toBe(
      `The weights of the best epoch before that are in ${join(training, 'best-1.safetensors')}.\nThe same command with --resume goes on after step 4.`,
    );
  });

  it('holds only the last checkpoint and the best weights', async () => {
    await run({ epochs: 1 });
    const model = engine.created[0]!;
    await RunFolder.use(`${out}-2`, { resume: false, force: false, saveAs: 'fp32' }, async folder => {
      const weights = () =>
        readdirSync(folder.path)
          .filter(name => name.endsWith('.safetensors'))
          .sort();
      await folder.begin({});
      await folder.saveBest(model, 1);
      await folder.save(model, newState(4));
      await folder.saveBest(model, 2);
      // The checkpoint does not know of the new ones yet.
      expect(weights()).toEqual(['best-1.safetensors', 'best-2.safetensors', 'checkpoint.safetensors']);
      await folder.save(model, newState(4));
      expect(weights()).toEqual(['best-2.safetensors', 'checkpoint.safetensors']);
      await folder.done();
    });
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('is not gone on with where a file of it is missing or broken', async () => {
    await crash(4);
    const best = join(training, 'best-1.safetensors');
    const bytes = readFileSync(best);
    rmSync(best);
    const broken = (file: string) => ({ code: 'BAD_MODEL', message: expect.stringContaining(file) });
    expect(await failure(run({ resume: true }))).toMatchObject(broken(best));
    writeFileSync(best, bytes);
    const metrics = join(training, 'metrics.jsonl');
    const lines = readFileSync(metrics);
    writeFileSync(metrics, lines.subarray(1));
    expect(await failure(run({ resume: true }))).toMatchObject(broken(metrics));
    writeFileSync(metrics, lines);
    const checkpoint = join(training, 'checkpoint.safetensors');
    writeFileSync(checkpoint, readFileSync(checkpoint).subarray(0, -1));
    expect(await failure(run({ resume: true }))).toMatchObject(broken(checkpoint));
    writeFileSync(checkpoint, readFileSync(best));
    expect(await failure(run({ resume: true }))).toMatchObject({
      ...broken(checkpoint),
      remedy: expect.stringContaining('--force'),
    });
    expect((await run({ force: true })).training.steps).toBe(9);
  });

  it('begins anew where the checkpoint is gone, and says so', async () => {
    await crash(4);
    rmSync(join(training, 'checkpoint.safetensors'));
    const events: TrainEvent[] = [];
    const { training: record } = await run({ resume: true }, { onProgress: event => events.push(event) });
    expect(events.filter(({ type }) => type === 'anew' || type === 'resume')).toEqual([
      { type: 'anew', folder: training },
    ]);
    expect(record.sessions.map(({ steps }) => steps)).toEqual([9]);
  });

  it('is no folder of another kind that has the same name', async () => {
    mkdirSync(training);
    writeFileSync(join(training, 'thesis.tex'), 'mine');
    for (const over of [{}, { resume: true }, { force: true }]) {
      expect(await failure(run(over))).toMatchObject({
        code: 'BAD_OPTION',
        message: `${training} is not a training's folder: it holds thesis.tex`,
      });
    }
    expect(readdirSync(training)).toEqual(['thesis.tex']);
  });

  it('belongs to one at a time', async () => {
    let other: Promise<unknown> | undefined;
    const first = run(
      {},
      {
        onProgress: ({ type }) => {
          if (type === 'step') other ??= failure(run({ resume: true }));
        },
      },
    );
    await first;
    expect(await other).toMatchObject({ code: 'BAD_OPTION', message: `another process is training ${out}` });
  });
});

describe('memory', () => {
  it('is remembered across sessions, when it did not suffice', async () => {
    engine.prepare = model => {
      model.onStep = step => {
        if (step === 1) throw new ArxivNativeError('OUT_OF_MEMORY', 'out of memory');
        if (step === 5) throw new ArxivNativeError('ENGINE', 'crashed');
        return {};
      };
    };
    await failure(run());
    engine.prepare = () => {};
    const { training: record } = await run({ resume: true });
    expect(engine.created[1]!.steps.map(({ microBatch }) => microBatch)).toEqual([2, 2, 2, 2, 2]);
    expect(record.microBatch).toBe(2);
  });

  it('takes the recipe’s batch when that is left to it', async () => {
    const { training: record } = await run({ batchSize: 'auto' });
    expect(record).toMatchObject({ microBatch: 12, recipe: { resolved: { batchSize: 12 } } });
    const { training: smaller } = await run({ batchSize: 'auto', microBatch: 5, out: `${out}-2` });
    expect(smaller).toMatchObject({ microBatch: 5, recipe: { resolved: { batchSize: 12 } } });
    expect(await failure(run({ batchSize: 'all' as 'auto', force: true }))).toMatchObject({
      code: 'BAD_OPTION',
    });
  });
});

describe('seeds', () => {
  const seeds = (over: Partial<TrainOptions> = {}, n = 3) =>
    trainSeeds({ data, out, recipe: 'demo', epochs: 1, batchSize: 4, ...over }, n);

  it('give a model each, on the same splits, with mean and deviation', async () => {
    const result = await seeds({ seed: 5 });
    const { models, figures } = result;
    expect(models.map(({ folder }) => folder)).toEqual([5, 6, 7].map(seed => join(out, `seed-${seed}`)));
    expect(new Set(models.map(({ training }) => training.data.fingerprint)).size).toBe(1);
    const values = models.map(({ training }) => training.test!.accuracy);
    const mean = values.reduce((a, b) => a + b) / 3;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 2);
    expect(figures!.accuracy.values).toEqual(values);
    expect(figures!.accuracy.mean).toBeCloseTo(mean, 12);
    expect(figures!.accuracy.deviation).toBeCloseTo(deviation, 12);
    expect(Object.keys(figures!.recall)).toEqual(['cs.AI', 'cs.CL']);
    expect(JSON.parse(readFileSync(join(out, 'seeds.json'), 'utf8')).figures).toEqual(figures);
    expect(seedsSummary(result)).toMatch(
      /over 3 seeds \(5, 6, 7\):\n +mean +deviation +least +most\naccuracy +\d.*\ncs\.AI recall +\d/s,
    );
  });

  it('go on with those that are missing', async () => {
    await seeds({}, 1);
    const { models } = await seeds({ resume: true }, 2);
    expect(engine.created).toHaveLength(2);
    expect(models.map(({ training }) => training.seed)).toEqual([42, 43]);
  });

  it('are refused before the first is trained', async () => {
    await seeds({ seed: 44 }, 1);
    rmSync(join(out, 'seeds.json'));
    expect(await failure(seeds())).toMatchObject({
      code: 'BAD_OPTION',
      message: `${join(out, 'seed-44')} exists already`,
    });
    expect(await failure(seeds({ savePredictions: 'x' }))).toMatchObject({ code: 'BAD_OPTION' });
    expect(await failure(seeds({}, 0))).toMatchObject({ code: 'BAD_OPTION' });
    expect(await failure(seeds({ out: join(out, 'seed-44') }))).toMatchObject({
      message: expect.stringContaining('is a model'),
    });
    expect(engine.created).toHaveLength(1);
  });

  it('stop at an interruption', async () => {
    const controller = new AbortController();
    const onProgress = (event: TrainEvent) => {
      if (event.type === 'seed' && event.number === 2) controller.abort();
    };
    const hooks = { signal: controller.signal, onProgress };
    const options = { data, out, recipe: 'demo', epochs: 1, batchSize: 4 };
    const partial = await trainSeeds(options, 2, hooks);
    expect(partial.models.map(({ training }) => training.seed)).toEqual([42]);
    expect(partial.figures).toBeUndefined();
    const { models } = await seeds({ resume: true }, 2);
    expect(models.map(({ training }: { training: TrainingRecord }) => training.seed)).toEqual([42, 43]);
  });
});
