import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Report, type ReportModelOptions, reportModel } from '../../src/evaluate/report/report-model.js';
import { cli, demoModel, examplePapers } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-report-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const env = { XDG_CACHE_HOME: join(scratch, 'cache') };
const run = (...args: string[]) => cli(['report', ...args, '--threads', '1'], { env });

let model: string;
beforeAll(async () => {
  model = join(scratch, 'model');
  cpSync(await demoModel(), model, { recursive: true });
}, 120_000);

/** The report that --json gives, and its page. */
async function reported(...args: string[]): Promise<{ report: Report; page: string }> {
  const { exitCode, stdout, stderr } = await run(...args, '--json');
  if (exitCode !== 0) throw new Error(`${stdout}${stderr}`);
  const report = JSON.parse(stdout) as Report;
  return { report, page: readFileSync(report.output, 'utf8') };
}

/** The same in this process, where the engine is not needed. */
async function made(folder: string): Promise<{ report: Report; page: string }> {
  const report = await reportModel({ model: folder });
  return { report, page: readFileSync(report.output, 'utf8') };
}

/** A copy of the model whose training.json a test may change. */
function copied(name: string, change: (training: Record<string, unknown>) => unknown): string {
  const copy = join(scratch, name);
  cpSync(model, copy, { recursive: true });
  const path = join(copy, 'training.json');
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
  return copy;
}

const headings = (page: string) => [...page.matchAll(/<h2>([^<]*)<\/h2>/g)].map(match => match[1]);

