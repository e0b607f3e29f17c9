import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, demoModel, examplePapers, finished, launcher } from '../support/cli.js';

const LABELS = ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'];
const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-predict-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let model: string;
beforeAll(async () => {
  model = await demoModel();
});

interface Line {
  id?: string;
  category: string;
  probabilities: Record<string, number>;
}

const parse = (text: string): Line[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line));

/** `count` papers as JSON lines, with ids p0, p1, …; `bad` replaces lines by their index. */
function papers(count: number, bad: Record<number, string> = {}): string {
  return Array.from(
    { length: count },
    (_, i) =>
      `${bad[i] ?? JSON.stringify({ id: `p${i}`, title: `Paper ${i}`, abstract: 'We study words.' })}\n`,
  ).join('');
}

describe('predict of one paper', () => {
  it('prints one JSON document', async () => {
    const args = ['--model', model, '--title', 'Parsing text', '--abstract', 'A parser of sentences.'];
    const plain = await cli(['predict', ...args]);
    expect(plain).toMatchObject({ exitCode: 0, stderr: '' });
    const answer = JSON.parse(plain.stdout) as Line;
    expect(Object.keys(answer.probabilities)).toEqual(LABELS);
    const all = Object.values(answer.probabilities);
    expect(all.reduce((sum, p) => sum + p)).toBeCloseTo(1, 4);
    expect(answer.probabilities[answer.category]).toBe(Math.max(...all));
    expect((await cli(['predict', ...args, '--json'])).stdout).toBe(plain.stdout);
  });

  it('keeps the k most probable, the first one first', async () => {
    const { stdout } = await cli(['predict', '--model', model, '--title', 'Robots', '--top-k', '2']);
    const { category, probabilities } = JSON.parse(stdout) as Line;
    expect(Object.keys(probabilities)).toHaveLength(2);
    expect(Object.keys(probabilities)[0]).toBe(category);
    const [first, second] = Object.values(probabilities);
    expect(first).toBeGreaterThanOrEqual(second!);
  });

  it.skipIf(process.platform !== 'linux')('draws bars on a terminal', async () => {
    const command = `${process.execPath} ${launcher} predict --model ${model} --title Robots`;
    const { exitCode, stdout } = await finished(spawn('script', ['-qec', command, '/dev/null']), '');
    expect(exitCode).toBe(0);
    const rows = stdout.trim().split(/\r?\n/);
    expect(rows).toHaveLength(4);
    for (const row of rows) expect(row).toMatch(/^cs\.(AI|CL|CV|LG) {2}[█░]{30} +\d+\.\d %$/);
  });
});

describe('predict --threshold', () => {
  it('chooses by it, several by the most probable that reaches theirs', async () => {
    const args = ['predict', '--model', model, '--title', 'Robots', '--threshold', 'cs.AI=0.001'];
    expect(JSON.parse((await cli(args)).stdout).category).toBe('cs.AI');
    const { stdout } = await cli([...args, '--threshold', 'cs.CL=0.001']);
    const { category, probabilities } = JSON.parse(stdout) as Line;
    expect(category).toBe(probabilities['cs.AI']! > probabilities['cs.CL']! ? 'cs.AI' : 'cs.CL');
  });

  it.each([
    [['cs.Al=0.4'], 'Did you mean "cs.AI"?'],
    [['cs.AI=1.5'], 'must be a number between 0 and 1, not 1.5'],
    [['cs.AI'], 'It must be a class, = and a number'],
    [['cs.AI=0.4', 'cs.AI=0.5'], 'cs.AI has a threshold already'],
  ])('refuses %j', async (thresholds, message) => {
    const flags = thresholds.flatMap(each => ['--threshold', each]);
    const { exitCode, stdout, stderr } = await cli(['predict', '--model', model, '--title', 'A', ...flags]);
    expect(stderr).toContain(message);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });
});

