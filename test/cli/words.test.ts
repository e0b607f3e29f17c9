import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDataset } from '../../src/data/dataset.js';
import { scoreBaseline, trainWords } from '../../src/evaluate/baseline/baseline.js';
import { type EvaluateModelOptions, evaluateModel } from '../../src/evaluate/evaluate-model.js';
import { tuneModel } from '../../src/evaluate/tune-model.js';
import { openSavedModel } from '../../src/model/saved-model.js';
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
  const data = [
    '--data',
    examplePapers,
    '--recipe',
    'demo',
    '--epochs',
    '2',
    '--words',
    'tfidf',
    '--precision',
    'fp32',
  ];
  const { exitCode, stdout, stderr } = await run('train', ...data, '--out', model, '--json');
  if (exitCode !== 0) throw new Error(stderr);
  result = JSON.parse(stdout);
}, 120_000);

/** The model with encoder and words counting for so much. */
function scaled(encoder: number, words: number): string {
  const copy = join(scratch, `scaled-${encoder}-${words}`);
  cpSync(model, copy, { recursive: true });
  const file = join(copy, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  config.words.scales = { encoder, words };
  writeFileSync(file, JSON.stringify(config));
  return copy;
}

const judge = (options: Partial<EvaluateModelOptions>) =>
  evaluateModel({ model, baseline: false, threads: 1, ...options }, { cache });

describe('a model with words beside its encoder', () => {
  it('is what training says of it', async () => {
    const { words, test, history, bestEpoch } = result.training;
    expect(words!.validationAccuracy).toBeGreaterThan(history[bestEpoch - 1]!.validationAccuracy);
    // In lower precisions a model that only predicts computes by other kernels.
    const judged = await judge({ precision: 'fp32' });
    expect(judged.scales).toEqual(words!.scales);
    expect(judged.metrics.confusion).toEqual(test!.confusion);
    expect(judged.metrics.logLoss).toBeCloseTo(test!.logLoss, 6);
    // Of the whole model, as validation is: the epochs' accuracies are its encoder's, which knows less by heart.
    const train = await judge({ precision: 'fp32', split: 'train' });
    const { papers, accuracy } = result.training.trained!;
    expect(papers).toBe(result.training.validation!.papers);
    expect(Math.abs(accuracy - train.metrics.accuracy)).toBeLessThan(0.15);
    expect(accuracy).toBeGreaterThan(history[bestEpoch - 1]!.trainAccuracy);
    expect(judged.accuracies.train).toBe(accuracy);
    expect(judged.objectives!.gap!.value).toBeCloseTo(accuracy - result.training.validation!.accuracy, 12);
    expect(readFileSync(join(model, 'README.md'), 'utf8')).toContain('beside the encoder TF-IDF');
  });

  it('predicts as it is examined: by the sum of its scaled logits', async () => {
    const examined = async (encoder: number, words: number) => {
      const output = join(scratch, `examined-${encoder}-${words}.jsonl`);
      await judge({ model: scaled(encoder, words), data: examplePapers, output });
      return lines(output).map(({ probabilities }) => Object.values<number>(probabilities));
    };
    const [encoder, words, both] = [await examined(1, 0), await examined(0, 1), await examined(0.5, 2)];
    const output = join(scratch, 'predicted.jsonl');
    const folder = scaled(0.5, 2);
    await run('predict', '--model', folder, '--input', examplePapers, '--output', output);
    const predicted = lines(output);
    expect(predicted).toHaveLength(both.length);
    for (const [i, { probabilities }] of predicted.entries()) {
      const product = encoder[i]!.map((p, k) => p ** 0.5 * words[i]![k]! ** 2);
      const sum = product.reduce((a, b) => a + b);
      for (const [k, p] of Object.values<number>(probabilities).entries()) {
        expect(both[i]![k]).toBeCloseTo(product[k]! / sum, 6);
        expect(p).toBeCloseTo(both[i]![k]!, 5);
      }
    }
  });

  it('is tuned as a whole, and compared with words alone', async () => {
    const folder = scaled(0.5, 2);
    const { after, figures, baseline } = await tuneModel({ model: folder, threads: 1 }, { cache });
    expect(after.temperature).not.toBe(1);
    const judged = await judge({ model: folder, baseline: true });
    expect(judged.metrics).toEqual(figures.test.after);
    const dataset = await loadDataset(examplePapers, { seed: 42 });
    const { classifier, cached } = await trainWords(dataset, { cache });
    expect(cached).toBe(true);
    const { metrics } = await scoreBaseline(classifier, dataset.test);
    expect(judged.baseline!.metrics).toEqual(metrics);
    expect(baseline!.figures.test).toEqual(metrics);
    const { accuracy, macro, logLoss } = metrics;
    const { training } = await openSavedModel(folder);
    expect(training).toMatchObject({ baseline: { accuracy, macroF1: macro.f1, logLoss } });
  });

  it('is refused by the name of the file that was cut', async () => {
    const copy = scaled(1, 1);
    truncateSync(join(copy, 'words.safetensors'), 1000);
    const { exitCode, stderr } = await run('predict', '--model', copy, '--title', 'A', '--abstract', 'B');
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${join(copy, 'words.safetensors')} is truncated`);
  });
});
