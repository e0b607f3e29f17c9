import {
  appendFileSync,
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

const PAPERS = Array.from({ length: 150 }, (_, i) => ({
  title: `Paper ${i}`,
  abstract: 'words of an abstract '.repeat(1 + (i % 7)),
}));
const SIZE = 16;
const placement = { device: 'cpu', precision: 'fp32' as const, threads: 1 };

const root = mkdtempSync(join(tmpdir(), 'arxiv-native-teacher-'));
const source = join(root, 'papers.jsonl');
let teacher: Teacher;
beforeAll(async () => {
  writeFileSync(source, PAPERS.map(paper => JSON.stringify(paper)).join('\n'));
  const config = {
    ...{ hiddenSize: SIZE, layers: 1, attentionHeads: 2, intermediateSize: 16, maxPositions: 64 },
    vocabSize: 100,
  };
  const out = join(root, 'encoder');
  await pretrain({ corpus: [source], config, steps: 1, maxLength: 32, out, ...placement });
  teacher = { encoder: await openEncoder(out), maxLength: 12 };
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
  const made = await TeacherStates.prepare(folder, key, teacher, [source], PAPERS.length, placement, {
    signal,
    onTaught,
  });
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
      remedy: expect.stringContaining('goes on'),
    });
    expect(statSync(join(folder, 'teacher-states.bin')).size).toBe(64 * SIZE * 4);
    expect((await states()).all).toEqual(all);
    expect(readFileSync(join(folder, 'teacher-states.key'), 'utf8')).toBe('a');
  });
});
