import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CliResult, cli, compiled, examplePapers, finished, launcher } from '../support/cli.js';

let scratch: string;
let out: string;
beforeAll(compiled);
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-prepare-cli-'));
  out = join(scratch, 'data');
});
afterEach(() => rmSync(scratch, { recursive: true }));

const prepare = (file: string, ...more: string[]) => cli(['prepare', file, '--out', out, ...more]);

function expectRefusal(result: CliResult, exitCode: number, message: string | RegExp): void {
  expect(result.stderr).toMatch(/^error: /m);
  expect(result.stderr).toMatch(message);
  expect(result.stderr).not.toMatch(/\n\s+at |undefined|\[object/);
  expect(result).toMatchObject({ exitCode, stdout: '' });
}

describe('prepare', () => {
  it('says what it made of the papers, and train takes it', async () => {
    const { exitCode, stdout, stderr } = await prepare(examplePapers);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(
      /train +validation +test\n(cs\.\w+ +34 +8 +8\n){4}papers +136 +32 +32\n\n200 read\n/,
    );
    expect(stdout).toContain('contradictions: 0 of 200 rows (0.0 %)');
    expect(stdout).toContain('leaks: 0 papers on two sides; 0 test rows');
    expect(stdout).toContain(`Saved: ${out}\n`);
    const model = join(scratch, 'model');
    const trained = await cli([
      'train',
      '--data',
      out,
      '--recipe',
      'demo',
      '--epochs',
      '1',
      '--out',
      model,
      '--json',
    ]);
    expect(trained.exitCode).toBe(0);
    const { training } = JSON.parse(trained.stdout);
    const record = JSON.parse(readFileSync(join(out, 'dataset.json'), 'utf8'));
    expect(training.data).toMatchObject({ fingerprint: record.fingerprints.all, leaks: record.leaks });
    expect(trained.stderr).not.toContain('contradictions');
  });

  it('says what the predecessor’s rule costs, and train says it again', async () => {
    const result = await prepare(examplePapers, '--labels', 'query', '--json');
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    const { leaks, rule, folder } = JSON.parse(result.stdout);
    expect(folder).toBe(out);
    expect(rule).toMatchObject({ labels: 'query', split: 'rows' });
    expect(leaks.crossingPapers).toBeGreaterThan(0);
    const args = ['--recipe', 'demo', '--epochs', '1', '--out', join(scratch, 'model')];
    const { stderr } = await cli(['train', '--data', out, ...args]);
    expect(stderr).toContain(`contradictions: ${leaks.contradictingRows} of ${leaks.rows} rows`);
    expect(stderr).toContain(`leaks: ${leaks.crossingPapers} papers on two sides`);
  });

  it('reads several files, and standard input', async () => {
    const lines = readFileSync(examplePapers, 'utf8').trim().split('\n');
    const packed = join(scratch, 'half.jsonl.gz');
    writeFileSync(packed, gzipSync(lines.slice(0, 100).join('\n')));
    const args = ['prepare', packed, '-', '--out', out, '--json', '--categories', 'cs.AI, cs.LG'];
    const { exitCode, stdout } = await cli(
      [...args, '--ratios', '80,10,10', '--per-class', '20', '--seed', '7'],
      {
        input: lines.slice(100).join('\n'),
      },
    );
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      sources: [{ path: packed, size: expect.any(Number) }, { path: '-' }],
      seed: 7,
      rule: { categories: ['cs.AI', 'cs.LG'], perClass: 20, ratios: [80, 10, 10] },
      counts: { read: 200, outsideClasses: 100, notSampled: 60, train: [16, 16], test: [2, 2] },
    });
  });

  it('warns of what is missing', async () => {
    const { stderr } = await prepare(examplePapers, '--per-class', '51');
    expect(stderr).toMatch(/^(warning: cs\.\w+ has 50 papers, fewer than the 51 asked for\n){4}$/);
  });
});

describe('prepare refuses', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown rule', ['--labels', 'all'], /Allowed choices are primary, query/],
    ['shares that are no numbers', ['--ratios', '70,x,15'], /three numbers/],
    ['two shares', ['--ratios', '70,30'], /ratios \(--ratios\) must be three numbers above 0/],
    [
      'a class that nobody is of',
      ['--categories', 'cs.AI,cs.Lg'],
      /no paper is of the class "cs.Lg"[\s\S]*cs\.LG/,
    ],
    ['a date split without dates', ['--split', 'temporal'], /200 of 200 papers have no date/],
    ['a column that is not there', ['--label-column', 'topic'], /papers\.jsonl:1: no "topic"/],
  ])('%s', async (_, more, message) => {
    expectRefusal(await prepare(examplePapers, ...more), 2, message);
    expect(readdirSync(scratch)).toEqual([]);
  });

  it('what is no file of papers', async () => {
    const missing = await prepare(join(scratch, 'missing.jsonl'));
    expectRefusal(missing, 2, /missing\.jsonl: no such file/);
    expectRefusal(await prepare(scratch), 2, /is a folder/);
    const cut = join(scratch, 'cut.jsonl');
    writeFileSync(cut, `${readFileSync(examplePapers, 'utf8')}{"title": "cut`);
    expectRefusal(await prepare(cut), 2, /cut\.jsonl:201: not JSON/);
    expect(existsSync(out)).toBe(false);
  });

  it('a folder that is taken, by something else with --force too', async () => {
    mkdirSync(out);
    writeFileSync(join(out, 'thesis.tex'), 'precious');
    expectRefusal(await prepare(examplePapers), 2, /exists already/);
    expectRefusal(await prepare(examplePapers, '--force'), 2, /not a data set that was prepared here/);
    expect(readdirSync(out)).toEqual(['thesis.tex']);
  });

  it('to wait for a silent input after Ctrl-C', async () => {
    const child = spawn(process.execPath, [launcher, 'prepare', '-', '--out', out]);
    const staged = () => readdirSync(scratch).length > 0;
    while (!staged()) await new Promise(resolve => setTimeout(resolve, 20));
    child.kill('SIGINT');
    expect(await finished(child)).toMatchObject({ exitCode: 130, stdout: '' });
    expect(readdirSync(scratch)).toEqual([]);
  });
});
