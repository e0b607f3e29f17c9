import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadEngine } from '../../src/engine.js';
import { Predictor } from '../../src/index.js';
import { openEncoder } from '../../src/model/encoder.js';
import { openSavedModel } from '../../src/model/saved-model.js';
import { isShipped, SHIPPED_CLASSIFIER, SHIPPED_ENCODER, shippedFolder } from '../../src/model/shipped.js';
import { cli, root } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-shipped-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const MIB = 2 ** 20;
/** Nothing listens there. */
const NOWHERE = { HF_ENDPOINT: 'http://127.0.0.1:9', HF_HOME: join(scratch, 'no-cache') };
const folderOf = (name: string) => join(root, 'models', name);
const sizeOf = (folder: string) =>
  readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
const linesOf = (file: string) =>
  readFileSync(join(root, file), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
const unseen = linesOf('examples/unseen.jsonl');
const data = join(scratch, 'data');
const tune = ['tune', SHIPPED_CLASSIFIER, '--data', data];

beforeAll(async () => {
  await cli(['prepare', join(root, 'examples/papers.jsonl'), '--out', data]);
});

describe("the package's own models", () => {
  it('are found by name from anywhere, and give way to a folder of that name', async () => {
    expect(shippedFolder(SHIPPED_ENCODER)).toBe(folderOf(SHIPPED_ENCODER));
    expect(shippedFolder('arxiv-large')).toBeUndefined();
    expect(isShipped(folderOf(SHIPPED_CLASSIFIER))).toBe(true);
    expect(isShipped(scratch)).toBe(false);
    symlinkSync(join(root, 'models'), join(scratch, 'linked'));
    expect(isShipped(join(scratch, 'linked', SHIPPED_CLASSIFIER))).toBe(true);

    cpSync(folderOf(SHIPPED_CLASSIFIER), join(scratch, SHIPPED_CLASSIFIER), { recursive: true });
    expect(await cli(tune, { cwd: scratch })).toMatchObject({ exitCode: 0 });
    expect(readdirSync(join(scratch, SHIPPED_CLASSIFIER))).toEqual(readdirSync(folderOf(SHIPPED_CLASSIFIER)));
  });

  it('do not give way to a file of that name', async () => {
    const cwd = join(scratch, 'files');
    mkdirSync(cwd);
    for (const name of [SHIPPED_ENCODER, SHIPPED_CLASSIFIER]) writeFileSync(join(cwd, name), '');
    expect(await cli([...tune, '--dry-run'], { cwd })).toMatchObject({ exitCode: 0 });
    const described = await cli(['describe', data, '--encoder', SHIPPED_ENCODER, '--json'], {
      cwd,
      env: NOWHERE,
    });
    expect(described).toMatchObject({ exitCode: 0 });
    const refused = await cli(['predict', '--model', SHIPPED_ENCODER, '--title', 'a', '--abstract', 'b'], {
      cwd,
    });
    expect(refused).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('arxiv-small is an encoder, not a trained model'),
    });
  });

  it('stay as they were installed', async () => {
    const before = readFileSync(join(folderOf(SHIPPED_CLASSIFIER), 'thresholds.json'), 'utf8');
    const refused = await cli(tune);
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('came with the package') });
    expect(await cli([...tune, '--dry-run'])).toMatchObject({ exitCode: 0 });
    expect(readFileSync(join(folderOf(SHIPPED_CLASSIFIER), 'thresholds.json'), 'utf8')).toBe(before);
  });

  it.each([
    ['train', SHIPPED_CLASSIFIER, ['--data', 'examples/papers.jsonl']],
    ['train', SHIPPED_ENCODER, ['--data', 'examples/papers.jsonl']],
    ['pretrain', SHIPPED_ENCODER, ['--corpus', 'examples/papers.jsonl', '--steps', '2']],
  ])('are not replaced by %s --out models/%s, forced or not', async (command, name, options) => {
    const before = readdirSync(folderOf(name)).map(file => statSync(join(folderOf(name), file)).mtimeMs);
    for (const force of [[], ['--force']]) {
      const refused = await cli([command, ...options, '--out', folderOf(name), ...force], { cwd: root });
      expect(refused).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('came with the package'),
      });
    }
    expect(readdirSync(folderOf(name)).map(file => statSync(join(folderOf(name), file)).mtimeMs)).toEqual(
      before,
    );
  });

  it('are what recipes name, also where an encoder of that name lies', async () => {
    const cwd = join(scratch, 'encoders');
    cpSync(folderOf(SHIPPED_ENCODER), join(cwd, SHIPPED_ENCODER), { recursive: true });
    const described = async (...options: string[]) => {
      const { stdout } = await cli(['describe', data, '--recipe', 'arxiv', '--json', ...options], { cwd });
      return JSON.parse(stdout).tokens.encoder;
    };
    expect(await described()).toBe('arxiv-small');
    expect(await described('--encoder', 'arxiv-small')).toBe('./arxiv-small');
    rmSync(join(cwd, SHIPPED_ENCODER, 'config.json'));
    expect(await described('--encoder', 'arxiv-small')).toBe('arxiv-small');
  });

  it('are small, and say how they were made without a path of the machine that made them', () => {
    expect(sizeOf(folderOf(SHIPPED_ENCODER))).toBeLessThan(25 * MIB);
    expect(sizeOf(folderOf(SHIPPED_CLASSIFIER))).toBeLessThan(40 * MIB);
    for (const [name, record] of [
      [SHIPPED_ENCODER, 'pretraining.json'],
      [SHIPPED_CLASSIFIER, 'training.json'],
    ] as const) {
      for (const file of ['README.md', record]) {
        expect(readFileSync(join(folderOf(name), file), 'utf8')).not.toMatch(
          /\/(home|root|work|tmp|Users)\//,
        );
      }
    }
  });
});

