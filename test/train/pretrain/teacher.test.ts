import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadEngine } from '../../../src/engine.js';
import { openEncoder } from '../../../src/model/encoder.js';
import { pretrain } from '../../../src/train/pretrain/pretrain.js';
import { type Teacher, TeacherStates } from '../../../src/train/pretrain/teacher.js';
import type { PretrainEvent, PretrainHooks } from '../../../src/train/pretrain/types.js';

const PAPERS = Array.from({ length: 150 }, (_, i) => ({
  title: `Paper ${i}`,
  abstract: 'words of an abstract '.repeat(1 + (i % 7)),
}));
const SIZE = 16;
const placement = { device: 'cpu', precision: 'fp32' as const, threads: 1 };
const common = { steps: 1, maxLength: 32, ...placement };

const config = {
  ...{ hiddenSize: SIZE, layers: 1, attentionHeads: 2, intermediateSize: 16, maxPositions: 64 },
  vocabSize: 100,
};

const root = mkdtempSync(join(tmpdir(), 'arxiv-native-teacher-'));
const source = join(root, 'papers.jsonl');
let teacher: Teacher;
beforeAll(async () => {
  writeFileSync(source, PAPERS.map(paper => JSON.stringify(paper)).join('\n'));
  await pretrain({ corpus: [source], config, out: join(root, 'encoder'), ...common });
  teacher = { encoder: await openEncoder(join(root, 'encoder')), maxLength: 12, ...placement };
});
afterAll(() => rmSync(root, { recursive: true }));

let folder: string;
let taught: number[];
beforeEach(() => {
  folder = mkdtempSync(join(root, 'run-'));
  taught = [];
});

async function states(
  key = 'a',
  signal?: AbortSignal,
  onTaught: (done: number) => void = done => taught.push(done),
) {
  const reading = { sources: [source], papers: PAPERS.length };
  const made = await TeacherStates.prepare(folder, key, teacher, reading, { signal, onTaught });
  const [all, some] = [made.batch(PAPERS.map((_, i) => i)), made.batch([149, 0])];
  made.close();
  return { all, some };
}

describe('TeacherStates', () => {
  it('are the mean states of each paper, cut to the length, in any order', async () => {
    const { all, some } = await states();
    expect(some).toEqual(Float32Array.of(...all.subarray(149 * SIZE), ...all.subarray(0, SIZE)));
    const { encoder, maxLength } = teacher;
    const model = await loadEngine().createModel({
      ...{
        encoder: encoder.shape,
        weights: encoder.tensors,
        mayInitialize: [],
        seed: 0,
        deterministic: false,
      },
      ...placement,
    });
    const ids = encoder.tokenizer.encodeJoined(PAPERS[6]!.title, PAPERS[6]!.abstract, maxLength);
    expect(ids).toHaveLength(12);
    const batch = { ids: Int32Array.from(ids), offsets: Int32Array.of(0, ids.length) };
    const alone = await model.predict(batch);
    model.dispose();
    alone.forEach((value, k) => {
      expect(all[6 * SIZE + k]).toBeCloseTo(value, 5);
    });
  });

  it('are made once; what is missing is added, and another key makes them anew', async () => {
    const { all } = await states();
    expect(taught).toEqual([64, 128, 150]);
    taught = [];
    expect((await states()).all).toEqual(all);
    expect(taught).toEqual([]);
    // As a kill leaves them: in the middle of a paper.
    const file = join(folder, 'teacher-states.bin');
    truncateSync(file, 70 * SIZE * 4 + 10);
    expect((await states()).all).toEqual(all);
    expect(taught).toEqual([128, 150]);
    appendFileSync(file, 'more than there is');
    expect((await states()).all).toEqual(all);
    taught = [];
    expect((await states('b')).all).toEqual(all);
    expect(taught).toEqual([64, 128, 150]);
  });

  it('stay where they are when they are stopped, to be gone on from', async () => {
    const { all } = await states('whole');
    const controller = new AbortController();
    const stopped = states('a', controller.signal, () => controller.abort());
    await expect(stopped).rejects.toMatchObject({
      code: 'CANCELLED',
      message: expect.stringContaining('64 of 150'),
    });
    expect(statSync(join(folder, 'teacher-states.bin')).size).toBe(64 * SIZE * 4);
    expect((await states()).all).toEqual(all);
    expect(readFileSync(join(folder, 'teacher-states.key'), 'utf8')).toBe('a');
  });

  it.each([149, 151])('refuse a corpus that has %i papers meanwhile', async papers => {
    const reading = { sources: [source], papers };
    const made = TeacherStates.prepare(folder, 'a', teacher, reading, { onTaught: () => {} });
    await expect(made).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('changed'),
    });
    expect(statSync(join(folder, 'teacher-states.bin')).size).toBe(0);
  });
});

describe('pretrain with a teacher', () => {
  const taughtBy = (out: string, hooks: PretrainHooks = {}) =>
    pretrain({ corpus: [source], config, teacher: join(root, 'encoder'), out, ...common }, hooks);

  it('keeps what the teacher said when it is stopped, and goes on from there to the same weights', async () => {
    await taughtBy(join(folder, 'straight'));
    const out = join(folder, 'stopped');
    const controller = new AbortController();
    const onProgress = (event: PretrainEvent) => event.type === 'teaching' && controller.abort();
    await expect(taughtBy(out, { onProgress, signal: controller.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
      remedy: expect.stringContaining('the same command goes on from there'),
    });
    expect(existsSync(out)).toBe(false);
    const done: number[] = [];
    await taughtBy(out, { onProgress: event => event.type === 'teaching' && done.push(event.done) });
    expect(done).toEqual([128, 150]);
    expect(existsSync(`${out}.pretraining`)).toBe(false);
    const weights = (name: string) =>
      readFileSync(join(folder, name, 'model.safetensors')).toString('base64');
    expect(weights('stopped')).toBe(weights('straight'));
  });

  it('is not written where its teacher lies', async () => {
    await expect(taughtBy(join(root, 'encoder'))).rejects.toMatchObject({ code: 'BAD_OPTION' });
    const forced = pretrain({
      ...{ corpus: [source], config, teacher: join(root, 'encoder'), out: join(root, 'encoder'), ...common },
      force: true,
    });
    await expect(forced).rejects.toMatchObject({ message: expect.stringContaining('would be replaced') });
  });
});
