import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openTensors } from '../../src/model/tensor-file.js';
import type { PretrainRecord } from '../../src/train/pretrain/types.js';
import { cli, compiled, examplePapers, finished, launcher } from '../support/cli.js';

vi.setConfig({ testTimeout: 240_000 });

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-pretrain-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeAll(compiled);

const sizes = join(scratch, 'sizes.json');
writeFileSync(
  sizes,
  JSON.stringify({
    hiddenSize: 64,
    layers: 1,
    attentionHeads: 2,
    intermediateSize: 64,
    maxPositions: 1500,
    vocabSize: 500,
  }),
);
const at = (name: string) => join(scratch, name);
const args = (out: string, ...more: string[]) => [
  ...['pretrain', '--corpus', examplePapers, '--out', out, '--batch-tokens', '512', '--max-length', '64'],
  ...['--log-every', '5', '--precision', 'fp32', ...more],
];
const fresh = (out: string, ...more: string[]) =>
  args(out, '--config', sizes, '--steps', '40', '--checkpoint-every', '4', '--lr', '2e-3', ...more);
const record = (folder: string): PretrainRecord =>
  JSON.parse(readFileSync(join(folder, 'pretraining.json'), 'utf8'));
const weights = (folder: string) => readFileSync(join(folder, 'model.safetensors')).toString('base64');
/** metrics.jsonl without what a clock decides. */
const metrics = (folder: string) =>
  readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line, (key, value) => (key === 'tokensPerSecond' ? undefined : value)));

async function run(...all: string[]) {
  const result = await cli(all);
  expect(result).toMatchObject({ exitCode: 0 });
  return result;
}

