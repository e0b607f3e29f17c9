import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { summary } from '../../src/cli/train-display.js';
import { openSavedModel, WEIGHTS } from '../../src/model/saved-model.js';
import type { TrainingRecord } from '../../src/train/types.js';
import { type CliResult, cli, compiled, examplePapers, finished, launcher } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-train-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeAll(compiled);

/** Smaller than the demo, so that a run takes a second. */
const recipe = join(scratch, 'small.json');
const encoder = {
  vocabSize: 300,
  hiddenSize: 16,
  layers: 1,
  attentionHeads: 2,
  intermediateSize: 32,
  maxPositions: 64,
};
const small = { extends: 'demo', encoder, lengths: { title: 8, abstract: 32 }, epochs: 2 };
writeFileSync(recipe, JSON.stringify(small));

/** It would train for hours: to be interrupted. */
const endless = join(scratch, 'endless.json');
writeFileSync(endless, JSON.stringify({ ...small, epochs: 100_000, patience: 100_000 }));

let folder: string;
let out: string;
let runs = 0;
beforeEach(() => {
  folder = join(scratch, `run-${runs++}`);
  mkdirSync(folder);
  out = join(folder, 'model');
});

function args(...more: string[]): string[] {
  return ['train', '--data', examplePapers, '--recipe', recipe, '--precision', 'fp32', '--out', out, ...more];
}

