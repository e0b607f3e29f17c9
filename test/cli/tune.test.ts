import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tuning } from '../../src/evaluate/tune-model.js';
import { cli, demoModel, examplePapers } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-tune-'));
const model = join(scratch, 'model');
afterAll(() => rmSync(scratch, { recursive: true }));
beforeAll(async () => {
  cpSync(await demoModel(), model, { recursive: true });
}, 120_000);

const rule = () => readFileSync(join(model, 'thresholds.json'), 'utf8');
const run = (...args: string[]) => cli(['tune', model, ...args, '--threads', '1']);

describe('tune', () => {
  it('shows what it would do, and writes nothing, in a dry run', async () => {
    const before = rule();
    const { exitCode, stdout, stderr } = await run('--class', 'cs.AI', '--dry-run');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const text of ['threshold  accuracy', 'On the validation papers', 'On the test papers']) {
      expect(stdout).toContain(text);
    }
    expect(stdout.split('\n').filter(line => line.length > 80 && !line.includes('/'))).toEqual([]);
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
