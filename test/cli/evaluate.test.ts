import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type EvaluateModelEvent,
  type Evaluation,
  evaluateModel,
} from '../../src/evaluate/evaluate-model.js';
import { cli, demoModel, examplePapers } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-evaluate-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const env = { XDG_CACHE_HOME: join(scratch, 'cache') };
const run = (...args: string[]) => cli(['evaluate', ...args, '--threads', '1'], { env });

interface Said {
  id: string;
  label: string;
  predicted: string;
  probabilities: Record<string, number>;
}

function readSaid(file: string): Said[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
}

/** The figures, counted anew from the lines of --output. */
function count(said: Said[], labels: string[]) {
  const confusion = labels.map(row =>
    labels.map(column => said.filter(each => each.label === row && each.predicted === column).length),
  );
  return {
    papers: said.length,
    accuracy: said.filter(({ label, predicted }) => label === predicted).length / said.length,
    confusion,
    logLoss:
      -said.reduce((sum, { label, probabilities }) => sum + Math.log(probabilities[label]!), 0) / said.length,
    recalls: confusion.map((row, k) => row[k]! / row.reduce((a, b) => a + b)),
  };
}

async function evaluated(...args: string[]): Promise<Evaluation> {
  const { exitCode, stdout, stderr } = await run(...args, '--json');
  if (exitCode !== 0) throw new Error(`${stdout}${stderr}`);
  return JSON.parse(stdout);
}

let model: string;
beforeAll(async () => {
  model = await demoModel();
}, 120_000);

/** A copy of the model that a test may change. */
function copied(name: string, file: string, change: (content: Record<string, unknown>) => object): string {
  const copy = join(scratch, name);
  cpSync(model, copy, { recursive: true });
  const path = join(copy, file);
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
  return copy;
}

