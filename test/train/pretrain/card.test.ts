import { describe, expect, it } from 'vitest';
import { encoderCard } from '../../../src/train/pretrain/card.js';
import type { PretrainRecord } from '../../../src/train/pretrain/types.js';
import { tinyEncoder } from '../../support/shape.js';

const record: PretrainRecord = {
  fingerprint: 'f',
  start: { id: '/somewhere/second', random: false },
  shape: tinyEncoder(),
  parameters: 1e6,
  corpus: { files: [], papers: 10, tokens: 100, heldOut: 1, categories: [] },
  settings: {
    steps: 2,
    batchTokens: 8,
    maxLength: 16,
    learningRate: 1e-5,
    headLearningRateFactor: 30,
    warmup: 1,
    weightDecay: 0.01,
    maskRate: 0.15,
    categoryWeight: 0,
    dropout: 0,
    seed: 1,
  },
  saveAs: 'fp32',
  device: 'cpu',
  precision: 'fp32',
  threads: 1,
  versions: { package: '0', libtorch: '2', node: '20' },
  complete: true,
  steps: 2,
  totalSteps: 2,
  tokensSeen: 16,
  epochs: 0.16,
  sessions: [],
  seconds: 3,
  finishedAt: 'now',
};
const cardAfter = (earlier?: Record<string, unknown>) =>
  encoderCard({ ...record, start: { ...record.start, ...(earlier !== undefined && { record: earlier }) } });

describe('the card of an encoder that was gone on with', () => {
  it('tells of each phase before, the last one first', () => {
    const first = { start: { id: 'x', random: true }, steps: 1, corpus: { files: [{ name: 'a.jsonl' }] } };
    const second = { start: { id: '/somewhere/first', random: false, record: first }, steps: 1234 };
    const [, before] = cardAfter(second).split('## Before that');
    expect(before!.trim().split('\n\n').slice(0, 2)).toEqual([
      'The encoder was trained further from first: 1,234 steps.',
      'The encoder was trained from random weights on `a.jsonl`: 1 step.',
    ]);
  });

  it.each([undefined, {}, { steps: 'many', start: [] }, null as never])(
    'says nothing of what %j does not',
    earlier => {
      expect(cardAfter(earlier)).toBe(cardAfter());
    },
  );

  it('does not say that it began at random where that is not told', () => {
    expect(cardAfter({ steps: 5 })).toContain('The encoder was trained: 5 steps.');
  });
});
