import { createHash } from 'node:crypto';
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
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bergamot } from '../../../src/augment/bergamot/bergamot.js';
import { findModelFiles } from '../../../src/augment/bergamot/model-files.js';
import { fetchModel, lookUp } from '../../../src/augment/bergamot/registry.js';
import type { ArxivNativeError } from '../../../src/errors.js';
import { listen, sendFile, type TestServer } from '../../util/file-server.js';

const scratch = mkdtempSync(join(tmpdir(), 'bergamot-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const model = Buffer.from('weights '.repeat(5000));
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const packed: Record<string, Buffer> = {
  '/m/en-es/model.enes.intgemm.alphas.bin.gz': gzipSync(model),
  '/m/en-es/lex.50.50.enes.s2t.bin.gz': gzipSync('lex'),
  '/m/en-es/vocab.enes.spm.gz': gzipSync('vocab'),
};
/** As Mozilla's own program writes it. */
const entry = (
  folder: string,
  releaseStatus: string | null,
  uncompressedSize: number,
  architecture = 'tiny',
) => ({
  architecture,
  releaseStatus,
  sourceLanguage: 'en',
  targetLanguage: 'es',
  files: {
    model: {
      path: `m/${folder}/model.enes.intgemm.alphas.bin.gz`,
      uncompressedSize,
      uncompressedHash: sha256(model),
    },
    lexicalShortlist: { path: `m/${folder}/lex.50.50.enes.s2t.bin.gz` },
    vocab: { path: `m/${folder}/vocab.enes.spm.gz` },
  },
});

let server: TestServer;
let folder: string;
let count = 0;
let registry: (url: string) => unknown;
beforeEach(async () => {
  folder = join(scratch, String(count++), 'en-es');
  registry = baseUrl => ({
    generated: '2026-01-01T00:00:00Z',
    baseUrl,
    models: {
      'en-es': [
        entry('big', 'Release Desktop', 9e7, 'base'),
        entry('dev', null, 1),
        entry('en-es', 'Release', model.length),
      ],
      'es-en': [entry('en-es', 'Release', 1)],
      'en-is': [entry('dev', null, 1)],
    },
  });
  server = await listen((request, response) => {
    const path = request.url ?? '';
    if (path === '/models.json') response.end(JSON.stringify(registry(server.url)));
    else if (packed[path]) sendFile(request, response, packed[path]);
    else if (path.startsWith('/m/big/')) sendFile(request, response, Buffer.alloc(1000));
    else response.writeHead(404).end();
  });
  process.env.BERGAMOT_REGISTRY = `${server.url}/models.json`;
  process.env.ARXIV_NATIVE_CACHE = join(scratch, String(count), 'cache');
});
afterEach(() => server.close());

const failure = (promise: Promise<unknown>): Promise<ArxivNativeError> =>
  promise.then(
    () => Promise.reject(new Error('nothing was thrown')),
    error => error,
  );
const options = { from: 'en', to: 'es', threads: 1, offline: false, whole: false, seed: 1 };

describe('the registry of Firefox Translations models', () => {
  it('gives the smallest released model, fetched once, unpacked and checked', async () => {
    const found = await lookUp('en', 'es', {});
    expect(found).toMatchObject({
      architecture: 'tiny',
      size: Object.values(packed).reduce((sum, { length }) => sum + length, 0),
    });
    const seen: string[] = [];
    await fetchModel(found, folder, { onProgress: ({ file }) => seen.push(file) });
    const names = ['lex.50.50.enes.s2t.bin', 'model.enes.intgemm.alphas.bin', 'vocab.enes.spm'];
    expect(readdirSync(folder).sort()).toEqual(names);
    expect(readFileSync(join(folder, names[1]!))).toEqual(model);
    expect([...new Set(seen)].sort()).toEqual(names);
    expect(await findModelFiles(folder)).toMatchObject({ model: join(folder, names[1]!) });
    const asked = server.requests.length;
    await fetchModel(found, folder, {});
    expect(server.requests).toHaveLength(asked);
  });

  it('discards what does not fit its checksum', async () => {
    const { files, ...rest } = await lookUp('en', 'es', {});
    const other = files.map(file => ({ ...file, sha256: file.sha256 && '0'.repeat(64) }));
    expect(await failure(fetchModel({ ...rest, files: other }, folder, {}))).toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('SHA-256'),
    });
    expect(existsSync(folder)).toBe(false);
    await fetchModel({ ...rest, files }, folder, {});
    expect(existsSync(folder)).toBe(true);
  });

  it('mixes no half-fetched model with another release', async () => {
    const old = await lookUp('en', 'es', {});
    const [weights, ...others] = old.files;
    const gone = { ...others[0]!, url: `${server.url}/gone.gz` };
    expect(await failure(fetchModel({ ...old, files: [weights!, gone] }, folder, {}))).toMatchObject({
      code: 'NETWORK',
    });
    const kept = readdirSync(dirname(folder)).find(name => name.endsWith('.part'))!;
    expect(readdirSync(join(dirname(folder), kept))).toEqual([weights!.name]);
    const asked = server.requests.length;
    await fetchModel(old, folder, {});
    // The weights too: nothing of the other list of files was taken.
    expect(server.requests.length - asked).toBeGreaterThanOrEqual(3);
    expect(readdirSync(dirname(folder))).toEqual(['en-es']);
  });

  it('checks the weights that an earlier fetch left too', async () => {
    const found = await lookUp('en', 'es', {});
    packed['/m/en-es/vocab.enes.spm.gz'] = Buffer.from([0x1f, 0x8b, 0]);
    try {
      expect(await failure(fetchModel(found, folder, {}))).toMatchObject({
        code: 'NETWORK',
        message: expect.stringContaining('cannot be unpacked'),
      });
    } finally {
      packed['/m/en-es/vocab.enes.spm.gz'] = gzipSync('vocab');
    }
    const kept = readdirSync(dirname(folder)).find(name => name.endsWith('.part'))!;
    writeFileSync(join(dirname(folder), kept, found.files[0]!.name), 'damaged');
    expect(await failure(fetchModel(found, folder, {}))).toMatchObject({
      message: expect.stringContaining('SHA-256'),
    });
    await fetchModel(found, folder, {});
    expect(readFileSync(join(folder, found.files[0]!.name))).toEqual(model);
  });

  it('names the languages that there are', async () => {
    expect(await failure(lookUp('en', 'is', {}))).toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('from en to is'),
      remedy: 'Did you mean "es"?',
    });
  });

  it('says so where it is none', async () => {
    registry = () => ['<html>'];
    expect(await failure(lookUp('en', 'es', {}))).toMatchObject({
      code: 'NETWORK',
      remedy: expect.stringContaining('--model-dir'),
    });
    process.env.BERGAMOT_REGISTRY = `${server.url}/gone.json`;
    expect(await failure(lookUp('en', 'es', {}))).toMatchObject({ code: 'NETWORK' });
  });
});

describe('bergamot', () => {
  it('tells what it would fetch, and asks nobody when offline', async () => {
    const survey = await bergamot.survey(options, {});
    expect(survey).toMatchObject({
      model: 'Firefox Translations en-es (tiny)',
      download: expect.any(Number),
    });
    const asked = server.requests.length;
    expect(await failure(bergamot.survey({ ...options, offline: true }, {}))).toMatchObject({
      code: 'NETWORK',
    });
    expect(server.requests).toHaveLength(asked);
  });

  it('refuses a folder without the direction, one that lacks files, and settings that it has not', async () => {
    const modelDir = join(scratch, 'models');
    expect(await failure(bergamot.open({ ...options, modelDir }, {}))).toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('no folder en-es'),
    });
    mkdirSync(join(modelDir, 'en-es'), { recursive: true });
    expect(await failure(bergamot.open({ ...options, modelDir }, {}))).toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringContaining('no model.*.bin, no lex.*.bin, no vocab.*.spm'),
    });
    expect(await failure(bergamot.open({ ...options, beams: 4 }, {}))).toMatchObject({ code: 'BAD_OPTION' });
  });
});
