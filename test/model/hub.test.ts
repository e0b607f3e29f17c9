import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openEncoder } from '../../src/model/encoder.js';
import { fetchEncoder, type HubOptions, isHubId } from '../../src/model/hub.js';
import { hubSettings } from '../../src/model/hub-cache.js';
import { cutAt, sendFile } from '../util/file-server.js';
import { COMMIT, sha256, startHub, type TestHub } from './hub-server.js';
import { described, expectedIn, fixture } from './weights.js';

const ID = 'lab/tiny-bert';

let home: string;
let hub: TestHub;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'hub-'));
  for (const name of [
    'HF_HUB_CACHE',
    'HUGGINGFACE_HUB_CACHE',
    'HF_TOKEN',
    'HF_TOKEN_PATH',
    'HF_HUB_OFFLINE',
  ]) {
    vi.stubEnv(name, undefined);
  }
  vi.stubEnv('HF_HOME', home);
  await start('bert-safetensors');
});

afterEach(async () => {
  await hub.close();
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

async function start(name: string): Promise<void> {
  await hub?.close();
  hub = await startHub(ID, fixture(name));
  vi.stubEnv('HF_ENDPOINT', hub.url);
}

const repository = (): string => join(home, 'hub', 'models--lab--tiny-bert');

async function fetchTiny({ id = ID, ...options }: HubOptions & { id?: string } = {}) {
  const { folder, revision, fetchWeights } = await fetchEncoder(id, { retryDelayMs: 1, ...options });
  await fetchWeights();
  return { folder, revision };
}

describe('fetchEncoder', () => {
  it("fills the Hub's own cache layout, with everything from one commit", async () => {
    const { folder, revision } = await fetchTiny();
    expect(revision).toBe(COMMIT);
    expect(folder).toBe(join(repository(), 'snapshots', COMMIT));
    expect(readdirSync(folder).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer_config.json',
      'vocab.txt',
    ]);
    expect(readFileSync(join(repository(), 'refs', 'main'), 'utf8')).toBe(COMMIT);
    const weights = hub.files.get('model.safetensors')!;
    const link = join(folder, 'model.safetensors');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readlinkSync(link)).toBe(join('..', '..', 'blobs', sha256(weights)));
    expect(readFileSync(link).equals(weights)).toBe(true);
    expect(existsSync(join(repository(), '.no_exist', COMMIT, 'tokenizer.json'))).toBe(true);
    expect(readdirSync(join(repository(), 'blobs'))).toHaveLength(4);
    const revisions = hub.requests.map(({ path }) => path.split('/').at(-2));
    expect(revisions[0]).toBe('main');
    expect(new Set(revisions.slice(1))).toEqual(new Set([COMMIT]));
  });

  it('says that it is no folder either, if the Hub does not know it', async () => {
    await expect(openEncoder('mistyped', { retryDelayMs: 1 })).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(/nor is there a folder mistyped here$/),
      remedy: expect.stringMatching(/name a folder that exists/),
    });
  });

  it('is what openEncoder does with an id, and records the revision', async () => {
    const seen: { file: string; received: number; total: number }[] = [];
    const encoder = await openEncoder(ID, { onProgress: progress => seen.push(progress) });
    expect(encoder).toMatchObject({ id: ID, revision: COMMIT, shape: { vocabSize: 20 } });
    expect(described(encoder.tensors)).toEqual(expectedIn('bert-safetensors'));
    const size = hub.files.get('model.safetensors')!.length;
    expect(seen.at(-1)).toEqual({ file: 'model.safetensors', received: size, total: size });
  });

  it('fetches nothing twice: one question for a branch, none for a commit', async () => {
    await fetchTiny();
    const before = hub.requests.length;
    await fetchTiny();
    expect(
      hub.requests.slice(before).map(({ method, path }) => `${method} ${path.split('/').at(-1)}`),
    ).toEqual(['HEAD config.json']);
    await fetchTiny({ revision: COMMIT });
    expect(hub.requests).toHaveLength(before + 1);
    expect(hub.storage.requests).toHaveLength(1);
  });

  it('follows a branch that has moved, and shares the files that have not changed', async () => {
    await fetchTiny();
    hub.commit = 'beef'.padEnd(40, '1');
    hub.files.set('vocab.txt', Buffer.from('other'));
    const { revision, folder } = await fetchTiny();
    expect(revision).toBe(hub.commit);
    expect(readFileSync(join(folder, 'vocab.txt'), 'utf8')).toBe('other');
    expect(hub.storage.requests).toHaveLength(1);
    expect(readFileSync(join(repository(), 'refs', 'main'), 'utf8')).toBe(hub.commit);
  });

  it.each(['bert-legacy', 'bert-sharded', 'bert-sharded-bin'])('takes only what %s needs', async name => {
    await start(name);
    hub.files.set('flax_model.msgpack', Buffer.from('not wanted'));
    const { tensors } = await openEncoder(ID, { retryDelayMs: 1 });
    expect(described(tensors)).toEqual(expectedIn(name));
    expect(hub.asked('GET').filter(file => file.includes('flax'))).toEqual([]);
  });

  it('prefers tokenizer.json and then leaves vocab.txt', async () => {
    hub.files.set('tokenizer.json', Buffer.from('{}'));
    const { folder } = await fetchTiny();
    expect(readdirSync(folder)).toContain('tokenizer.json');
    expect(hub.asked('HEAD')).not.toContain('vocab.txt');
  });

  it('follows a renamed model', async () => {
    const { folder, revision } = await fetchTiny({ id: 'old-name' });
    expect(revision).toBe(COMMIT);
    expect(readdirSync(folder)).toHaveLength(4);
  });
});