describe('report', () => {
  it('writes a page with every part beside the model, and replaces it only by --force', async () => {
    const { exitCode, stdout, stderr } = await run(model);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain(`Page: ${model}.html`);
    expect(stdout.split('\n').filter(line => line.length > 80 && !line.includes('/'))).toEqual([]);
    const page = readFileSync(`${model}.html`, 'utf8');
    expect(headings(page)).toEqual([
      'Figures',
      'The predecessor&#39;s objectives',
      'Classes',
      'Probabilities and thresholds',
      'Beside the baseline',
      'How it learned',
      'What was trained, and how',
      'On what',
      'Worst mistakes',
    ]);
    expect(page).toContain('its accuracy means nothing');
    expect(page.match(/role="img" aria-label="[^"]+"/g)!.length).toBeGreaterThanOrEqual(6);
    expect(page.replace(/ xmlns(:\w+)?="[^"]*"/g, '')).not.toMatch(/https?:|\bsrc=|\bhref|url\(|<script/);
    expect(page).not.toContain(scratch);
    const again = await run(model);
    expect(again.exitCode).toBe(2);
    expect(again.stderr).toContain('exists already');
    const { report } = await reported(model, '--force', '--mistakes', '3', '--no-baseline');
    const training = JSON.parse(readFileSync(join(model, 'training.json'), 'utf8'));
    expect(report.evaluation!.metrics.accuracy).toBeCloseTo(training.test.accuracy, 12);
    expect(report.mistakes).toHaveLength(3);
    expect(report.history.epochs).toHaveLength(training.history.length);
    expect(report.curve).toMatchObject({ label: 'cs.AI', papers: training.validation.papers });
    expect(report.curve!.points[0]!.accuracy).toBeCloseTo(training.validation.accuracy, 12);
    const binned = report.calibration!.reduce((sum, bin) => sum + bin.papers, 0);
    expect(binned).toBe(training.test.papers);
    expect(report.omitted).toEqual([]);
  });

  it('holds hostile texts as texts', async () => {
    const hostile = '</title><script>alert(1)</script><img src=x onerror="alert(2)">';
    const data = join(scratch, 'hostile.jsonl');
    const labels = ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'];
    const lines = labels.map((label, k) => ({
      id: `${hostile}${k}`,
      title: `${hostile} ${label}`,
      abstract: `${hostile} ${k} ${'long '.repeat(2000)}`,
      categories: [label, hostile],
    }));
    writeFileSync(data, lines.map(line => `${JSON.stringify(line)}\n`).join(''));
    const output = join(scratch, 'hostile.html');
    const { page, report } = await reported(model, '--data', data, '--output', output, '--no-baseline');
    expect(report.mistakes!.length).toBeGreaterThan(0);
    expect(page).not.toMatch(/<script|<img/);
    expect(page.split('&#60;script&#62;').length - 1).toBe(4 * report.mistakes!.length);
    expect(page.length).toBeLessThan(200_000);
    expect(headings(page)).not.toContain('Beside the baseline');
  });

  it('tells what training recorded where the data is gone', async () => {
    const gone = copied('gone', training => ({
      ...training,
      data: { ...(training.data as object), source: join(scratch, 'private', 'gone.jsonl') },
    }));
    const { page, report } = await made(gone);
    expect(report.omitted.map(({ part }) => part)).toEqual(['evaluation']);
    expect(report).not.toHaveProperty('evaluation');
    const { test } = JSON.parse(readFileSync(join(gone, 'training.json'), 'utf8'));
    expect(page).toContain(`accuracy ${(100 * test.accuracy).toFixed(1)} %`);
    expect(page).toContain('gone.jsonl: no such file');
    expect(page).not.toContain(scratch);
    expect(headings(page)).toEqual(['Figures', 'How it learned', 'What was trained, and how', 'On what']);
    const named = reportModel({ model: gone, data: join(scratch, 'no.jsonl'), force: true });
    await expect(named).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  it('names the column that the labels are from', async () => {
    const column = copied('column', training => {
      const data = training.data as { rule: object };
      return {
        ...training,
        data: { ...data, source: join(scratch, 'gone.jsonl'), rule: { ...data.rule, labelColumn: 'field' } },
      };
    });
    const { page } = await made(column);
    expect(page).toContain('<dt>labels</dt><dd>those in the column &#34;field&#34;</dd>');
    expect(page).not.toContain('first category');
  });

  it.each<[string, unknown, string]>([
    ['was imported', { imported: { file: 'a<b>.pth', stated: { val_acc: 0.5 } } }, 'val_acc 0.5'],
    ['has a record of nothing', null, 'There is no history'],
    [
      'has a record that is broken',
      { history: [7, {}], data: 3, recipe: 'x', test: { confusion: [[1]] } },
      '',
    ],
  ])('makes what can be made of a model that %s', async (name, training, text) => {
    const copy = copied(name.replaceAll(' ', '-'), () => training);
    writeFileSync(join(copy, 'metrics.jsonl'), '{"type":"step","step":1}\nnull\n{"type":');
    const { page, report } = await made(copy);
    expect(report.omitted.map(({ part }) => part)).toEqual(['evaluation', 'history']);
    expect(page).toContain(text);
    expect(page).not.toMatch(/undefined|NaN|\[object/);
  });

  it('shows the threshold that the model has, of the class that is asked for', async () => {
    const ruled = copied('ruled', training => training);
    const rule = { method: 'thresholds', thresholds: { 'cs.LG': 0.3125 }, temperature: 2 };
    writeFileSync(join(ruled, 'thresholds.json'), JSON.stringify(rule));
    const { page, report } = await reported(ruled, '--class', 'cs.LG', '--no-baseline');
    expect(report.curve!.label).toBe('cs.LG');
    expect(page).toContain('the model&#39;s own: 0.313');
  });

  it('refuses a part that is none', async () => {
    const { exitCode, stdout, stderr } = await run(model, '--split', 'all');
    expect(stderr).toContain('Allowed choices are train, validation, test');
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });

  it.each<[string, Omit<ReportModelOptions, 'model'>, RegExp]>([
    ['an output that is the data', { data: 'DATA', output: 'DATA', force: true }, /is the input/],
    ['an output that is the model', { output: 'MODEL', force: true }, /is the input/],
    ['a class that is none', { class: 'cs.Al' }, /has no class "cs\.Al"/],
    ['a seed below 0', { seed: -1 }, /"seed" must be a whole number >= 0/],
    ['half a seed', { seed: 1.5 }, /"seed" must be a whole number >= 0/],
    ['no threads before it reads data', { threads: 0, data: 'no-such-file' }, /"threads" must be/],
    ['fewer than no mistakes', { mistakes: -1 }, /"mistakes" must be a whole number >= 0/],
  ])('refuses %s', async (_, options, message) => {
    const data = join(scratch, 'data.jsonl');
    const training = join(model, 'training.json');
    cpSync(examplePapers, data);
    const places: Record<string, string> = { DATA: data, MODEL: training };
    const real = Object.entries(options).map(([name, value]) => [name, places[String(value)] ?? value]);
    const [names, content] = [readdirSync(scratch), readFileSync(training)];
    const refused = reportModel({ model, ...Object.fromEntries(real) });
    await expect(refused).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringMatching(message),
    });
    expect(readFileSync(data)).toEqual(readFileSync(examplePapers));
    expect(readFileSync(training)).toEqual(content);
    expect(readdirSync(scratch)).toEqual(names);
  });
});