describe('pretrain', () => {
  const straight = at('straight');
  beforeAll(async () => {
    await run(...fresh(straight));
  });

  it('learns, and leaves an encoder that train begins with', async () => {
    const { complete, evaluation, steps, corpus } = record(straight);
    expect({ complete, steps }).toEqual({ complete: true, steps: 40 });
    expect(corpus).toMatchObject({
      papers: 200,
      heldOut: 4,
      categories: ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'],
    });
    const [first, last] = [metrics(straight)[0], metrics(straight).at(-2)];
    expect(last.wordLoss).toBeLessThan(first.wordLoss - 0.3);
    expect(evaluation).toMatchObject({ step: 40, categoryAccuracy: expect.any(Number) });
    const files = ['README.md', 'config.json', 'metrics.jsonl', 'model.safetensors', 'pretraining.json'];
    expect(readdirSync(straight)).toEqual([...files, 'tokenizer.json', 'tokenizer_config.json']);
    expect(existsSync(`${straight}.pretraining`)).toBe(false);
    const tensors = await openTensors(join(straight, 'model.safetensors'));
    expect(new Set(tensors.map(({ dtype }) => dtype))).toEqual(new Set(['BF16']));
    const names = tensors.map(({ name }) => name);
    expect(names).toContain('bert.encoder.layer.0.attention.self.query.weight');
    expect(names).toContain('cls.predictions.bias');
    expect(names.filter(name => name.includes('classifier'))).toEqual([]);
    const model = ['--recipe', 'demo', '--encoder', straight, '--epochs', '1', '--out', at('model')];
    await run('train', '--data', examplePapers, ...model);
  });

  it('gives the same after kills and --resume, bit for bit, with a usable encoder all along', async () => {
    const out = at('killed');
    for (const step of [4, 12]) {
      const child = spawn(process.execPath, [launcher, ...fresh(out, '--resume')]);
      const end = finished(child);
      const reached = async () => {
        while (!(existsSync(join(out, 'pretraining.json')) && record(out).steps >= step)) await sleep(5);
      };
      await Promise.race([reached(), end]);
      child.kill('SIGKILL');
      expect(await end).toMatchObject({ exitCode: null });
    }
    expect(record(out)).toMatchObject({ complete: false, totalSteps: 40 });
    const { stderr } = await run(...fresh(out, '--resume'));
    expect(stderr).toMatch(/going on after step \d+/);
    expect(weights(out)).toBe(weights(straight));
    expect(metrics(out)).toEqual(metrics(straight));
    expect(record(out).sessions.length).toBeGreaterThan(1);
    // Nothing is left to do.
    await run(...fresh(out, '--resume'));
    expect(await cli(fresh(out, '--resume', '--seed', '1'))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('from a run with other options'),
    });
  });

  it("comes nearer to a teacher's states, and goes on after a kill bit for bit", async () => {
    const taught = (out: string) =>
      fresh(out, '--teacher', straight, '--teacher-weight', '5', '--teacher-length', '32', '--resume');
    await run(...taught(at('taught')));
    const [first, last] = [metrics(at('taught'))[0], metrics(at('taught')).at(-2)];
    expect(last.teacherLoss).toBeLessThan(0.7 * first.teacherLoss);
    expect(record(at('taught'))).toMatchObject({
      teacher: { hiddenSize: 64, maxLength: 32 },
      settings: { teacherWeight: 5 },
      evaluation: { teacherLoss: expect.any(Number) },
    });
    const names = (await openTensors(join(at('taught'), 'model.safetensors'))).map(({ name }) => name);
    expect(names.filter(name => name.includes('projection'))).toEqual([]);
    const out = at('taught-killed');
    const child = spawn(process.execPath, [launcher, ...taught(out)]);
    const end = finished(child);
    const reached = async () => {
      while (!(existsSync(join(out, 'pretraining.json')) && record(out).steps >= 4)) await sleep(5);
    };
    await Promise.race([reached(), end]);
    child.kill('SIGKILL');
    await end;
    await run(...taught(out));
    expect(weights(out)).toBe(weights(at('taught')));
    expect(metrics(out)).toEqual(metrics(at('taught')));
  });

  it('goes on with an encoder, its word head included', async () => {
    const out = at('adapted');
    await run(...args(out, '--encoder', straight, '--steps', '2', '--lr', '1e-6', '--save-as', 'fp16'));
    // No worse than before, which a head drawn anew would be.
    const [before, after] = [record(straight), record(out)];
    expect(after.evaluation!.wordLoss).toBeCloseTo(before.evaluation!.wordLoss, 1);
    expect(after.start).toMatchObject({ random: false, record: { fingerprint: before.fingerprint } });
    const card = readFileSync(join(out, 'README.md'), 'utf8');
    expect(card).toMatch(/trained from random weights on `papers.jsonl`: 40 steps; [\d,]+ tokens; /);
    const [old, adapted] = await Promise.all(
      [straight, out].map(folder => openTensors(join(folder, 'model.safetensors'))),
    );
    expect(adapted!.map(({ name, shape }) => [name, shape])).toEqual(
      old!.map(({ name, shape }) => [name, shape]),
    );
    expect(adapted![0]!.dtype).toBe('F16');
  });

  it.each([
    [['--encoder', straight, '--vocab-size', '10', '--steps', '1'], 'cannot be used with option'],
    [['--steps', '1', '--teacher-weight', '1'], 'are of a teacher'],
    [
      ['--steps', '1', '--teacher', straight, '--teacher-length', '9999'],
      'the teacher has positions for 1500',
    ],
    [['--corpus', at('none.jsonl'), '--steps', '1'], 'none.jsonl: there is no such file'],
    [['--steps', '1', '--encoder', straight, '--max-length', '9999'], 'positions for 1500 tokens, not 9999'],
  ])('refuses %j', async (more, message) => {
    const { exitCode, stderr } = await cli(args(at('refused'), ...more));
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(message) });
    expect(existsSync(at('refused'))).toBe(false);
    expect(existsSync(`${at('refused')}.pretraining`)).toBe(false);
  });
});
