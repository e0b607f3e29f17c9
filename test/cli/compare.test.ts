import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { comparisonText } from '../../src/cli/compare-text.js';
import { ensembleText } from '../../src/cli/ensemble-text.js';
import { type CompareModelsOptions, compareModels } from '../../src/evaluate/compare-models.js';
import { type Ensemble, ensembleModels } from '../../src/evaluate/ensemble-models.js';
import { evaluateModel } from '../../src/evaluate/evaluate-model.js';
import { cli, demoModel, examplePapers } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-compare-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const cache = join(scratch, 'cache');

/** A copy of the demo model that decides otherwise, or claims to have been trained otherwise. */
function copied(name: string, file: string, change: (content: Record<string, unknown>) => unknown): string {
  const copy = join(scratch, name);
  cpSync(model, copy, { recursive: true });
  const path = join(copy, file);
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
  return copy;
}

let model: string;
let flat: string;
let keen: string;
let stranger: string;
let elsewhere: string;
beforeAll(async () => {
  model = await demoModel();
  flat = copied('flat', 'thresholds.json', () => ({ method: 'argmax', temperature: 3 }));
  keen = copied('keen', 'thresholds.json', () => ({
    method: 'thresholds',
    thresholds: { 'cs.AI': 0.01 },
  }));
  stranger = copied('stranger', 'labels.json', () => ['cs.AI', 'cs.CL', 'cs.CV', 'math.CO']);
  elsewhere = copied('elsewhere', 'training.json', training => ({
    ...training,
    data: { ...(training.data as object), fingerprint: 'another' },
  }));
}, 120_000);

const compare = (...models: string[]) => compareModels({ models, threads: 1, baseline: false });

const tooLong = (text: string) => text.split('\n').filter(line => line.length > 80 && !line.includes('/'));

interface Said {
  id: string;
  label: string;
  predicted: string;
  probabilities: Record<string, number>;
}

const readSaid = (file: string): Said[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));

/** What evaluate finds, and what it says of each test paper. */
async function evaluated(folder: string, baseline: boolean) {
  const output = join(scratch, 'said.jsonl');
  const found = await evaluateModel({ model: folder, baseline, threads: 1, output, force: true }, { cache });
  return { ...found, said: readSaid(output) };
}

