import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDataset } from '../../src/data/dataset.js';
import { trainBaseline } from '../../src/evaluate/baseline/baseline.js';
import { type EvaluateModelOptions, evaluateModel } from '../../src/evaluate/evaluate-model.js';
import { tuneModel } from '../../src/evaluate/tune-model.js';
import type { TrainResult } from '../../src/train/types.js';
import { cli, examplePapers } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-words-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const cache = join(scratch, 'cache');
const model = join(scratch, 'model');
const run = (...args: string[]) => cli([...args, '--threads', '1'], { env: { ARXIV_NATIVE_CACHE: cache } });

const lines = (file: string) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));

let result: TrainResult;
beforeAll(async () => {
  const data = ['--data', examplePapers, '--recipe', 'demo', '--epochs', '2', '--words', 'tfidf'];
  const { exitCode, stdout, stderr } = await run('train', ...data, '--out', model, '--json');
  if (exitCode !== 0) throw new Error(stderr);
  result = JSON.parse(stdout);
}, 120_000);

/** The model with this weight of its words. */
function weighted(weight: number): string {
  const copy = join(scratch, `weight-${weight}`);
  cpSync(model, copy, { recursive: true });
  const file = join(copy, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  config.words.weight = weight;
  writeFileSync(file, JSON.stringify(config));
  return copy;
}

const judge = (options: Partial<EvaluateModelOptions>) =>
  evaluateModel({ model, baseline: false, threads: 1, ...options }, { cache });

describe('a model with words beside its encoder', () => {
  it('is what training says of it', async () => {
    const { words, test, history, bestEpoch } = result.training;
    expect(words!.validationAccuracy).toBeGreaterThan(history[bestEpoch - 1]!.validationAccuracy);
    const judged = await judge({});
    expect(judged.wordsWeight).toBe(words!.weight);
    expect(judged.metrics.confusion).toEqual(test!.confusion);
    expect(judged.metrics.logLoss).toBeCloseTo(test!.logLoss, 6);
    expect(readFileSync(join(model, 'README.md'), 'utf8')).toContain('beside the encoder TF-IDF');
  });

  it('predicts as it is examined: the weighted mean of its encoder and its words', async () => {
    const [encoder, both, words] = await Promise.all(
      [0, 0.5, 1].map(async weight => {
        const output = join(scratch, `examined-${weight}.jsonl`);
        await judge({ model: weighted(weight), data: examplePapers, output });
        return lines(output);
      }),
    );
    const output = join(scratch, 'predicted.jsonl');
    await run(
      'predict',
      '--model',
      join(scratch, 'weight-0.5'),
      '--input',
      examplePapers,
      '--output',
      output,
    );
    const predicted = lines(output);
    expect(predicted).toHaveLength(both!.length);
    for (const [i, { probabilities }] of predicted.entries()) {
      for (const label of result.training.data.labels) {
        const [a, b, mean] = [encoder, words, both].map(said => said![i].probabilities[label]);
        expect(mean).toBeCloseTo((a + b) / 2, 6);
        expect(probabilities[label]).toBeCloseTo(mean, 5);
      }
    }
  });

  it('is tuned as a whole, and compared with words alone', async () => {
    const folder = join(scratch, 'weight-0.5');
    const { after, figures } = await tuneModel({ model: folder, threads: 1 });
    expect(after.temperature).not.toBe(1);
    const judged = await judge({ model: folder, baseline: true });
    expect(judged.metrics).toEqual(figures.test.after);
    const dataset = await loadDataset(examplePapers, { seed: 42 });
    const { test, cached } = await trainBaseline(dataset, { cache });
    expect(cached).toBe(true);
    expect(judged.baseline!.metrics).toEqual(test.metrics);
  });

  it('is refused by the name of the file that was cut', async () => {
    const copy = weighted(0.3);
    truncateSync(join(copy, 'words.safetensors'), 1000);
    const { exitCode, stderr } = await run('predict', '--model', copy, '--title', 'A', '--abstract', 'B');
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${join(copy, 'words.safetensors')} is truncated`);
  });
});