describe('arxiv-small', () => {
  it('gives what transformers gives', async () => {
    const cases: { ids: number[]; mean: number[] }[] = JSON.parse(
      readFileSync(join(root, 'test/fixtures/shipped/states.json'), 'utf8'),
    );
    const encoder = await openEncoder(SHIPPED_ENCODER);
    const model = await loadEngine().createModel({
      ...{ encoder: encoder.shape, weights: encoder.tensors, mayInitialize: [] },
      ...{ device: 'cpu', precision: 'fp32', threads: 1, seed: 0, deterministic: false },
    });
    try {
      for (const [i, { ids, mean }] of cases.entries()) {
        const { title, abstract } = unseen[i];
        expect(encoder.tokenizer.encodeJoined(title, abstract, 256)).toEqual(ids);
        const offsets = Int32Array.of(0, ids.length);
        const states = await model.predict({ ids: Int32Array.from(ids), offsets });
        expect(states.length).toBe(mean.length);
        const farthest = Math.max(...states.map((value, j) => Math.abs(value - mean[j]!)));
        expect(farthest).toBeLessThan(5e-5);
      }
    } finally {
      model.dispose();
    }
  });
});

describe('arxiv-classifier', () => {
  it('classifies without a network or a name, whatever lies where the command runs', async () => {
    const { title, abstract } = unseen[1];
    const cwd = join(scratch, 'empty');
    mkdirSync(join(cwd, SHIPPED_CLASSIFIER), { recursive: true });
    const { exitCode, stdout } = await cli(['predict', '--title', title, '--abstract', abstract], {
      env: NOWHERE,
      cwd,
    });
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ category: 'cs.CV' });
  });

  it('is what Predictor.load opens, and knows papers it has not seen', async () => {
    const predictor = await Predictor.load();
    try {
      const answers = await predictor.predictBatch(unseen);
      const right = answers.filter(({ category }, i) => category === unseen[i].categories[0]);
      expect(right.length).toBeGreaterThanOrEqual(6);
    } finally {
      await predictor.dispose();
    }
  });

  it('is reported on where the command runs, not among the files of the package', async () => {
    const cwd = join(scratch, 'report');
    mkdirSync(cwd);
    const papers = join(root, 'examples/unseen.jsonl');
    const args = ['report', SHIPPED_CLASSIFIER, '--data', papers, '--no-baseline'];
    expect(await cli(args, { cwd })).toMatchObject({ exitCode: 0 });
    expect(existsSync(join(cwd, `${SHIPPED_CLASSIFIER}.html`))).toBe(true);
    expect(existsSync(join(root, 'models', `${SHIPPED_CLASSIFIER}.html`))).toBe(false);
  });

  it('beats words alone on papers that neither saw, by its own record', async () => {
    const { training } = await openSavedModel(SHIPPED_CLASSIFIER);
    const { test, baseline } = training as unknown as Record<'test' | 'baseline', { accuracy: number }>;
    expect(test.accuracy).toBeGreaterThan(baseline.accuracy);
  });
});
