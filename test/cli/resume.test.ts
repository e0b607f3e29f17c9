import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSavedModel, WEIGHTS } from '../../src/model/saved-model.js';
import type { TrainResult } from '../../src/train/types.js';
import { cli, compiled, examplePapers, finished, launcher } from '../support/cli.js';

// Several processes one after another, on a machine that may have other work.
vi.setConfig({ testTimeout: 240_000 });

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-resume-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeAll(compiled);

/** Steps of a few milliseconds, and checkpoints (for the many positions) that take as long as several. */
const recipe = join(scratch, 'recipe.json');
const encoder = {
  vocabSize: 500,
  hiddenSize: 128,
  layers: 1,
  attentionHeads: 2,
  intermediateSize: 64,
  maxPositions: 1500,
};
const small = { extends: 'demo', encoder, lengths: { title: 8, abstract: 32 }, epochs: 4, patience: 2 };
writeFileSync(recipe, JSON.stringify(small));
/** It would train for hours: to be interrupted. */
const endless = join(scratch, 'endless.json');
writeFileSync(endless, JSON.stringify({ ...small, epochs: 100_000, patience: 100_000 }));

let folder: string;
let out: string;
let run: string;
let runs = 0;
beforeEach(() => {
  folder = join(scratch, `run-${runs++}`);
  mkdirSync(folder);
  out = join(folder, 'model');
  run = `${out}.training`;
});

function args(...more: string[]): string[] {
  const place = ['--data', examplePapers, '--recipe', recipe, '--out', out];
  return ['train', ...place, '--precision', 'fp32', '--checkpoint-every', '3', '--log-every', '5', ...more];
}

/** A training that is to be killed; resolves once it is gone. */
async function killed(moment: () => Promise<void>, ...more: string[]): Promise<void> {
  const child = spawn(process.execPath, [launcher, ...args('--resume', ...more)]);
  const end = finished(child);
  await Promise.race([moment(), end]);
  child.kill('SIGKILL');
  expect(await end).toMatchObject({ exitCode: null });
}

/** When a file of this name appears in the run's folder for the nth time; each time it is renamed after. */
function appearance(name: string, nth: number): () => Promise<void> {
  mkdirSync(run, { recursive: true });
  let events = 0;
  return () =>
    new Promise((resolve, reject) => {
      const watcher = watch(run, (event, file) => {
        if (event !== 'rename' || file !== name || ++events < 2 * nth - 1) return;
        watcher.close();
        resolve();
      });
      watcher.on('error', reject);
    });
}

/** When the run of this model has a checkpoint. */
async function checkpoint(model = out): Promise<void> {
  while (!existsSync(join(`${model}.training`, 'checkpoint.safetensors'))) await sleep(5);
}

/** What a training leaves, without what a clock decides. */
function result(model: string) {
  const times = [
    'seconds',
    'papersPerSecond',
    'sessions',
    'trainingSeconds',
    'secondsPerStep',
    'peakMemory',
    'finishedAt',
  ];
  const timeless = (text: string) =>
    JSON.parse(text, (key, value) => (times.includes(key) ? undefined : value));
  return {
    weights: readFileSync(join(model, WEIGHTS)).toString('base64'),
    metrics: readFileSync(join(model, 'metrics.jsonl'), 'utf8').trim().split('\n').map(timeless),
    training: timeless(readFileSync(join(model, 'training.json'), 'utf8')),
    files: readdirSync(model).sort(),
  };
}

let undisturbed: ReturnType<typeof result>;
beforeAll(async () => {
  const straight = join(scratch, 'straight');
  const { exitCode, stderr } = await cli([...args(), '--out', straight]);
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  undisturbed = result(straight);
});