describe('predict of a file', () => {
  it('writes one line a paper, in their order, and the same on a second run', async () => {
    const count = readFileSync(examplePapers, 'utf8').trim().split('\n').length;
    const { exitCode, stdout, stderr } = await cli(['predict', '--model', model, '--input', examplePapers]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: `${count} papers classified\n` });
    const expected = parse(readFileSync(examplePapers, 'utf8')).map(p => p.id);
    expect(parse(stdout).map(line => line.id)).toEqual(expected);
    expect((await cli(['predict', '--model', model, '--input', examplePapers])).stdout).toBe(stdout);
  });

  it('gives the same answers from .jsonl.gz, from CSV and from standard input', async () => {
    const lines = papers(5);
    writeFileSync(join(scratch, 'a.jsonl.gz'), gzipSync(lines));
    const csv = parse(lines).map(p => Object.values(p).join(','));
    writeFileSync(join(scratch, 'a.csv'), `id,title,abstract\n${csv.join('\n')}\n`);
    const run = (input: string) => ['predict', '--model', model, '--input', input];
    const answers = await Promise.all([
      cli(run(join(scratch, 'a.jsonl.gz'))),
      cli(run(join(scratch, 'a.csv'))),
      cli(run('-'), { input: lines }),
      cli([...run('-'), '--format', 'csv'], { input: readFileSync(join(scratch, 'a.csv')) }),
    ]);
    expect(parse(answers[0].stdout).map(line => line.id)).toEqual(['p0', 'p1', 'p2', 'p3', 'p4']);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it('does not depend on the size of the batches', async () => {
    const answers = await Promise.all(
      ['1', '7'].map(async size => {
        const args = ['predict', '--model', model, '--input', '-', '--batch-size', size];
        return parse((await cli(args, { input: papers(20) })).stdout);
      }),
    );
    for (const [i, line] of answers[0]!.entries()) {
      for (const label of LABELS) {
        expect(line.probabilities[label]).toBeCloseTo(answers[1]![i]!.probabilities[label]!, 4);
      }
    }
  });

  it('fails at the first bad line, naming it, after the papers before it', async () => {
    const input = papers(6, { 3: '{"title": ' });
    const args = ['predict', '--model', model, '--input', '-'];
    const { exitCode, stdout, stderr } = await cli(args, { input });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^error: .*\b(line )?4\b/);
    expect(parse(stdout).map(line => line.id)).toEqual(['p0', 'p1', 'p2']);
    const told = (await cli([...args, '--json'], { input })).stdout.trim().split('\n');
    expect(told).toHaveLength(4);
    expect(JSON.parse(told[3]!)).toMatchObject({ error: { code: 'BAD_INPUT' } });
  });

  it('with --on-error skip says which lines it passed over, and how many', async () => {
    const input = papers(20, { 3: '{"title": ', 5: '[]', 8: '{"title": 7, "abstract": "x"}' });
    const args = ['predict', '--model', model, '--input', '-', '--on-error', 'skip'];
    const { exitCode, stdout, stderr } = await cli(args, { input });
    expect(exitCode).toBe(0);
    expect(parse(stdout).map(line => line.id)).not.toContain('p3');
    expect(parse(stdout)).toHaveLength(17);
    for (const line of [4, 6, 9])
      expect(stderr).toMatch(new RegExp(`^warning: .*\\b${line}\\b.*skipped$`, 'm'));
    expect(stderr).toMatch(/^17 papers classified, 3 bad lines skipped$/m);
  });

  it('warns of the first bad lines only', async () => {
    const input = papers(60, Object.fromEntries(Array.from({ length: 50 }, (_, i) => [i, '{'])));
    const args = ['predict', '--model', model, '--input', '-', '--on-error', 'skip'];
    const { stderr } = await cli(args, { input });
    expect(stderr.match(/^warning: /gm)).toHaveLength(11);
    expect(stderr).toContain('10 papers classified, 50 bad lines skipped');
  });

  it('fails when every line is bad', async () => {
    const args = ['predict', '--model', model, '--input', '-', '--on-error', 'skip'];
    const { exitCode, stderr } = await cli(args, { input: '{\n{\n' });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/error: stdin: none of its 2 records is a paper/);
  });
});

describe('a long file', () => {
  /** Peak memory in MiB of a predict over `count` papers of 6 kB, in a process whose heap ends at 32 MiB. */
  async function peakMemory(count: number): Promise<number> {
    const input = join(scratch, `${count}.jsonl`);
    writeFileSync(input, papers(count).replaceAll('words', 'w'.repeat(6000)));
    const report = `process.on('exit', () => console.error('peak', process.resourceUsage().maxRSS / 1024))`;
    const heap = ['--max-old-space-size=32', '--max-semi-space-size=2'];
    const options = [...heap, '--import', `data:text/javascript,${encodeURIComponent(report)}`];
    const args = [...options, launcher, 'predict', '--model', model, '--input', input, '--precision', 'fp32'];
    const { exitCode, stdout, stderr } = await finished(spawn(process.execPath, args), '');
    expect(exitCode).toBe(0);
    expect(stdout.split('\n')).toHaveLength(count + 1);
    return Number(/^peak (.*)$/m.exec(stderr)![1]);
  }

  it('takes no more memory than a short one', async () => {
    const [short, long] = [await peakMemory(1000), await peakMemory(10_000)];
    // The long one has 54 MB more text, which would show, whether on the heap or beside it. Each is few tokens.
    expect(long - short).toBeLessThan(35);
  });
});

