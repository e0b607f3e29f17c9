import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Prediction } from '../src/index.js';
import { compiled, demoModel, finished, root } from './support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-api-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let model: string;
beforeAll(async () => {
  model = await demoModel();
  mkdirSync(join(scratch, 'node_modules'));
  symlinkSync(root, join(scratch, 'node_modules/arxiv-native'));
});

/** Runs a script in a project that has this package installed. */
async function script(name: string, source: string) {
  writeFileSync(join(scratch, name), source);
  return finished(spawn(process.execPath, [name, model], { cwd: scratch }), '');
}

const USE = `
(async () => {
  const predictor = await Predictor.load(process.argv[2], { device: 'cpu', precision: 'fp32', threads: 1 });
  const paper = i => ({ id: String(i), title: 'Paper ' + i, abstract: 'We study the words of sentences.' });
  const single = await Promise.all([0, 1, 2].map(i => predictor.predict(paper(i))));
  const batch = await predictor.predictBatch([0, 1, 2].map(paper));
  const refused = await predictor.predict({ title: 1 }).catch(error => error);
  await predictor.dispose();
  const late = await predictor.predict(paper(0)).catch(error => error);
  console.log(JSON.stringify({
    exported,
    labels: predictor.labels,
    single, batch,
    refused: [refused instanceof ArxivNativeError, refused.code],
    late: late.code,
  }));
})();`;

const EXPORTED = [
  'ArxivNativeError',
  'Predictor',
  'augment',
  'compareModels',
  'describe',
  'distill',
  'ensembleModels',
  'evaluateModel',
  'fetchPapers',
  'importCheckpoint',
  'importPapers',
  'prepare',
  'pretrain',
  'reportModel',
  'train',
  'trainSeeds',
  'tuneModel',
];

function expectAnswers({ stdout, stderr, exitCode }: Awaited<ReturnType<typeof script>>): void {
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  const { exported, labels, single, batch, refused, late } = JSON.parse(stdout);
  expect(exported).toEqual(EXPORTED);
  expect(labels).toEqual(['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG']);
  expect(single).toEqual(batch);
  expect(single.map((prediction: { id: string }) => prediction.id)).toEqual(['0', '1', '2']);
  expect(refused).toEqual([true, 'BAD_INPUT']);
  expect(late).toBe('CANCELLED');
}

describe('the package', () => {
  it('is imported', async () => {
    const head = `import * as all from 'arxiv-native'; const { Predictor, ArxivNativeError } = all;
      const exported = Object.keys(all).sort();`;
    expectAnswers(await script('use.mjs', head + USE));
  });

  it('is required', async () => {
    const head = `const all = require('arxiv-native'); const { Predictor, ArxivNativeError } = all;
      const exported = Object.keys(all).filter(name => name !== '__esModule').sort();`;
    expectAnswers(await script('use.cjs', head + USE));
  });

  it('has types', async () => {
    await compiled();
    writeFileSync(
      join(scratch, 'use.ts'),
      `import { ArxivNativeError, type Metrics, type Precision, type Prediction, Predictor } from 'arxiv-native';
      import { type Recipe, type RecipeSource, train, type TrainingRecord, type TrainOptions } from 'arxiv-native';
      export async function use(): Promise<Prediction[]> {
        const predictor = await Predictor.load('folder', { device: 'cpu', precision: 'bf16', threads: 2 });
        const one: string = (await predictor.predict({ title: 'a', abstract: 'b' })).category;
        // @ts-expect-error the abstract is missing
        await predictor.predict({ title: one });
        // @ts-expect-error there is no such precision
        await Predictor.load('folder', { precision: 'int3' });
        // @ts-expect-error predictors are loaded, not made
        new Predictor();
        for await (const { probabilities } of predictor.predictStream([])) console.log(probabilities['cs.AI']);
        return predictor.predictBatch([], { signal: AbortSignal.timeout(1) });
      }
      export const code = (error: unknown) => (error instanceof ArxivNativeError ? error.code : undefined);
      const recipe: RecipeSource = { extends: 'v5.0', classWeights: 'balanced' };
      export const options: TrainOptions = { data: 'papers.jsonl', recipe, classWeights: 'none' };
      export const results = ({ test, recipe, precision }: TrainingRecord): [Metrics | undefined, Recipe, Precision] =>
        [test, recipe.resolved, precision];
      export const training: (...args: never) => Promise<unknown> = train;`,
    );
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--ignoreConfig'];
    const withNode = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
    const withoutNode = ['--types', '', '--lib', 'es2022,dom'];
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const check = (...more: string[]) =>
      execFileSync(process.execPath, [tsc, ...options, ...more, 'use.ts'], {
        cwd: scratch,
        encoding: 'utf8',
      });
    expect(() => check(...withNode)).not.toThrow();
    expect(() => check(...withoutNode)).not.toThrow();
  });
});

describe('examples/service.mjs', () => {
  it('classifies concurrent requests, refuses bad ones and stops at SIGTERM', async () => {
    const service = spawn(process.execPath, [join(root, 'examples/service.mjs'), model, '0']);
    const result = finished(service);
    const failed = result.then(({ stderr }) => Promise.reject(new Error(`the service ended: ${stderr}`)));
    failed.catch(() => {});
    const [text] = (await Promise.race([once(service.stdout, 'data'), failed])) as [string];
    const address = /http:\/\/\S+/.exec(text)![0];
    const post = (body: string) => fetch(`${address}/classify`, { method: 'POST', body });

    expect(await (await fetch(`${address}/health`)).json()).toMatchObject({ status: 'ok' });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        post(JSON.stringify({ id: `p${i}`, title: `Paper ${i}`, abstract: 'On words.' })).then(
          answer => answer.json() as Promise<Prediction>,
        ),
      ),
    );
    expect(answers.map(answer => answer.id)).toEqual(answers.map((_, i) => `p${i}`));
    for (const { category, probabilities } of answers) expect(probabilities).toHaveProperty([category]);

    for (const [body, message] of [
      ['{"title": ', 'not JSON'],
      ['{}', 'title'],
      ['{"title": "", "abstract": " "}', 'neither'],
      [`"${'x'.repeat(2_000_000)}"`, 'over'],
    ] as const) {
      const refused = await post(body);
      expect(refused.status).toBe(400);
      expect(((await refused.json()) as { error: string }).error).toContain(message);
    }
    expect((await fetch(`${address}/nowhere`)).status).toBe(404);

    // A request that is half sent when the signal comes is still answered.
    const last = request(`${address}/classify`, { method: 'POST' });
    last.write('{"title": "Open while it stops", ');
    await new Promise(resolve => setTimeout(resolve, 200));
    // So is a connection on which nothing is asked; it must not keep the service.
    const idle = connect(Number(new URL(address).port), '127.0.0.1').on('error', () => {});
    await once(idle, 'connect');
    service.kill('SIGTERM');
    await new Promise(resolve => setTimeout(resolve, 200));
    last.end('"abstract": ""}');
    const [answer] = (await once(last, 'response')) as [IncomingMessage];
    expect(answer.resume().statusCode).toBe(200);
    const answered = performance.now();
    expect(await result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(performance.now() - answered).toBeLessThan(5000);
  });

  it.each([
    ['absent-model', '0', 'absent-model'],
    [undefined, 'http', 'the port is a number'],
  ])('says without a stack what was wrong with %s %s', async (folder, port, message) => {
    const args = [join(root, 'examples/service.mjs'), folder ?? model, port];
    const { exitCode, stderr } = await finished(spawn(process.execPath, args), '');
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining(message) });
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});
