import { describe, expect, it } from 'vitest';
import { TokenizedExamples } from '../../../src/evaluate/tokenized-examples.js';
import { Tokenizer } from '../../../src/text/tokenizer.js';
import { soften, TaughtExamples } from '../../../src/train/distill/lesson.js';

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