describe('--output', () => {
  const output = join(scratch, 'out.jsonl');
  const run = (...args: string[]) => [
    'predict',
    '--model',
    model,
    '--input',
    '-',
    '--output',
    output,
    ...args,
  ];

  it('is written whole, and only replaced when told', async () => {
    const first = await cli(run('--json'), { input: papers(3) });
    expect(JSON.parse(first.stdout)).toEqual({ papers: 3, skipped: 0, output });
    expect(parse(readFileSync(output, 'utf8'))).toHaveLength(3);

    const refused = await cli(run(), { input: papers(4) });
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toMatch(/error: .*out\.jsonl exists already\n {2}remedy: .*--force/);
    expect(parse(readFileSync(output, 'utf8'))).toHaveLength(3);

    expect((await cli(run('--force'), { input: papers(4) })).exitCode).toBe(0);
    expect(parse(readFileSync(output, 'utf8'))).toHaveLength(4);

    const failed = await cli(run('--force'), { input: papers(200, { 150: '{' }) });
    expect(failed.exitCode).toBe(2);
    expect(parse(readFileSync(output, 'utf8'))).toHaveLength(4);
    expect(readdirSync(scratch).filter(name => name.includes('out.jsonl'))).toEqual(['out.jsonl']);
  });

  it('goes only with --input and never replaces a device', async () => {
    const one = await cli(['predict', '--model', model, '--title', 'A', '--output', output]);
    expect(one).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--output goes with --input') });
    for (const flag of ['--on-error', '--format']) {
      const value = flag === '--format' ? 'csv' : 'fail';
      expect(await cli(['predict', '--model', model, '--title', 'A', flag, value])).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining(`${flag} goes with --input`),
      });
    }
    const device = await cli([
      'predict',
      '--model',
      model,
      '--input',
      '-',
      '--output',
      '/dev/null',
      '--force',
    ]);
    expect(device).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('/dev/null') });
  });
});

describe('an interrupted predict', () => {
  it('stops with exit code 130 and leaves no output, also while standard input is silent', async () => {
    const output = join(scratch, 'interrupted.jsonl');
    const child = spawn(process.execPath, [
      ...[launcher, 'predict', '--model', model, '--input', '-', '--output', output],
    ]);
    child.stdin.write(papers(200));
    const result = finished(child);
    await until(() => child.exitCode !== null || readdirSync(scratch).some(name => /interrupted/.test(name)));
    child.kill('SIGINT');
    expect(await result).toMatchObject({
      exitCode: 130,
      stderr: expect.stringMatching(/^error: .*: cancelled/m),
    });
    expect(readdirSync(scratch).filter(name => name.includes('interrupted'))).toEqual([]);
    expect(existsSync(output)).toBe(false);
  });

  it.each(['SIGINT', 'SIGHUP'])('stops at a %s that comes while the model loads', async name => {
    // The signal is sent as soon as somebody listens for it.
    const send = `process.once('newListener', function on(event) {
      if (event === '${name}') setImmediate(() => process.kill(process.pid, '${name}'));
      else process.once('newListener', on);
    })`;
    const args = ['--import', `data:text/javascript,${encodeURIComponent(send)}`, launcher, 'predict'];
    for (const what of [
      ['--input', '-'],
      ['--title', 'A'],
    ]) {
      const child = spawn(process.execPath, [...args, '--model', model, ...what]);
      const result = await finished(child);
      expect(result).toMatchObject({
        exitCode: 130,
        stdout: '',
        stderr: expect.stringMatching(/^error: .*: cancelled/),
      });
    }
  });

  it('ends quietly when the reader of its lines goes away', async () => {
    const script = `set -o pipefail; yes '{"title":"a","abstract":"b"}' 2>/dev/null | head -20000 |
      "$0" "$1" predict --model "$2" --input - | head -1`;
    const child = spawn('bash', ['-c', script, process.execPath, launcher, model]);
    const { stdout, stderr } = await finished(child);
    expect(parse(stdout)).toHaveLength(1);
    expect(stderr).toBe('');
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 20));
}
