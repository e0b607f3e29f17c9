import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { TrainingRecord } from '../../src/train/types.js';
import { cli, demoModel, examplePapers, finished, launcher } from '../support/cli.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-distill-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let teacher: string;
beforeAll(async () => {
  teacher = await demoModel();
});

const at = (name: string) => join(scratch, name);
writeFileSync(
  at('sizes.json'),
  JSON.stringify({ hiddenSize: 32, layers: 1, attentionHeads: 2, intermediateSize: 64, maxPositions: 64 }),
);
const [first] = readFileSync(examplePapers, 'utf8').split('\n', 1);
const news = [1, 2].map(i => ({ title: `A new paper ${i}`, abstract: 'Translation of questions.' }));
writeFileSync(
  at('more.jsonl'),
  [first, ...[...news, news[0]].map(paper => JSON.stringify(paper))].join('\n'),
);

const args = (out: string, ...more: string[]) => [
  ...['distill', '--teacher', teacher, '--data', examplePapers, '--student', at('sizes.json')],
  ...['--vocab-size', '500', '--recipe', 'demo', '--max-title', '8', '--max-abstract', '16', '--epochs', '2'],
  ...[
    '--unlabelled',
    at('more.jsonl'),
    '--precision',
    'fp32',
    '--checkpoint-every',
    '2',
    '--out',
    out,
    ...more,
  ],
];
const recordOf = (folder: string): TrainingRecord =>
  JSON.parse(readFileSync(join(folder, 'training.json'), 'utf8'));
const weights = (folder: string) => readFileSync(join(folder, 'model.safetensors')).toString('base64');

it('trains a student on what a teacher says, the same after a kill', async () => {
  const straight = at('straight');
  expect(await cli(args(straight))).toMatchObject({ exitCode: 0 });
  const record = recordOf(straight);
  expect(record.distillation).toEqual({
    teacher: 'demo-model',
    temperature: 2,
    teacherWeight: 0.7,
    unlabelled: 2,
    sameData: true,
  });
  const { train } = record.data.splits;
  const papers = train.reduce((sum, count) => sum + count, 0) + 2;
  expect(record.schedule.steps).toBe(2 * Math.ceil(papers / record.recipe.resolved.batchSize));
  expect(readFileSync(join(straight, 'README.md'), 'utf8')).toContain('Taught by `demo-model`');

  const killed = at('killed');
  const child = spawn(process.execPath, [launcher, ...args(killed, '--resume')]);
  const end = finished(child);
  const run = `${killed}.training`;
  const checkpoint = async () => {
    while (!existsSync(join(run, 'checkpoint.safetensors'))) await sleep(5);
  };
  await Promise.race([checkpoint(), end]);
  child.kill('SIGKILL');
  expect(await end).toMatchObject({ exitCode: null });
  expect(readdirSync(run).filter(name => name.startsWith('teacher-'))).toHaveLength(1);
  const resumed = await cli(args(killed, '--resume'));
  expect(resumed).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('going on after step') });
  expect(weights(killed)).toBe(weights(straight));
  // The teacher makes a difference.
  const other = at('other');
  expect(await cli(args(other, '--teacher-weight', '0'))).toMatchObject({ exitCode: 0 });
  expect(weights(other)).not.toBe(weights(straight));
});

it('refuses a teacher of other classes, and what is out of range', async () => {
  const labels = at('labels.csv');
  const rows = Array.from({ length: 60 }, (_, i) => `title ${i},abstract ${i},${i % 2 ? 'x' : 'y'}`);
  writeFileSync(labels, ['title,abstract,category', ...rows].join('\n'));
  const refused = async (more: string[], message: string) =>
    expect(await cli(args(at('refused'), ...more))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(message),
    });
  await refused(['--data', labels, '--class-weights', 'none'], 'the data has x, y');
  await refused(['--temperature', '0'], '"temperature" must be a number above 0');
  expect(existsSync(at('refused'))).toBe(false);
});