describe('compare', () => {
  it('gives the figures of evaluate for each model and the baseline, and the differences between them', async () => {
    const options = { models: [model, flat, keen], threads: 1 };
    const comparison = await compareModels(options, { cache });
    const { models, baseline, data } = comparison;
    expect(comparison.class).toBe('cs.AI');
    expect(models.map(({ name }) => name)).toEqual(['demo-model', 'flat', 'keen']);
    const [first, second, third] = models;
    const [a, c] = [await evaluated(model, true), await evaluated(keen, false)];
    for (const [each, alone] of [
      [first!, a],
      [third!, c],
    ] as const) {
      expect(each.metrics).toEqual(alone.metrics);
      expect(each.intervals).toEqual(alone.intervals);
      expect(each.objectives).toEqual(alone.objectives);
      expect(each.seen).toEqual({ train: 0, validation: 0 });
      expect(each.gap).toBeCloseTo(alone.accuracies.train! - alone.accuracies.validation!, 12);
    }
    expect(baseline!.metrics).toEqual(a.baseline!.metrics);
    expect(data).toMatchObject({ source: examplePapers, split: 'test', papers: a.said.length });
    expect(first).not.toHaveProperty('against');
    const { difference, mcnemar } = third!.against!;
    expect(difference.accuracy.value).toBeCloseTo(third!.metrics.accuracy - first!.metrics.accuracy, 12);
    const right = ({ label, predicted }: Said) => label === predicted;
    const only = (mine: Said[], theirs: Said[]) =>
      mine.filter((each, i) => right(each) && !right(theirs[i]!)).length;
    expect(mcnemar.onlyFirst).toBe(only(c.said, a.said));
    expect(mcnemar.onlySecond).toBe(only(a.said, c.said));
    expect(mcnemar.onlyFirst + mcnemar.onlySecond).toBeGreaterThan(0);
    // A temperature alone changes no answer.
    expect(second!.against!.mcnemar).toMatchObject({ onlyFirst: 0, onlySecond: 0, pValue: 1 });
    expect(second!.against!.difference.logLoss.value).not.toBe(0);
    for (const { against } of [second!, third!, baseline!]) {
      expect(against!.adjustedPValue).toBeGreaterThanOrEqual(against!.mcnemar.pValue);
    }
    const text = comparisonText(comparison);
    expect(tooLong(text)).toEqual([]);
    for (const part of ['recall of cs.AI', 'Points above demo-model', 'baseline', "Holm's p", 'gap total']) {
      expect(text).toContain(part);
    }
  });

  it('counts what each has seen of other papers', async () => {
    const comparison = await compareModels({
      models: [model, elsewhere],
      data: examplePapers,
      threads: 1,
      baseline: false,
    });
    const { models, data } = comparison;
    expect(data).not.toHaveProperty('split');
    expect(models[0]!.seen!.train).toBeGreaterThan(100);
    expect(models[1]).not.toHaveProperty('seen');
    expect(comparisonText(comparison)).toMatch(/demo-model was trained on \d+ and selected by \d+ of these/);
    expect(comparisonText(comparison)).toContain('is not known');
  });

  it('refuses models that cannot be judged together, by name', async () => {
    await expect(compare(model, stranger)).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/only demo-model has \["cs\.LG"\], only stranger has \["math\.CO"\]/),
    });
    await expect(compare(model, elsewhere)).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('elsewhere was trained on other data than demo-model'),
      remedy: expect.stringContaining('--data'),
    });
    await expect(ensembleModels({ models: [model, elsewhere] })).rejects.toThrow('trained on other data');
  });

  it.each([
    ['one model', () => ({ models: [model] }), 'two or more folders'],
    ['one model twice', () => ({ models: [model, `${model}/`] }), 'is named twice'],
    ['a class that is none', () => ({ models: [model, flat], class: 'cs.Al' }), 'no class "cs.Al"'],
    ['an unknown option', () => ({ models: [model, flat], splt: 'test' }), 'no option "splt"'],
    ['no list', () => ({ models: model }), 'two or more folders'],
  ])('refuses %s', async (_, options, message) => {
    await expect(compareModels(options() as CompareModelsOptions)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining(message),
    });
  });

  it('prints one document, and nothing of what it refuses', async () => {
    const args = [
      'compare',
      model,
      keen,
      '--split',
      'validation',
      '--no-baseline',
      '--threads',
      '1',
      '--json',
    ];
    const { exitCode, stdout, stderr } = await cli(args);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const { models, data } = JSON.parse(stdout);
    expect(models[0].seen).toEqual({ train: 0, validation: data.papers });
    const refused = await cli(['compare', model, stranger]);
    expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
    expect(refused.stderr).toContain('do not tell apart the same classes');
  });

  it('stops at a signal', async () => {
    const signal = AbortSignal.abort();
    await expect(compareModels({ models: [model, flat] }, { signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});

describe('ensemble', () => {
  it('is the weighted mean of its members, fitted on the validation papers', async () => {
    const output = join(scratch, 'ensemble.jsonl');
    const ensemble = await ensembleModels({ models: [model, flat], threads: 1, output }, { cache });
    const { members, figures, best, againstBest, baseline, againstBaseline } = ensemble;
    expect(members.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 12);
    const losses = members.map(member => member.figures.validation.metrics.logLoss);
    expect(figures.validation.metrics.logLoss).toBeLessThanOrEqual(Math.min(...losses) + 1e-7);
    const alone = await evaluated(model, true);
    const [a, b] = [alone.said, (await evaluated(flat, false)).said];
    const said = readSaid(output);
    expect(said).toHaveLength(a.length);
    for (const [i, { id, probabilities, predicted }] of said.entries()) {
      expect(id).toBe(a[i]!.id);
      for (const [label, p] of Object.entries(probabilities)) {
        const [first, second] = [a[i]!, b[i]!].map(each => each.probabilities[label]!);
        expect(p).toBeCloseTo(members[0]!.weight * first! + members[1]!.weight * second!, 9);
      }
      expect(probabilities[predicted]).toBe(Math.max(...Object.values(probabilities)));
    }
    const right = said.filter(({ label, predicted }) => label === predicted).length;
    expect(figures.test.metrics.accuracy).toBeCloseTo(right / said.length, 12);
    // They are equal in accuracy.
    expect(best).toBe(members[losses[0]! <= losses[1]! ? 0 : 1]!.name);
    const better = members.find(({ name }) => name === best)!;
    expect(againstBest.test.difference.logLoss.value).toBeCloseTo(
      figures.test.metrics.logLoss - better.figures.test.metrics.logLoss,
      12,
    );
    const { metrics, intervals } = alone.baseline!;
    expect(baseline).toMatchObject({ source: examplePapers, figures: { test: { metrics, intervals } } });
    for (const part of ['validation', 'test'] as const) {
      expect(againstBaseline![part].difference.accuracy.value).toBeCloseTo(
        figures[part].metrics.accuracy - baseline!.figures[part].metrics.accuracy,
        12,
      );
    }
    // The members choose alike, and so does their mean.
    expect(againstBaseline!.test.mcnemar).toEqual(alone.baseline!.mcnemar);
    const text = ensembleText(ensemble);
    expect(tooLong(text)).toEqual([]);
    expect(text).toMatch(/^ {2}ensemble /m);
    expect(text.match(/^ {2}baseline /gm)).toHaveLength(2);
    expect(text.match(/Against the baseline/g)).toHaveLength(2);
    // Where lines end depends on the length of the path.
    expect(text.replace(/\s+/g, ' ')).toContain('The baseline is TF-IDF');
  });

  it('prints one document, without the baseline where that is declined', async () => {
    const args = ['ensemble', model, flat, '--no-baseline', '--threads', '1', '--json'];
    const { exitCode, stdout, stderr } = await cli(args);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const ensemble: Ensemble = JSON.parse(stdout);
    expect(ensemble.members).toHaveLength(2);
    for (const absent of ['baseline', 'againstBaseline', 'baselineOmitted']) {
      expect(ensemble).not.toHaveProperty(absent);
    }
    expect(ensembleText(ensemble)).not.toMatch(/baseline/i);
  });

  it('tells what it leaves out, of data that it reads once', async () => {
    const data = join(scratch, 'with others');
    mkdirSync(data);
    const lines = readFileSync(examplePapers, 'utf8').trim().split('\n');
    const strange = (name: string) =>
      JSON.stringify({ id: name, title: name, abstract: `Of ${name}.`, categories: ['hep-th'] });
    const parts = {
      train: [...lines.slice(60), strange('zero'), strange('one')],
      validation: [...lines.slice(0, 30), strange('two'), strange('three')],
      test: lines.slice(30, 60),
    };
    for (const [part, content] of Object.entries(parts)) {
      writeFileSync(join(data, `${part}.jsonl`), content.join('\n'));
    }
    const read: string[] = [];
    const ensemble = await ensembleModels(
      { models: [model, flat], threads: 1, data, baseline: false },
      {
        onProgress: event => {
          if (event.type === 'reading' && event.received === event.total) read.push(event.source);
        },
      },
    );
    const { papers, leftOut } = ensemble;
    expect(papers).toEqual({ validation: 30, test: 30 });
    expect(leftOut.validation.otherLabels).toBe(2);
    expect(leftOut.test.otherLabels).toBe(0);
    // A folder says nothing of its reading; their own data is read to count what they have seen.
    expect(read).toEqual([examplePapers]);
    const text = ensembleText(ensemble);
    expect(text.match(/Left out/g)).toHaveLength(1);
    expect(text).toContain('Left out: 2 without a label that the model knows.');
  });

  it('refuses an output that is the data', async () => {
    const before = readFileSync(examplePapers);
    const refused = await cli(['ensemble', model, flat, '--output', examplePapers, '--force', '--json']);
    expect(refused.exitCode).toBe(2);
    expect(JSON.parse(refused.stdout).error.message).toContain('is the input');
    expect(readFileSync(examplePapers)).toEqual(before);
  });
});