/** The data set that these lines are. */
function papers(lines: (object | string)[], name = 'papers.jsonl'): string {
  const file = join(folder, name);
  writeFileSync(file, lines.map(line => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return file;
}

function classes(...sizes: number[]): { id: string; title: string; abstract: string; category: string }[] {
  return sizes.flatMap((size, k) =>
    Array.from({ length: size }, (_, i) => ({
      id: `${k}-${i}`,
      title: `Paper ${i} of ${k}`,
      abstract: 'We study words.',
      category: `cs.${'ABCD'[k]}`,
    })),
  );
}

function expectRefusal(
  result: CliResult,
  exitCode: number,
  message: string | RegExp,
  remedy: string | RegExp = '',
): void {
  expect(result.stderr).toMatch(/^error: /m);
  expect(result.stderr).toMatch(message);
  if (remedy !== '') expect(result.stderr.split('remedy: ')[1]).toMatch(remedy);
  expect(result.stderr).not.toContain('    at ');
  expect(result).toMatchObject({ exitCode, stdout: '' });
  expect(existsSync(out)).toBe(false);
  expect(readdirSync(folder).filter(name => name.startsWith('.'))).toEqual([]);
}

describe('train', () => {
  it('says what it trains, trains, and sums up', async () => {
    const { exitCode, stdout, stderr } = await cli(args());
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stderr).toMatch(/train +validation +test\n(cs\.\w+ +34 +8 +8\n){4}papers +136 +32 +32\n/);
    expect(stderr).toContain('0 duplicates left out');
    expect(stderr).toMatch(/recipe small, encoder random BERT, 1 layer of 16, 0 of 1 layer frozen/);
    expect(stderr).toMatch(/cpu, fp32, \d+ threads?, batches of 12, seed 42/);
    expect(stderr).toMatch(/^epoch 1\/2: loss \d\.\d+, .*\nepoch 2\/2: /m);
    expect(stdout).toMatch(/precision +recall +F1 +papers\ncs\.AI /);
    expect(stdout).toMatch(/^Words alone \(.*\): accuracy \d+\.\d %, macro-F1 /m);
    expect(stdout).toContain('its accuracy means nothing yet');
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toMatch(/^Words alone \(/m);
    expect(stdout).toContain(`Saved: ${out}`);
    expect((await openSavedModel(out)).labels).toEqual(['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG']);
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('gives one JSON document when asked', async () => {
    const { exitCode, stdout } = await cli(
      args('--json', '--epochs', '1', '--max-title', '6', '--class-weights', 'balanced'),
    );
    expect(exitCode).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      folder: out,
      training: {
        interrupted: false,
        recipe: { resolved: { epochs: 1, lengths: { title: 6, abstract: 32 }, classWeights: 'balanced' } },
        classWeights: [1, 1, 1, 1],
      },
    });
    expect(result.training.test.papers).toBe(32);
    expect(result.training.secondsPerStep).toBeGreaterThan(0);
    expect(result.training.peakMemory).toBeGreaterThan(5e7);
  });

  it('gives the same weights from the same seed, bit for bit, and others from another', async () => {
    const weights = async (name: string, seed: string) => {
      const target = join(folder, name);
      expect((await cli([...args('--seed', seed), '--out', target])).exitCode).toBe(0);
      return readFileSync(join(target, WEIGHTS));
    };
    const first = await weights('a', '5');
    expect(first.equals(await weights('b', '5'))).toBe(true);
    expect(first.equals(await weights('c', '6'))).toBe(false);
  });

  it.each(['bf16', 'fp16'])('stores weights in %s, and tests them as they are stored', async type => {
    expect((await cli(args('--save-predictions', join(folder, 'exact.jsonl')))).exitCode).toBe(0);
    const exact = statSync(join(out, WEIGHTS)).size;
    const [rounded, said] = [join(folder, 'rounded'), join(folder, 'said.jsonl')];
    const more = ['--save-as', type, '--out', rounded, '--save-predictions', said];
    expect((await cli([...args(...more)])).exitCode).toBe(0);
    const size = statSync(join(rounded, WEIGHTS)).size;
    expect(size / exact).toBeGreaterThan(0.49);
    expect(size / exact).toBeLessThan(0.6);
    const again = join(folder, 'again.jsonl');
    const judged = ['--no-baseline', '--precision', 'fp32', '--output', again];
    expect((await cli(['evaluate', rounded, ...judged])).exitCode).toBe(0);
    expect(readFileSync(again, 'utf8')).toBe(readFileSync(said, 'utf8'));
    expect(readFileSync(again, 'utf8')).not.toBe(readFileSync(join(folder, 'exact.jsonl'), 'utf8'));
    const { training } = await openSavedModel(rounded);
    expect(training).toMatchObject({ saveAs: type });
    expect(readFileSync(join(rounded, 'README.md'), 'utf8')).toContain(`weights stored in ${type}`);
  });

  it.each(['concat', 'cls'])('trains the %s head, and the classes of the data', async head => {
    const lengths = head === 'cls' ? { joined: 32 } : small.lengths;
    const file = join(folder, 'recipe.json');
    writeFileSync(
      file,
      JSON.stringify({ ...small, head, lengths, loss: 'focal', classWeights: 'balanced', epochs: 1 }),
    );
    const data = papers(classes(12, 6, 9));
    const { exitCode, stderr } = await cli(
      args('--data', data, '--recipe', file, '--batch-size', '5', '--micro-batch', '2'),
    );
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(await openSavedModel(out)).toMatchObject({
      labels: ['cs.A', 'cs.B', 'cs.C'],
      head: { type: head },
    });
  });

  it.skipIf(process.platform !== 'linux')('shows a bar on a terminal', async () => {
    const command = [process.execPath, launcher, ...args('--epochs', '1')].join(' ');
    const { exitCode, stdout } = await finished(spawn('script', ['-qec', command, '/dev/null']), '');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /training \[=+ *\] \d+% \d+\/12 steps, epoch 1, loss \d\.\d+, [\d.]+ steps\/s, \d+ s left/,
    );
  });
});

describe('train, interrupted', () => {
  function start(...more: string[]): {
    child: ReturnType<typeof spawn>;
    training: Promise<void>;
    result: Promise<CliResult>;
  } {
    const child = spawn(process.execPath, [launcher, ...args('--recipe', endless, ...more)]);
    const training = new Promise<void>((resolve, reject) => {
      child.stderr.on('data', text => {
        if (String(text).includes('epoch 2/')) resolve();
      });
      child.on('close', () => reject(new Error('it ended by itself')));
    });
    return { child, training, result: finished(child) };
  }

  it('saves the best model so far at the first Ctrl-C', async () => {
    const { child, training, result } = start();
    await training;
    child.kill('SIGINT');
    const { exitCode, stdout, stderr } = await result;
    expect(exitCode).toBe(130);
    expect(stderr).toContain('stopping after this step');
    expect(stdout).toContain('Training was interrupted before its end.');
    expect((await openSavedModel(out)).training).toMatchObject({ interrupted: true });
    expect(readdirSync(folder)).toEqual(['model', 'model.training']);
  });

  it('does so too when the terminal ends, which is told twice', async () => {
    const { child, training, result } = start();
    await training;
    child.kill('SIGHUP');
    child.stderr?.once('data', () => child.kill('SIGHUP'));
    expect(await result).toMatchObject({ exitCode: 130, stdout: expect.stringContaining('Saved: ') });
  });

  it('keeps its exit code when nobody reads the result', async () => {
    const { child, training, result } = start('--json');
    await training;
    child.stdout?.destroy();
    child.kill('SIGINT');
    expect(await result).toMatchObject({ exitCode: 130 });
    expect(readdirSync(folder)).toEqual(['model', 'model.training']);
  });

  it('ends at once at the second, and leaves what it takes to go on', async () => {
    const { child, training, result } = start();
    await training;
    // Both arrive while the event loop is busy or not: the order is all that counts.
    process.kill(child.pid!, 'SIGSTOP');
    child.kill('SIGTERM');
    child.kill('SIGINT');
    process.kill(child.pid!, 'SIGCONT');
    const { exitCode, stdout } = await result;
    expect({ exitCode, stdout }).toEqual({ exitCode: 130, stdout: '' });
    expect(readdirSync(folder)).toEqual(['model.training']);
  });
});

describe('train, when nobody listens', () => {
  /** Runs train under a shell that has closed or cut `streams`, and says how it ended. */
  const shell = (script: string, ...more: string[]) =>
    finished(
      spawn('bash', ['-c', script, process.execPath, launcher, ...args('--epochs', '1', ...more)]),
      '',
    );

  it('goes on without its progress', async () => {
    expect(await shell('set -o pipefail; "$0" "$@" 2> >(true) | tail -1')).toMatchObject({
      exitCode: 0,
      stdout: `Saved: ${out}\n`,
    });
    await openSavedModel(out);
    expect(await shell('set -o pipefail; "$0" "$@" 2>&1 | head -1', '--force')).toMatchObject({
      exitCode: 0,
    });
    await openSavedModel(out);
  });
});

describe('the summary', () => {
  it('says of a complete model that its test was interrupted', () => {
    const training = {
      interrupted: false,
      bestEpoch: 1,
      history: [{}],
      validation: { perClass: [], papers: 4, accuracy: 0.5, macro: {}, weighted: {} },
      encoder: {},
      trainingSeconds: 61,
      sessions: [{}, {}],
      secondsPerStep: 0.5,
      peakMemory: 1e9,
    } as unknown as TrainingRecord;
    const text = summary({ folder: '/models/a', training });
    expect(text).toContain('On the validation papers:');
    expect(text).toContain('The test was interrupted');
    expect(text).not.toContain('Training was interrupted');
    expect(text).toContain(
      '1 min 1 s of training in 2 sessions, 0.500 s a step, 1000 MB of memory.\nSaved: /models/a\n',
    );
  });
});

describe('train refuses', () => {
  it.each<[string, string[], string | RegExp, string | RegExp]>([
    ['no epochs', ['--epochs', '0'], 'epochs (--epochs) must be >= 1, not 0', ''],
    ['a rate that is no number', ['--lr', 'abc'], "argument 'abc' is invalid. It must be a number", ''],
    ['a rate below 0', ['--lr', '-1'], 'learningRate (--lr) must be > 0, not -1', ''],
    ['half a batch', ['--batch-size', '1.5'], 'It must be a whole number', ''],
    [
      'too long abstracts',
      ['--max-abstract', '65'],
      'more than the 64 tokens that the encoder reads',
      'lower --max-abstract',
    ],
    [
      'a length of another head',
      ['--max-joined', '65'],
      'maxJoined (--max-joined) has no meaning for the cross-attention head',
      '--max-title',
    ],
    ['a nameless folder', ['--out', ''], '"out" must be a string that is not empty', ''],
    ['a recipe file that is not there', ['--recipe', 'nope.json'], 'no recipe file', 'v5.0'],
    ['unknown class weights', ['--class-weights', 'some'], /Allowed choices are none, balanced/, ''],
    ['an unknown precision', ['--precision', 'fp8'], /'fp8' is invalid.*bf16/, ''],
  ])('%s', async (_, more, message, remedy) => {
    expectRefusal(await cli(args(...more)), 2, message, remedy);
  });

  it('an encoder that is not there', async () => {
    const result = await cli(args('--encoder', './absent-encoder'));
    expectRefusal(result, 1, 'absent-encoder');
  });

  it('a folder that is taken, unless forced', async () => {
    expect((await cli(args('--epochs', '1'))).exitCode).toBe(0);
    const before = readFileSync(join(out, 'training.json'), 'utf8');
    const { exitCode, stderr } = await cli(args());
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`${out} exists already`);
    expect(readFileSync(join(out, 'training.json'), 'utf8')).toBe(before);
    expect((await cli(args('--force', '--epochs', '1'))).exitCode).toBe(0);
    expect(readdirSync(folder)).toEqual(['model']);
    await openSavedModel(out);
  });
});
