import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { logitsOf } from '../../../src/evaluate/score.js';
import { TokenizedExamples } from '../../../src/evaluate/tokenized-examples.js';
import { loadSavedModel } from '../../../src/model/load.js';
import { Tokenizer } from '../../../src/text/tokenizer.js';
import { soften, TaughtExamples, teach } from '../../../src/train/distill/lesson.js';
import { train } from '../../../src/train/train.js';
import { examplePapers } from '../../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-lesson-'));
afterAll(() => rmSync(scratch, { recursive: true }));

describe('soften', () => {
  it('is the softmax at a temperature, row by row, however large the numbers', () => {
    const [a, b, c, d] = soften(Float32Array.of(2, 0, 1000, 998), 2, 2);
    const expected = Math.E / (Math.E + 1);
    expect(a).toBeCloseTo(expected, 6);
    expect(b).toBeCloseTo(1 - expected, 6);
    expect([c, d]).toEqual([a, b]);
    expect(soften(Float32Array.of(2, 0), 2, 100)[0]).toBeCloseTo(0.505, 3);
  });
});

describe('TaughtExamples', () => {
  it('gives each paper its own teacher, in any order', () => {
    const paper = { id: 'a', title: 'a b', abstract: 'a', categories: [], label: '', line: 1 };
    const examples = [0, 1, -1].map(label => ({ paper, label }));
    const papers = new TokenizedExamples(Tokenizer.train(['a b'], 20), examples, { joined: 8 });
    const taught = new TaughtExamples(papers, Float32Array.of(0, 1, 2, 3, 4, 5), 2);
    expect(taught.length).toBe(3);
    const { labels, teacher, offsets } = taught.batch(Int32Array.of(2, 0));
    expect([[...labels], [...teacher], offsets.length]).toEqual([[-1, 0], [4, 5, 0, 1], 3]);
  });
});

describe('teach', () => {
  it('leaves out what the words say of labelled papers', async () => {
    const teacher = join(scratch, 'teacher');
    await train({
      ...{ data: examplePapers, recipe: 'demo', words: 'tfidf', epochs: 1, out: teacher },
      ...{ maxTitle: 8, maxAbstract: 16 },
    });
    const placement = { device: 'cpu', precision: 'fp32' } as const;
    const paper = {
      id: 'a',
      title: 'A new paper',
      abstract: 'Of images.',
      categories: [],
      label: '',
      line: 1,
    };
    const examples = [0, -1].map(label => ({ paper, label }));
    const { saved, model } = await loadSavedModel(teacher, placement);
    const papers = new TokenizedExamples(saved.tokenizer, [examples[0]!], saved.lengths);
    const hooks = { signal: undefined, onProgress: () => {} };
    const said = async (words: typeof saved.words) =>
      soften((await logitsOf({ model, words }, papers, 4, hooks)).reverse(), 4, 2);
    const encoder = await said(undefined);
    const both = await said(saved.words);
    model.dispose();
    expect(both).not.toEqual(encoder);

    const hashes = { teacher: [], unlabelled: [] };
    const lesson = {
      teacher,
      temperature: 2,
      teacherWeight: 1,
      unlabelled: [],
      known: 0,
      sameData: true,
      hashes,
    };
    const labels = saved.labels.toReversed();
    const taught = () => teach(lesson, examples, labels, scratch, placement, {});
    expect(await taught()).toEqual(Float32Array.of(...encoder, ...both));
    // As it was kept.
    expect(await taught()).toEqual(Float32Array.of(...encoder, ...both));
  });
});
