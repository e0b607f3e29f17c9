import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openSavedModel, WEIGHTS } from '../../src/model/saved-model.js';
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
    expect(stderr).toMatch(/recipe small, encoder random BERT, 1 layers of 16, 0 of 1 layers frozen/);
    expect(stderr).toMatch(/cpu, fp32, \d+ threads, seed 42/);
    expect(stderr).toMatch(/^epoch 1\/2: loss \d\.\d+, .*\nepoch 2\/2: /m);
    expect(stdout).toMatch(/precision +recall +F1 +papers\ncs\.AI /);
    expect(stdout).toContain('its accuracy means nothing yet');
    expect(stdout).toContain(`Saved: ${out}`);
    expect((await openSavedModel(out)).labels).toEqual(['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG']);
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('gives one JSON document when asked', async () => {
    const { exitCode, stdout } = await cli(args('--json', '--epochs', '1', '--max-title', '6'));
    expect(exitCode).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      folder: out,
      training: {
        interrupted: false,
        recipe: { resolved: { epochs: 1, lengths: { title: 6, abstract: 32 } } },
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

  it('reads what is odd but legal: NUL, half a surrogate pair, 2 MB of text, gzip', async () => {
    const odd = classes(6, 6);
    odd[0]!.abstract = 'word '.repeat(400_000);
    odd[1]!.title = 'a\0b \ud800 c';
    odd[7]!.abstract = '';
    const data = join(folder, 'odd.jsonl.gz');
    writeFileSync(data, gzipSync(odd.map(paper => JSON.stringify(paper)).join('\n')));
    const { exitCode, stderr } = await cli(args('--data', data, '--epochs', '1'));
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
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
  function start(): { child: ReturnType<typeof spawn>; training: Promise<void>; result: Promise<CliResult> } {
    const child = spawn(process.execPath, [launcher, ...args('--recipe', endless)]);
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
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('ends at once at the second, and leaves nothing', async () => {
    const { child, training, result } = start();
    await training;
    // Both arrive while the event loop is busy or not: the order is all that counts.
    process.kill(child.pid!, 'SIGSTOP');
    child.kill('SIGTERM');
    child.kill('SIGINT');
    process.kill(child.pid!, 'SIGCONT');
    const { exitCode, stdout } = await result;
    expect({ exitCode, stdout }).toEqual({ exitCode: 130, stdout: '' });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('train refuses', () => {
  it.each<[string, string[], string | RegExp, string | RegExp]>([
    ['an unknown option', ['--epoch', '3'], "unknown option '--epoch'", '--epochs'],
    ['an unknown recipe', ['--recipe', 'v5.2'], 'there is no recipe "v5.2"', /v5\.[01]/],
    ['no epochs', ['--epochs', '0'], '"epochs" must be >= 1, not 0', ''],
    ['a rate that is no number', ['--lr', 'abc'], "argument 'abc' is invalid. It must be a number", ''],
    ['a rate below 0', ['--lr', '-1'], '"learningRate" must be > 0, not -1', ''],
    ['half a batch', ['--batch-size', '1.5'], 'It must be a whole number', ''],
    [
      'too long abstracts',
      ['--max-abstract', '65'],
      'more than the 64 tokens that the encoder reads',
      '--max-abstract to 64',
    ],
    [
      'a length of another head',
      ['--max-joined', '65'],
      'maxJoined has no meaning for the cross-attention head',
      'maxTitle',
    ],
    ['an unknown precision', ['--precision', 'fp8'], /'fp8' is invalid.*bf16/, ''],
  ])('%s', async (_, more, message, remedy) => {
    expectRefusal(await cli(args(...more)), 2, message, remedy);
  });

  it('an unknown key in a recipe, with the nearest', async () => {
    const file = papers([{ extends: 'demo', batchsize: 3 }], 'recipe.json');
    const result = await cli(args('--recipe', file));
    expectRefusal(result, 2, `${file}: unknown key "batchsize"`, 'Did you mean "batchSize"?');
  });

  it.each<[string, (object | string)[], string | RegExp]>([
    ['an empty file', [], 'papers.jsonl'],
    ['what is not JSON', ['{"title": "a"'], /papers\.jsonl:1/],
    ['wrong columns', [{ name: 'a', text: 'b', category: 'cs.A' }], /papers\.jsonl:1.*"title"/],
    ['papers without a label', [{ title: 'a', abstract: 'b' }], /papers\.jsonl:1.*category/],
    [
      'a category that training lacks',
      [
        ...classes(4, 4).map(paper => ({ ...paper, split: 'train' })),
        { title: 'x', abstract: 'y', category: 'cs.A', split: 'validation' },
        { title: 'z', abstract: 'y', category: 'cs.Z', split: 'test' },
      ],
      /papers\.jsonl:10.*"cs\.Z"/,
    ],
    ['one class', classes(20), 'one class only'],
    ['three papers', classes(2, 1), /at least 4 papers a class/],
  ])('%s', async (_, lines, message) => {
    expectRefusal(await cli(args('--data', papers(lines))), 2, message);
  });

  it('a file that is not there', async () => {
    expectRefusal(await cli(args('--data', join(folder, 'absent.jsonl'))), 2, 'absent.jsonl');
  });

  it('an encoder that is not there', async () => {
    const result = await cli(args('--encoder', './absent-encoder'));
    expectRefusal(result, 1, 'absent-encoder');
  });

  it('a device that is not there', async () => {
    expectRefusal(await cli(args('--device', 'tpu')), 1, 'there is no device tpu', 'Choose among: auto, cpu');
  });

  it('a folder that is taken, unless forced', async () => {
    mkdirSync(out);
    writeFileSync(join(out, 'config.json'), 'mine');
    const { exitCode, stderr } = await cli(args());
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`${out} exists already`);
    expect(readFileSync(join(out, 'config.json'), 'utf8')).toBe('mine');
    expect((await cli(args('--force', '--epochs', '1'))).exitCode).toBe(0);
    expect(readdirSync(folder)).toEqual(['model']);
    await openSavedModel(out);
  });

  it('a place that cannot be written', async () => {
    out = '/dev/null/model';
    expectRefusal(await cli(args()), 1, 'a part of the path is a file', 'Check the path');
  });
});

describe('train without room on the disk', () => {
  it.skipIf(process.platform !== 'linux')('says so when a write fails, and leaves nothing', async () => {
    const child = spawn(process.execPath, [launcher, ...args('--batch-size', '1')]);
    // As soon as the hidden folder is known to stand there, what will be written first goes to a full device.
    child.stderr.once('data', () => {
      const staged = readdirSync(folder).find(name => name.startsWith('.model.partial-'))!;
      symlinkSync('/dev/full', join(folder, staged, `${WEIGHTS}.part`));
    });
    const result = await finished(child);
    expect(result.stderr).toMatch(/^error: .*model\.safetensors\.part.*No space left on device/m);
    expect(result).toMatchObject({ exitCode: 1, stdout: '' });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('says so before it begins', async context => {
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      return context.skip('only root can mount a small disk');
    }
    try {
      out = join(disk, 'model');
      const result = await cli(args());
      expectRefusal(result, 1, /takes up to 1 MB; 1 MB are free there/, 'Free some space');
      expect(result.stderr).not.toContain('epoch 1');
      expect(readdirSync(disk)).toEqual([]);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});