describe('train --resume', () => {
  it('gives what an undisturbed run gives, after kills at any moment', async () => {
    const part = 'checkpoint.safetensors.part';
    const moments = [
      appearance(part, 1),
      () => checkpoint(),
      appearance(part, 3),
      appearance('best-1.safetensors.part', 1),
      appearance(part, 2),
      appearance(part, 1 + Math.floor(Math.random() * 5)),
      () => sleep(500),
    ];
    const left: string[] = [];
    for (const moment of moments) {
      await killed(moment);
      left.push(...readdirSync(run));
    }
    // Some of them came while a file was being written.
    expect(left.filter(name => name.endsWith('.part')).length).toBeGreaterThan(0);
    const { exitCode, stderr } = await cli(args('--resume'));
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stderr).toMatch(/going on after step \d+, in epoch \d/);
    expect(result(out)).toEqual(undisturbed);
    expect(readdirSync(folder)).toEqual(['model']);
    const { sessions, steps } = JSON.parse(readFileSync(join(out, 'training.json'), 'utf8'));
    expect(sessions.length).toBeGreaterThan(1);
    expect(sessions.reduce((sum: number, session: { steps: number }) => sum + session.steps, 0)).toBe(steps);
  });

  it('goes on after Ctrl-C too, and replaces the model that it saved then', async () => {
    const child = spawn(process.execPath, [launcher, ...args('--epochs', '4')]);
    const end = finished(child);
    await checkpoint();
    child.kill('SIGINT');
    const { exitCode, stdout, stderr } = await end;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 130 });
    expect(stdout).toContain(`Saved: ${out}\nThe same command with --resume goes on, from ${run}.`);
    expect((await openSavedModel(out)).training).toMatchObject({ interrupted: true });
    expect(readdirSync(folder)).toEqual(['model', 'model.training']);

    const again = await cli(args());
    expect(again).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('a training that did not end'),
    });
    expect(await cli(args('--resume'))).toMatchObject({ exitCode: 0 });
    expect(result(out)).toEqual(undisturbed);
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('lets one process at a time work on a training', async () => {
    const child = spawn(process.execPath, [launcher, ...args('--recipe', endless)]);
    const end = finished(child);
    await checkpoint();
    expect(await cli(args('--force'))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(`another process is training ${out}`),
    });
    child.kill('SIGKILL');
    await end;
    // A holder that was killed keeps nobody waiting.
    expect(await cli(args('--force', '--epochs', '1'))).toMatchObject({ exitCode: 0 });
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it.skipIf(process.platform !== 'linux')(
    'ends when the disk is full, and goes on when it no longer is',
    async () => {
      await killed(appearance('checkpoint.safetensors.part', 4));
      // Of blocks of 1 KiB: enough for the weights, too few for the optimiser's state beside them.
      const limited = spawn('bash', [
        '-c',
        'ulimit -f 2000; "$0" "$@"',
        process.execPath,
        launcher,
        ...args('--resume'),
      ]);
      const { exitCode, stderr } = await finished(limited, '');
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 1 });
      expect(stderr).toMatch(
        /writing .*checkpoint\.safetensors\.part failed: the file is larger than the limit/,
      );
      expect(stderr).toMatch(/The same command with --resume goes on after step \d+\./);
      expect(readdirSync(run).filter(name => name.endsWith('.part'))).toEqual([]);
      expect(await cli(args('--resume'))).toMatchObject({ exitCode: 0 });
      expect(result(out)).toEqual(undisturbed);
    },
  );
});

describe('train --seeds', () => {
  it('trains a model a seed, goes on where it was killed, and sums up', async () => {
    const more = ['--seeds', '2', '--epochs', '1', '--json'];
    await killed(
      async () => {
        while (!existsSync(join(out, 'seed-43.training/checkpoint.safetensors'))) await sleep(5);
      },
      ...more,
    );
    expect(readdirSync(out).sort()).toEqual(['seed-42', 'seed-43.training']);
    const { exitCode, stdout, stderr } = await cli(args('--resume', ...more));
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    const { folder: place, seeds, models, figures } = JSON.parse(stdout);
    expect({ place, seeds }).toEqual({ place: out, seeds: [42, 43] });
    const accuracies = models.map((model: TrainResult) => model.training.test!.accuracy);
    expect(figures.accuracy.values).toEqual(accuracies);
    expect(figures.accuracy.mean).toBeCloseTo((accuracies[0] + accuracies[1]) / 2, 12);
    // The same splits, other weights.
    const [first, second] = models.map((model: TrainResult) => model.training);
    expect(first.data.fingerprint).toBe(second.data.fingerprint);
    expect(first.fingerprint).not.toBe(second.fingerprint);
    expect(readdirSync(out).sort()).toEqual(['seed-42', 'seed-43', 'seeds.json']);
    expect(JSON.parse(readFileSync(join(out, 'seeds.json'), 'utf8'))).toEqual({ seeds, figures });
  });
});
