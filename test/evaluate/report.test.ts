import { describe, expect, it } from 'vitest';
import { worstMistakes } from '../../src/evaluate/report/mistakes.js';
import { TrainingRecordReader } from '../../src/evaluate/report/record.js';
import { confusionChart, historyCharts } from '../../src/evaluate/report/report-charts.js';
import {
  caveats,
  dataTerms,
  partRows,
  settingTerms,
  trainingTerms,
} from '../../src/evaluate/report/training-terms.js';

describe('the worst mistakes', () => {
  const labels = ['a', 'b'];
  const example = (label: number, id: string) => ({
    label,
    paper: { id, title: id, abstract: '', categories: [labels[label]!, 'c'], label: labels[label]!, line: 1 },
  });
  // Of the last one the rule, not the probability, chose wrongly.
  const examples = [example(0, 'right'), example(0, 'bad'), example(1, 'worst'), example(1, 'ruled')];
  const probabilities = Float64Array.from([0.9, 0.1, 0.3, 0.7, 0.95, 0.05, 0.4, 0.6]);
  const predicted = Int32Array.from([0, 1, 0, 0]);

  it('are those whose own class was least probable, by the rule that chose', () => {
    const found = worstMistakes(examples, labels, { probabilities, predicted }, 9);
    expect(found.map(({ id }) => id)).toEqual(['worst', 'bad', 'ruled']);
    expect(found[0]).toMatchObject({
      label: 'b',
      predicted: 'a',
      otherCategories: ['c'],
      probabilities: { a: 0.95, b: 0.05 },
    });
    expect(worstMistakes(examples, labels, { probabilities, predicted }, 1)).toHaveLength(1);
  });
});

describe('a training record', () => {
  const record = (value: unknown) => new TrainingRecordReader(value as object);

  it.each([
    [{ labels: 'primary', labelColumn: 'field' }, 'those in the column "field"'],
    [{ labels: 'primary' }, 'the one that a paper states, else its first category'],
    [{ labels: 'query' }, 'a row for each of the classes that a paper carries'],
    [{ labels: 'by hand' }, 'by hand'],
  ])('tells where the labels are from: %j', (rule, text) => {
    expect(dataTerms(record({ data: { rule } }))).toEqual([['labels', text]]);
  });

  it('tells every setting, so that it can be broken into lines', () => {
    const resolved = { description: 'x', loss: 'focal', lengths: { title: 32, abstract: 128 } };
    expect(settingTerms(record({ recipe: { resolved } }))).toEqual([
      ['loss', 'focal'],
      ['lengths', '{ "title": 32, "abstract": 128 }'],
    ]);
  });

  it('tells what it holds, without the places of folders', () => {
    const full = record({
      recipe: { name: 'light' },
      encoder: { id: '/home/someone/minilm', layers: 6 },
      frozenLayers: 2,
      trainingSeconds: 90,
      steps: 1000,
      data: {
        source: '/home/someone/papers',
        rule: { split: 'grouped', ratios: [70, 15, 15] },
        splitSeed: 0,
        splits: { train: [1000, 2], validation: [3, 4], test: [5, 6] },
        leaks: { seenTestRows: 2 },
        copies: { papers: [450, 0], record: { translators: { es: 'bergamot 1' } } },
      },
      words: { features: 12345 },
      interrupted: true,
    });
    expect(Object.fromEntries(trainingTerms(full))).toEqual({
      recipe: 'light',
      encoder: 'minilm',
      layers: '6, of them frozen: 2',
      words: 'beside the encoder, 12,345 words and pairs of words',
      time: '1 min 30 s without validation, 1,000 steps',
    });
    expect(Object.fromEntries(dataTerms(full))).toEqual({
      data: 'papers',
      split: 'grouped, 70/15/15, seed 0',
      'synthetic copies': '450 to train on, back-translated through es (bergamot 1)',
    });
    expect(partRows(full, ['a', 'b'])!.at(-1)).toEqual(['all', '1,002', '7', '11']);
    expect(partRows(full, ['a'])).toBeUndefined();
    expect(caveats(full)).toHaveLength(2);
  });

  it.each([null, [], 7, { recipe: null, encoder: [], data: 'x', classWeights: ['a'], sessions: {} }])(
    'says nothing where there is nothing: %j',
    value => {
      expect([
        ...trainingTerms(record(value)),
        ...dataTerms(record(value)),
        ...caveats(record(value)),
      ]).toEqual([]);
    },
  );
});

describe('charts of a report', () => {
  it('have at most as many points as can be told apart, whose means are those of all', () => {
    const steps = Array.from({ length: 1001 }, (_, i) => ({ step: i + 1, loss: i, learningRate: 1 }));
    const [loss] = historyCharts([], steps);
    const values = (loss!.chart.data as { values: { step: number; loss: number }[] }).values;
    expect(values.length).toBeLessThanOrEqual(200);
    expect(values[0]).toEqual({ step: 6, loss: 2.5, learningRate: 1 });
    expect(values.at(-1)!.step).toBe(1001);
    expect(historyCharts([], steps.slice(0, 1))).toEqual([]);
  });

  it('leave out confusions of classes too many to show', () => {
    const square = (n: number) => Array.from({ length: n }, () => new Array<number>(n).fill(1));
    const names = (n: number) => Array.from({ length: n }, (_, i) => `c${i}`);
    expect((confusionChart(square(40), names(40))!.chart.layer as object[]).length).toBe(1);
    expect((confusionChart(square(4), names(4))!.chart.layer as object[]).length).toBe(2);
    expect(confusionChart(square(41), names(41))).toBeUndefined();
  });

  it('leave out numbers that have no room in their cells', () => {
    const names = Array.from({ length: 8 }, (_, i) => `a class of a long name ${i}`);
    const matrix = (count: number) => names.map(() => names.map(() => count));
    expect(confusionChart(matrix(10), names)!.chart.layer).toHaveLength(2);
    expect(confusionChart(matrix(10_000), names)!.chart.layer).toHaveLength(1);
  });
});