describe('evaluate', () => {
  it('gives the figures that its output counts to, and those of training', async () => {
    const output = join(scratch, 'said.jsonl');
    const found = await evaluated(model, '--output', output);
    const said = readSaid(output);
    const counted = count(said, found.labels);
    const { metrics, intervals, data } = found;
    expect(metrics).toMatchObject({ papers: counted.papers, confusion: counted.confusion });
    expect(metrics.accuracy).toBeCloseTo(counted.accuracy, 12);
    expect(metrics.logLoss).toBeCloseTo(counted.logLoss, 9);
    for (const [k, { recall }] of metrics.perClass.entries()) {
      expect(recall).toBeCloseTo(counted.recalls[k]!, 12);
    }
    expect(intervals.accuracy.low).toBeLessThanOrEqual(counted.accuracy);
    expect(intervals.accuracy.high).toBeGreaterThanOrEqual(counted.accuracy);
    expect(data).toMatchObject({ source: examplePapers, split: 'test', seen: { train: 0, validation: 0 } });
    const training = JSON.parse(readFileSync(join(model, 'training.json'), 'utf8'));
    expect(metrics.accuracy).toBeCloseTo(training.test.accuracy, 12);
    expect(found.accuracies.test).toBe(training.test.accuracy);
    const { baseline } = found;
    expect(baseline!.metrics.papers).toBe(counted.papers);
    const { both, onlyFirst, onlySecond, neither } = baseline!.mcnemar;
    expect(both + onlyFirst).toBe(said.filter(({ label, predicted }) => label === predicted).length);
    expect(both + onlyFirst + onlySecond + neither).toBe(counted.papers);
    expect(found.objectives!.aiRecall.value).toBe(metrics.perClass[found.labels.indexOf('cs.AI')]!.recall);
  });

  it('prints tables that fit 80 columns', async () => {
    const { exitCode, stdout, stderr } = await run(model, '--split', 'validation');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const long = stdout.split('\n').filter(line => line.length > 80 && !line.includes('/'));
    expect(long).toEqual([]);
    for (const text of ['accuracy', 'By class', 'Confusion', "McNemar's p", 'baseline', 'Not all are new']) {
      expect(stdout).toContain(text);
    }
  });

  it('takes all papers of a file, says which it knows, and leaves others out', async () => {
    const lines = readFileSync(examplePapers, 'utf8').trim().split('\n').slice(0, 40);
    const first = JSON.parse(lines[0]!);
    const strange = { ...first, id: 'x1', title: 'Another', category: 'hep-th', categories: ['hep-th'] };
    const file = join(scratch, 'exam.jsonl');
    writeFileSync(file, [...lines, lines[0], JSON.stringify(strange)].join('\n'));
    const { data, baseline, baselineOmitted } = await evaluated(model, '--data', file, '--no-baseline');
    expect(data).toMatchObject({ papers: 40, leftOut: { otherLabels: 1, duplicates: 1 } });
    expect(data).not.toHaveProperty('split');
    expect(data.seen!.train).toBeGreaterThan(10);
    expect({ baseline, baselineOmitted }).toEqual({});
  });

  it('honours the saved rule, and shows the most probable class beside it', async () => {
    const ruled = copied('ruled', 'thresholds.json', () => ({
      method: 'thresholds',
      thresholds: { 'cs.AI': 0 },
      temperature: 2,
    }));
    const output = join(scratch, 'ruled.jsonl');
    const found = await evaluated(ruled, '--no-baseline', '--output', output);
    const said = readSaid(output);
    expect(said.every(({ predicted }) => predicted === 'cs.AI')).toBe(true);
    expect(found.metrics.accuracy).toBeCloseTo(count(said, found.labels).accuracy, 12);
    expect(found.metrics.logLoss).toBeCloseTo(count(said, found.labels).logLoss, 9);
    const plain = await evaluated(model, '--no-baseline');
    expect(found.argmax!.metrics.confusion).toEqual(plain.metrics.confusion);
    expect(plain).not.toHaveProperty('argmax');
  });

  it('knows when its own data is gone or another, and takes it from another place', async () => {
    const elsewhere = copied('gone', 'training.json', training => ({
      ...training,
      data: { ...(training.data as object), source: join(scratch, 'gone.jsonl') },
    }));
    const gone = await run(elsewhere);
    expect(gone.exitCode).toBe(2);
    expect(gone.stderr).toMatch(/gone\.jsonl: no such file[\s\S]*--data/);
    const moved = await evaluated(elsewhere, '--data', examplePapers, '--split', 'test');
    expect(moved.data.papers).toBe((await evaluated(model, '--no-baseline')).data.papers);
    const whole = await evaluated(elsewhere, '--data', examplePapers, '--no-baseline');
    expect(whole.data.papers).toBeGreaterThan(moved.data.papers);
    expect(whole.data.seen!.train).toBeGreaterThan(10);
    const part = join(scratch, 'part.jsonl');
    writeFileSync(part, readFileSync(examplePapers, 'utf8').trim().split('\n').slice(1).join('\n'));
    const unknown = await evaluated(elsewhere, '--data', part);
    expect(unknown.data).not.toHaveProperty('seen');
    expect(unknown.baselineOmitted).toContain('gone.jsonl');
    cpSync(part, join(scratch, 'gone.jsonl'));
    const other = await run(elsewhere);
    expect(other.exitCode).toBe(2);
    expect(other.stderr).toMatch(/is not the data[\s\S]*fingerprint[\s\S]*--data/);
  });

  it('finds data that was named relative to a folder above the model', async () => {
    const project = join(scratch, 'project');
    mkdirSync(project);
    cpSync(examplePapers, join(project, 'papers.jsonl'));
    const inProject = copied('project/model', 'training.json', training => ({
      ...training,
      data: { ...(training.data as object), source: 'papers.jsonl' },
    }));
    const { data } = await evaluated(inProject, '--no-baseline');
    expect(data).toMatchObject({ source: join(project, 'papers.jsonl'), split: 'test' });
    const beside = copied('beside', 'training.json', training => ({
      ...training,
      data: { ...(training.data as object), source: 'none.jsonl', fromModel: '../project/papers.jsonl' },
    }));
    const found = await evaluated(beside, '--no-baseline');
    expect(found.data).toMatchObject({ source: join(project, 'papers.jsonl'), papers: data.papers });
  });

  it('tells folders that training leaves from models', async () => {
    const seeds = join(scratch, 'project');
    const several = await run(seeds);
    expect(several.exitCode).toBe(1);
    expect(several.stderr).toMatch(/holds 1 model, and is none[\s\S]*project\/model/);
    const unfinished = join(scratch, 'a.training');
    mkdirSync(unfinished);
    writeFileSync(join(unfinished, 'checkpoint.safetensors'), '');
    expect((await run(unfinished)).stderr).toMatch(/has not ended[\s\S]*--resume/);
  });

  it('asks for data where a model was imported', async () => {
    const imported = copied('imported', 'training.json', () => ({ imported: {} }));
    const { exitCode, stderr } = await run(imported);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/was not trained here[\s\S]*--data/);
    const found = await evaluated(imported, '--data', examplePapers);
    expect(found.baselineOmitted).toContain('was not trained here');
    expect(found.accuracies).toEqual({});
  });

  it('counts the intervals it draws, and stops at a signal between them', async () => {
    const interrupt = new AbortController();
    const counts: [number, number][] = [];
    const onProgress = (event: EvaluateModelEvent) => {
      if (event.type !== 'intervals') return;
      counts.push([event.done, event.total]);
      if (event.done === 2) setTimeout(() => interrupt.abort(), 1);
    };
    const hooks = { onProgress, signal: interrupt.signal, cache: join(scratch, 'cache') };
    await expect(evaluateModel({ model, threads: 1 }, hooks)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(counts).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
    ]);
  });

  it.each<[string, string[], string]>([
    ['a part that is none', ['--split', 'all'], 'Allowed choices are train, validation, test'],
    ['a file that is not there', ['--data', 'no-such.jsonl'], 'no-such.jsonl: no such file'],
    ['an output that is the data', ['--data', 'DATA', '--output', 'DATA', '--force'], 'is the input'],
    ['a seed below 0', ['--seed', '-1'], 'whole number >= 0'],
    ['labels that the model lacks', ['--data', 'STRANGE'], 'has a label that the model knows'],
  ])('refuses %s', async (_, args, message) => {
    const data = join(scratch, 'data.jsonl');
    const strange = join(scratch, 'strange.jsonl');
    cpSync(examplePapers, data);
    writeFileSync(strange, '{"title": "A", "abstract": "b", "category": "hep-th"}\n');
    const real = args.map(arg => (arg === 'DATA' ? data : arg === 'STRANGE' ? strange : arg));
    const { exitCode, stdout, stderr } = await run(model, ...real);
    expect(stderr).toContain(message);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(readFileSync(data)).toEqual(readFileSync(examplePapers));
  });
});
