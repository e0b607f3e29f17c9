import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDataset } from '../../src/data/dataset.js';
import { scoreBaseline, trainWords } from '../../src/evaluate/baseline/baseline.js';
import { type Tuning, tuneModel } from '../../src/evaluate/tune-model.js';
import { cli, demoModel, examplePapers } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-tune-'));
const model = join(scratch, 'model');
afterAll(() => rmSync(scratch, { recursive: true }));
beforeAll(async () => {
  cpSync(await demoModel(), model, { recursive: true });
}, 120_000);

const rule = () => readFileSync(join(model, 'thresholds.json'), 'utf8');
const cache = join(scratch, 'cache');
const tune = (folder: string, ...args: string[]) =>
  cli(['tune', folder, ...args, '--threads', '1'], { env: { ARXIV_NATIVE_CACHE: cache } });
const run = (...args: string[]) => tune(model, ...args);

describe('tune', () => {
  it('shows what it would do, and writes nothing, in a dry run', async () => {
    const before = rule();
    const { exitCode, stdout, stderr } = await run('--class', 'cs.AI', '--dry-run');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const text of ['threshold  accuracy', 'On the validation papers', 'On the test papers']) {
      expect(stdout).toContain(text);
    }
    expect(stdout.match(/before +after +baseline$/gm)).toHaveLength(2);
    expect(stdout).toContain('The baseline is TF-IDF');
    expect(stdout.split('\n').filter(line => line.length > 80 && !line.includes('/'))).toEqual([]);
    expect(rule()).toBe(before);
  });

  it('has words alone beside the model, unless that is declined', async () => {
    const { baseline } = await tuneModel({ model, dryRun: true, threads: 1 }, { cache });
    expect(baseline!.source).toBe(examplePapers);
    const dataset = await loadDataset(examplePapers, { seed: 42 });
    const { classifier } = await trainWords(dataset, { cache });
    for (const part of ['validation', 'test'] as const) {
      const { metrics } = await scoreBaseline(classifier, dataset[part]);
      expect(baseline!.figures[part]).toEqual(metrics);
    }
    const declined = await run('--dry-run', '--no-baseline', '--json');
    expect(Object.keys(JSON.parse(declined.stdout)).filter(key => key.startsWith('baseline'))).toEqual([]);
  });

  it('leaves the model as it is where a signal comes while the baseline is trained', async () => {
    const before = rule();
    const interrupt = new AbortController();
    const stages: string[] = [];
    const stopped = tuneModel(
      { model, threads: 1 },
      {
        cache: join(scratch, 'empty cache'),
        signal: interrupt.signal,
        onProgress: event => {
          if (event.type !== 'baseline') return;
          stages.push(event.stage);
          interrupt.abort();
        },
      },
    );
    await expect(stopped).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(stages).not.toContain('classifying');
    expect(rule()).toBe(before);
  });

  it('writes what is best on the validation papers, by which evaluate then decides', async () => {
    const names = readdirSync(model);
    const { exitCode, stdout, stderr } = await run('--class', 'cs.AI', '--objective', 'macroF1', '--json');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const { after, figures, curve }: Tuning = JSON.parse(stdout);
    expect(JSON.parse(rule())).toEqual(after);
    expect(readdirSync(model)).toEqual(names);
    expect(figures.validation.after.logLoss).toBeLessThanOrEqual(figures.validation.before.logLoss);
    expect(figures.validation.after.macro.f1).toBeCloseTo(
      Math.max(...curve!.map(point => point.macroF1)),
      12,
    );
    const judged = await cli(['evaluate', model, '--no-baseline', '--json', '--threads', '1']);
    const { metrics, decision } = JSON.parse(judged.stdout);
    expect(decision).toEqual(after);
    expect(metrics).toEqual(figures.test.after);
  });

  it('says how many of other papers the model was trained on', async () => {
    const data = join(scratch, 'same-papers');
    await cli(['prepare', examplePapers, '--out', data, '--seed', '7']);
    const { exitCode, stdout, stderr } = await run('--data', data, '--dry-run');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/The model was trained on \d+ .*of\s+these papers/);
    // Words learn from what the model learned from, not from what it is judged by.
    expect(stdout.replace(/\s+/g, ' ')).toContain(`trained on ${examplePapers}.`);
  });

  it('says why there is no baseline, and finds it in data that was moved', async () => {
    const orphan = join(scratch, 'orphan');
    cpSync(model, orphan, { recursive: true });
    const path = join(orphan, 'training.json');
    const training = JSON.parse(readFileSync(path, 'utf8'));
    training.data.source = join(scratch, 'gone.jsonl');
    writeFileSync(path, JSON.stringify(training));
    const others = join(scratch, 'others');
    await cli(['prepare', examplePapers, '--out', others, '--seed', '8']);
    const other = await tune(orphan, '--data', others, '--dry-run');
    expect(other.exitCode).toBe(0);
    expect(other.stdout).toMatch(/^No baseline\n {2}[\s\S]*gone\.jsonl/m);
    expect(other.stdout).not.toMatch(/after +baseline/);
    const moved = await tune(orphan, '--data', examplePapers, '--dry-run', '--json');
    const { baseline, baselineOmitted, seen }: Tuning = JSON.parse(moved.stdout);
    expect({ source: baseline?.source, baselineOmitted }).toEqual({ source: examplePapers });
    expect(seen!.test).toEqual({ train: 0, validation: 0 });
  });

  it('warns of thresholds for all classes', async () => {
    const { exitCode, stderr } = await run('--all', '--dry-run');
    expect(exitCode).toBe(0);
    expect(stderr).toContain('warning: as many thresholds as classes');
  });

  it.each<[string, string[], string]>([
    ['a class that is none', ['--class', 'cs.Al'], 'Did you mean "cs.AI"?'],
    ['one class and all', ['--class', 'cs.AI', '--all'], 'cannot be used with'],
    ['an objective without thresholds', ['--objective', 'macroF1'], 'Give --class with a class, or --all'],
    ['another objective', ['--objective', 'recall'], 'Allowed choices are accuracy, macroF1'],
  ])('refuses %s', async (_, args, message) => {
    const before = rule();
    const { exitCode, stdout, stderr } = await run(...args);
    expect(stderr).toContain(message);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(rule()).toBe(before);
  });
});