describe('the token', () => {
  it('goes to the Hub and never to where it redirects', async () => {
    vi.stubEnv('HF_TOKEN', 'hf_secret');
    await fetchTiny();
    expect(new Set(hub.requests.map(request => request.headers.authorization))).toEqual(
      new Set(['Bearer hf_secret']),
    );
    expect(hub.storage.requests.map(request => request.headers.authorization)).toEqual([undefined]);
  });

  it('is taken from where the Hub leaves it at login', async () => {
    writeFileSync(join(home, 'token'), 'hf_file\n');
    await fetchTiny();
    expect(hub.requests[0]!.headers.authorization).toBe('Bearer hf_file');
  });
});

describe('mishaps', () => {
  it('goes on where the storage cut the connection', async () => {
    for (let i = 0; i < 2; i++)
      hub.mishaps.push((q, r, content) => sendFile(q, r, content, { cutAfter: 3000 }));
    const { folder } = await fetchTiny({ onProgress: cutAt(hub.storage.cut, 3000, 6000) });
    expect(readFileSync(join(folder, 'model.safetensors')).equals(hub.files.get('model.safetensors')!)).toBe(
      true,
    );
    expect(hub.storage.requests.map(request => request.headers.range)).toEqual([
      undefined,
      'bytes=3000-',
      'bytes=6000-',
    ]);
  });

  it('says that calling again continues when the storage stays away, and does', async () => {
    hub.mishaps.push((q, r, content) => sendFile(q, r, content, { cutAfter: 3000 }));
    for (let i = 0; i < 5; i++) hub.mishaps.push((_q, response) => response.destroy());
    await expect(fetchTiny({ onProgress: cutAt(hub.storage.cut, 3000) })).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining(`${ID}/model.safetensors`),
      remedy: expect.stringContaining('again'),
    });
    const [incomplete] = readdirSync(join(repository(), 'blobs')).filter(name =>
      name.endsWith('.incomplete'),
    );
    expect(incomplete).toBe(`${sha256(hub.files.get('model.safetensors')!)}.incomplete`);
    await fetchTiny();
    expect(hub.storage.requests.at(-1)!.headers.range).toBe('bytes=3000-');
  });

  it('refuses a file that is shorter than the Hub says', async () => {
    hub.mishaps.push((q, r, content) => sendFile(q, r, content.subarray(0, 5000)));
    await expect(fetchTiny()).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('5000 bytes where'),
    });
    expect(existsSync(join(repository(), 'snapshots', COMMIT, 'model.safetensors'))).toBe(false);
  });

  it('refuses a file that is not the one that the Hub says', async () => {
    hub.mishaps.push((q, r, content) => sendFile(q, r, Buffer.alloc(content.length, 7)));
    await expect(fetchTiny()).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('SHA-256'),
    });
    await fetchTiny();
  });

  it.each<[string, TestHub['refuse'], string, RegExp, RegExp]>([
    [
      'an unknown model',
      { status: 404, code: 'RepoNotFound' },
      'BAD_MODEL',
      /knows no such model/,
      /spelling/,
    ],
    [
      'an unknown model, without a token',
      { status: 401, code: 'RepoNotFound' },
      'BAD_MODEL',
      /no such model/,
      /HF_TOKEN/,
    ],
    ['an unknown model of a mirror', { status: 404 }, 'BAD_MODEL', /knows no such model/, /spelling/],
    [
      'an unknown revision',
      { status: 404, code: 'RevisionNotFound' },
      'BAD_MODEL',
      /no revision main/,
      /branch/,
    ],
    [
      'a gated model',
      { status: 403, code: 'GatedRepo' },
      'NETWORK',
      /gated or private, and no token/,
      /HF_TOKEN/,
    ],
    ['a private model', { status: 401 }, 'NETWORK', /gated or private/, /HF_TOKEN/],
    ['a broken Hub', { status: 500 }, 'NETWORK', /500 .*5 attempts/, /again/],
    ['what is no Hub', { status: 400 }, 'NETWORK', /400/, /HF_ENDPOINT/],
  ])('explains %s', async (_what, refuse, code, message, remedy) => {
    hub.refuse = refuse;
    await expect(fetchTiny()).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      remedy: expect.stringMatching(remedy),
    });
    await expect(fetchTiny()).rejects.toThrow(ID);
  });

  it.each([
    ['config.json', /has no config\.json/],
    ['vocab.txt', /no tokenizer \(tokenizer\.json, vocab\.txt, vocab\.json\)/],
    ['model.safetensors', /no weights \(model\.safetensors, /],
  ])('explains a model without %s', async (name, message) => {
    hub.files.delete(name);
    await expect(fetchTiny()).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(message),
    });
  });

  it('fetches the merges that belong to vocab.json, and explains their absence', async () => {
    await start('roberta');
    hub.files.delete('vocab.txt');
    const { folder } = await fetchTiny();
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(['merges.txt', 'vocab.json']));
    hub.files.delete('merges.txt');
    hub.commit = 'facade'.padEnd(40, '0');
    await expect(fetchTiny()).rejects.toThrow('has no merges.txt');
  });

  it('refuses an index that leads out of its folder', async () => {
    await start('bert-sharded');
    hub.files.set('model.safetensors.index.json', Buffer.from('{"weight_map": {"a": "../../../x"}}'));
    await expect(fetchTiny()).rejects.toMatchObject({ code: 'BAD_MODEL' });
  });

  it('stops on its signal', async () => {
    const controller = new AbortController();
    hub.mishaps.push((_q, response, content) => {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 100), () => controller.abort());
    });
    await expect(fetchTiny({ signal: controller.signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('lets two fetches of one model share the work', async () => {
    const [first, second] = await Promise.all([fetchTiny(), fetchTiny()]);
    expect(first).toEqual(second);
    expect(hub.storage.requests).toHaveLength(1);
    expect(readdirSync(join(repository(), 'blobs'))).toHaveLength(4);
    expect(readdirSync(first.folder)).toHaveLength(4);
  });
});

describe('an encoder that is unfit', () => {
  it.each<[string, string, string, RegExp]>([
    ['an unknown family', 'config.json', '{"model_type": "gpt2"}', /model_type "gpt2"/],
    ['an unusable tokenizer', 'tokenizer.json', '{"model": {"type": "Unigram"}}', /tokenizer\.json/],
  ])('is refused for %s before its weights are fetched', async (_what, name, content, message) => {
    hub.files.set(name, Buffer.from(content));
    await expect(openEncoder(ID, { retryDelayMs: 1 })).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(message),
    });
    expect(hub.storage.requests).toEqual([]);
  });
});

