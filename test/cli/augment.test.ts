import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cli, compiled, finished, launcher } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-augment-'));
const log = join(scratch, 'asked');
afterAll(() => rmSync(scratch, { recursive: true }));

/** Stands in for the program of that name: keeps blank lines, like the real one, and notes what it was asked. */
const PROGRAM = `#!/usr/bin/env node
const { appendFileSync, readFileSync } = require('node:fs');
const args = process.argv.slice(2);
if (args[0] === '-l') console.log('  eng-spa\\n  spa-eng');
else if (args[0] === '-V') console.log('Apertium 3.8.3');
else {
  const text = readFileSync(args[1], 'utf8');
  appendFileSync(process.env.ASKED, text);
  appendFileSync(process.env.ASKED + '.pids', process.pid + ' ');
  const say = () => process.stdout.write(text.replaceAll('We found', 'One finds'));
  setTimeout(say, args[0] === 'eng-spa' && text.includes('thing 19') ? Number(process.env.SLOW ?? 0) : 0);
}
`;

const sentence = (paper: number, i: number) => `We found thing ${paper} of kind ${i} by $x_{${i}}$.`;
const abstract = (paper: number) => Array.from({ length: 4 }, (_, i) => sentence(paper, i)).join(' ');

let data: string;
let env: Record<string, string>;
let count = 0;
beforeAll(async () => {
  mkdirSync(join(scratch, 'bin'));
  writeFileSync(join(scratch, 'bin/apertium'), PROGRAM);
  chmodSync(join(scratch, 'bin/apertium'), 0o755);
  mkdirSync(join(scratch, 'share/apertium/modes'), { recursive: true });
  for (const mode of ['eng-spa', 'spa-eng']) {
    writeFileSync(join(scratch, 'share/apertium/modes', `${mode}.mode`), 'lt-proc');
  }
  await compiled();
});
beforeEach(() => {
  for (const file of [log, `${log}.pids`]) rmSync(file, { force: true });
  const place = join(scratch, String(count++));
  data = join(place, 'data');
  mkdirSync(data, { recursive: true });
  const paper = (id: string, i: number, category: string) =>
    `${JSON.stringify({ id, title: `Title ${id}`, abstract: abstract(i), category })}\n`;
  const part = (name: string, papers: number) =>
    writeFileSync(
      join(data, `${name}.jsonl`),
      ['cs.AI', 'cs.CL']
        .flatMap(category =>
          Array.from({ length: papers }, (_, i) => paper(`${name}-${category}-${i}`, i, category)),
        )
        .join(''),
    );
  part('train', 20);
  part('validation', 2);
  part('test', 2);
  env = {
    ASKED: log,
    ARXIV_NATIVE_CACHE: join(place, 'cache'),
    PATH: `${join(scratch, 'bin')}${delimiter}${process.env.PATH}`,
  };
});

const args = (...more: string[]) => [
  'augment',
  data,
  ...['--category', 'cs.AI', '--samples', '450', '--translator', 'apertium', '--threads', '1'],
  ...more,
];
const asked = () => readFileSync(log, 'utf8').trim().split('\n\n');

/** Waits until a first batch of 64 sentences is in the cache and the program is busy with the other 16. */
async function halfDone(): Promise<void> {
  const folder = join(env.ARXIV_NATIVE_CACHE!, 'translations');
  const kept = () =>
    readdirSync(folder).flatMap(name => readFileSync(join(folder, name), 'utf8').split('\n['));
  while (!existsSync(folder) || kept().length <= 64 || asked().length < 80) await sleep(20);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('augment', () => {
  it('says what it is about to do, writes copies, and counts', async () => {
    const { exitCode, stdout, stderr } = await cli(args(), { env });
    expect(stderr).toBe(
      'augmenting cs.AI: 20 papers, 720 words, there and back by apertium (Apertium 3.8.3, eng-spa; Apertium 3.8.3, spa-eng)\n' +
        'nothing to download, then about 1 s of translating\n',
    );
    expect(stdout).toBe(
      `20 papers of cs.AI drawn, all there are: 20 copies through es\nSaved: ${join(data, 'augmented.jsonl')}\n`,
    );
    expect(exitCode).toBe(0);
    const [copy] = readFileSync(join(data, 'augmented.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    const i = Number(copy.parent.split('-').at(-1));
    expect(copy.abstract).toBe(abstract(i).replaceAll('We found', 'One finds'));
    expect(asked()[0]).toMatch(/ by XQ\d\.$/);
    const again = await cli(args('--json'), { env });
    expect(again.exitCode).toBe(2);
    expect(JSON.parse(again.stdout).error).toMatchObject({
      code: 'BAD_OPTION',
      remedy: expect.stringContaining('--force'),
    });
  });

  it('goes on after kill -9 with what was not translated yet', async () => {
    const child = spawn(process.execPath, [launcher, ...args()], {
      env: { ...process.env, ...env, SLOW: '20000' },
    });
    const ending = finished(child);
    await halfDone();
    child.kill('SIGKILL');
    await ending;
    expect(existsSync(join(data, 'augmented.jsonl'))).toBe(false);
    rmSync(log);
    const { exitCode, stdout } = await cli(args('--json'), { env });
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ copies: 20, dropped: {}, samples: 450 });
    // Of 80 sentences 64 were known, and none of their way back.
    expect(asked()).toHaveLength(80 - 64 + 80);
  });

  it('stops at once by Ctrl-C, and leaves no program behind', async () => {
    const child = spawn(process.execPath, [launcher, ...args()], {
      env: { ...process.env, ...env, SLOW: '600000' },
    });
    const ending = finished(child);
    await halfDone();
    child.kill('SIGINT');
    const { exitCode, stderr } = await ending;
    expect(exitCode).toBe(130);
    const pids = readFileSync(`${log}.pids`, 'utf8').trim().split(' ').map(Number);
    for (const pid of pids) await expect.poll(() => isRunning(pid)).toBe(false);
    expect(stderr).toContain('translating: cancelled');
    expect(stderr).toContain('the same command goes on');
    expect(existsSync(join(data, 'augmented.jsonl'))).toBe(false);
  });

  it.each<[string, string[], string]>([
    ['a translator that is not installed', ['--translator', 'apertium'], 'apt-get install apertium'],
    ['a direction that it has not', ['--pivot', 'fr'], 'apt-cache search apertium;'],
    ['one whose package is known', ['--pivot', 'gl'], 'apt-get install apertium-en-gl;'],
    ['another option', ['--leaky'], "unknown option '--leaky'"],
    ['a class that is none', ['--category', 'cs.IA'], 'Did you mean "cs.AI"?'],
    ['another translator', ['--translator', 'bing'], 'Allowed choices are bergamot'],
  ])('refuses %s', async (what, more, message) => {
    const path = what.includes('installed') ? scratch : env.PATH!;
    const { exitCode, stdout, stderr } = await cli(args(...more), { env: { ...env, PATH: path } });
    expect(stderr).toContain(message);
    expect(exitCode).toBe(what.includes('installed') ? 1 : 2);
    expect(stdout).toBe('');
  });
});
