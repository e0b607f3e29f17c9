import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Dataset, loadDataset } from '../../../src/data/dataset.js';
import {
  type BaselineHooks,
  type BaselineProgress,
  scoreBaseline,
  trainWords,
} from '../../../src/evaluate/baseline/baseline.js';
import { SparseClassifier, wordsText } from '../../../src/model/sparse-classifier.js';

const EXAMPLES = fileURLToPath(new URL('../../../examples/papers.jsonl', import.meta.url));
const dataset = await loadDataset(EXAMPLES, { seed: 42 });

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'arxiv-native-baseline-'));
});
afterEach(() => rmSync(cache, { recursive: true }));
const train = (of: Dataset = dataset, hooks: BaselineHooks = {}) => trainWords(of, { cache, ...hooks });
const kept = () => join(cache, 'baselines', dataset.fingerprint);

/** A data set like the examples with these training texts, another one to the cache. */
function withTexts(texts: string[]): Dataset {
  const examples = texts.map((abstract, i) => ({
    paper: { ...dataset.train[0]!.paper, id: `${i}`, title: '', abstract },
    label: i % 2,
  }));
  return { ...dataset, train: examples, fingerprint: texts.join('-') };
}

describe('trainWords', () => {
  it('learns from the training part what helps to tell the others apart', async () => {
    const { classifier, cached } = await train();
    expect(cached).toBe(false);
    expect(classifier.model.labels).toEqual(dataset.labels);
    for (const part of [dataset.validation, dataset.test]) {
      const score = await scoreBaseline(classifier, part);
      expect(score.metrics.papers).toBe(part.length);
      expect(score.metrics.accuracy).toBeGreaterThan(0.5); // 0.25 is chance
      const first = classifier.probabilities(wordsText(part[0]!.paper));
      expect(score.probabilities.slice(0, 4)).toEqual(first);
      expect(first.reduce((sum, p) => sum + p)).toBeCloseTo(1, 6);
    }
  });

  it('says how far it is', async () => {
    const seen: BaselineProgress[] = [];
    await train(dataset, { onProgress: progress => seen.push(progress) });
    expect([...new Set(seen.map(({ stage }) => stage))]).toEqual(['reading', 'fitting']);
    expect(seen.filter(({ stage }) => stage === 'reading').at(-1)).toEqual({
      stage: 'reading',
      unit: 'papers',
      done: dataset.train.length,
      total: dataset.train.length,
    });
  });

  it('speaks by the shares of the classes where nothing is common to three papers', async () => {
    const { classifier } = await train(withTexts(['one', 'two', 'three', 'four', 'five', 'six']));
    expect(classifier.model.idf).toHaveLength(0);
    const [first, second, third, fourth] = classifier.probabilities('one two');
    expect(first).toBeCloseTo(0.5, 2);
    expect(second).toBeCloseTo(0.5, 2);
    expect(third! + fourth!).toBeLessThan(0.01);
  });

  it('counts a pair of words only where they are neighbours', async () => {
    const texts = [
      'deep rare1 graph',
      'deep rare2 graph',
      'deep rare3 graph',
      'Graph deep',
      'graph deep',
      'a',
    ];
    const { vocabulary } = (await train(withTexts(texts))).classifier.model;
    expect(vocabulary).toEqual({ words: ['deep', 'graph'], pairs: Int32Array.of() });
    const thrice = [...texts, 'x graph. Deep'];
    expect((await train(withTexts(thrice))).classifier.model.vocabulary.pairs).toEqual(Int32Array.of(1, 0));
  });

  it('stops soon after the signal, and leaves nothing', async () => {
    const early = AbortSignal.abort();
    await expect(train(dataset, { signal: early })).rejects.toMatchObject({ code: 'CANCELLED' });
    const interrupt = new AbortController();
    // The timer fires because the work lets the event loop have its turn.
    const many = withTexts(dataset.train.flatMap(each => Array(40).fill(wordsText(each.paper))));
    setTimeout(() => interrupt.abort(), 50);
    const running = train({ ...many, fingerprint: 'many' }, { signal: interrupt.signal });
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(readdirSync(cache)).toEqual([]);
  });

  it('knows its options', async () => {
    const wrong = { cahce: cache } as BaselineHooks;
    await expect(trainWords(dataset, wrong)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      remedy: 'Did you mean "cache"?',
    });
  });
});

describe('the cache', () => {
  it('gives back what was trained', async () => {
    const first = await train();
    const stages = new Set<string>();
    const second = await train(dataset, { onProgress: ({ stage }) => stages.add(stage) });
    expect(second.cached).toBe(true);
    expect([...stages]).toEqual([]);
    expect(second.classifier.model).toEqual(first.classifier.model);
    expect(readdirSync(join(cache, 'baselines'))).toEqual([dataset.fingerprint]);
  });

  it('is of one data set', async () => {
    await train();
    expect((await train({ ...dataset, fingerprint: 'another' })).cached).toBe(false);
    expect((await train({ ...dataset, labels: ['a', 'b', 'c', 'd'] })).cached).toBe(false);
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['cut short', bytes => bytes.subarray(0, 1000)],
    ['empty', () => Buffer.alloc(0)],
    ['damaged', bytes => bytes.fill(7, 5000, 5001)],
  ])('is made again when it is %s', async (_, damage) => {
    const first = await train();
    writeFileSync(kept(), damage(readFileSync(kept())));
    const second = await train();
    expect(second.cached).toBe(false);
    expect(second.classifier.model).toEqual(first.classifier.model);
    expect((await train()).cached).toBe(true);
  });

  it('is of one method', async () => {
    await train();
    const entry = deserialize(readFileSync(kept()).subarray(32));
    const write = (method: number) => {
      const content = serialize({ ...entry, method });
      writeFileSync(kept(), Buffer.concat([createHash('sha256').update(content).digest(), content]));
    };
    write(entry.method);
    expect((await train()).cached).toBe(true);
    write(entry.method + 1);
    expect((await train()).cached).toBe(false);
  });

  it('may be a place where nothing can be kept', async () => {
    const file = join(cache, 'a file');
    writeFileSync(file, '');
    expect((await train(dataset, { cache: file })).cached).toBe(false);
    expect(readFileSync(file, 'utf8')).toBe('');
  });
});

describe('a classifier', () => {
  it('scores papers that no split has seen', async () => {
    const { classifier } = await train();
    const [example] = dataset.test;
    const seen: BaselineProgress[] = [];
    const { metrics, probabilities } = await scoreBaseline(classifier, [example!], {
      onProgress: progress => seen.push(progress),
    });
    expect(seen).toEqual([{ stage: 'classifying', unit: 'papers', done: 1, total: 1 }]);
    expect(metrics.papers).toBe(1);
    expect(probabilities).toEqual(classifier.probabilities(wordsText(example!.paper)));
  });

  it('refuses parts that do not fit together', async () => {
    const { model } = (await train()).classifier;
    expect(() => new SparseClassifier({ ...model, labels: ['a', 'b'] })).toThrow(RangeError);
    expect(() => new SparseClassifier({ ...model, idf: model.idf.slice(1) })).toThrow(RangeError);
  });
});