describe('an unreachable Hub', () => {
  /** As other clients of the Hub leave it: no notes of the files that the model lacks. */
  async function cachedByAnother() {
    const cached = await fetchTiny();
    rmSync(join(repository(), '.no_exist'), { recursive: true });
    await hub.close();
    return cached;
  }

  it.each([undefined, COMMIT])('does without it where the cache is whole (revision %s)', async revision => {
    const cached = await cachedByAnother();
    expect(await fetchTiny(revision === undefined ? {} : { revision })).toEqual(cached);
  });

  it('is the error where the cache is not', async () => {
    const { folder } = await cachedByAnother();
    rmSync(join(folder, 'model.safetensors'));
    const fetching = fetchTiny();
    await expect(fetching).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('is an error once it has answered', async () => {
    await fetchTiny();
    hub.commit = 'beef'.padEnd(40, '1');
    hub.files.set('vocab.txt', Buffer.from('other'));
    const description = await fetchEncoder(ID, { retryDelayMs: 1 });
    hub.files.set('model.safetensors', Buffer.from('other'));
    await hub.close();
    await expect(description.fetchWeights()).rejects.toMatchObject({ code: 'NETWORK' });
  });
});

describe('offline', () => {
  it('takes the cache without a question, by its option or HF_HUB_OFFLINE', async () => {
    const online = await fetchTiny();
    const before = hub.requests.length;
    expect(await fetchTiny({ offline: true })).toEqual(online);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect(await fetchTiny()).toEqual(online);
    expect(hub.requests).toHaveLength(before);
  });

  it('says what to do about a model that is not in the cache', async () => {
    await expect(fetchTiny({ offline: true })).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('not in the cache'),
      remedy: expect.stringContaining('HF_HUB_OFFLINE'),
    });
    await expect(fetchTiny({ offline: true, revision: COMMIT })).rejects.toMatchObject({
      message: expect.stringContaining('offline'),
    });
    expect(hub.requests).toHaveLength(0);
  });

  it('goes on with the cache when the Hub cannot be reached', async () => {
    const online = await fetchTiny();
    await hub.close();
    expect(await fetchTiny()).toEqual(online);
  });
});

describe('names and settings', () => {
  it.each(['bert-base-uncased', 'allenai/scibert_scivocab_uncased', 'a/b.c-d'])('takes %s for an id', id => {
    expect(isHubId(id)).toBe(true);
  });

  it.each([
    '',
    '/a',
    'a/',
    'a/b/c',
    '../a',
    'a/..',
    './a',
    'a b',
    'a--b/c',
    '.hidden/x',
    `a/${'b'.repeat(100)}`,
  ])('does not take %j for one', id => {
    expect(isHubId(id)).toBe(false);
  });

  it.each(['../x', 'a//b', '', '-x', 'a/../b'])('refuses the revision %j', async revision => {
    await expect(fetchTiny({ revision })).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  it('reads the environment as huggingface_hub does', () => {
    expect(hubSettings({ HF_HOME: '/h' })).toEqual({
      endpoint: 'https://huggingface.co',
      cacheFolder: '/h/hub',
      token: undefined,
      offline: false,
    });
    expect(hubSettings({ XDG_CACHE_HOME: '/x' }).cacheFolder).toBe('/x/huggingface/hub');
    expect(hubSettings({ HF_HOME: '/h', HF_HUB_CACHE: '/c' }).cacheFolder).toBe('/c');
    expect(hubSettings({ HF_ENDPOINT: 'https://mirror/' }).endpoint).toBe('https://mirror');
    expect(hubSettings({ HF_HUB_OFFLINE: 'TRUE' }).offline).toBe(true);
    expect(hubSettings({ HF_HUB_OFFLINE: '0' }).offline).toBe(false);
  });
});
