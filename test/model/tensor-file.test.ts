import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArxivNativeError } from '../../src/errors.js';
import { openSafetensors } from '../../src/model/safetensors.js';
import { openTensors } from '../../src/model/tensor-file.js';
import { described, expectedIn, fixture, pickle, tupleDag } from './weights.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensors-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function failure(path: string): Promise<ArxivNativeError> {
  const error = await openTensors(path).then(
    () => undefined,
    thrown => thrown as unknown,
  );
  expect(error).toBeInstanceOf(ArxivNativeError);
  return error as ArxivNativeError;
}

describe('openTensors', () => {
  it.each(['views.pth', 'views-legacy.bin'])(
    'finds every view, dtype and shared storage of %s and passes over integers',
    async name => {
      expect(described(await openTensors(fixture(name)))).toEqual(expectedIn(name));
    },
  );

  it.each(['wrapped.pth', 'wrapped-legacy.pth', 'wrapped-numpy1.pth'])(
    'takes the weights of %s from among optimizer state and numbers of numpy',
    async name => {
      expect(described(await openTensors(fixture(name)))).toEqual(expectedIn(name));
    },
  );

  it('says which strides a view has, and none for a contiguous tensor', async () => {
    const sources = await openTensors(fixture('views.pth'));
    const strides = Object.fromEntries(sources.map(source => [source.name, source.strides]));
    expect(strides).toMatchObject({
      base: undefined,
      transposed: [1, 6],
      column: [6],
      row: undefined,
      spread: [0, 0],
    });
  });

  it.each([
    ['command.pth', 'posix.system'],
    ['command-legacy.bin', 'posix.system'],
    ['evaluation.pth', '__builtin__.eval'],
    ['whole-model.pth', 'torch.nn.modules.linear.Linear'],
  ])('refuses %s by the name of %s and executes nothing', async (name, global) => {
    const error = await failure(fixture(`refused/${name}`));
    expect(error.code).toBe('BAD_MODEL');
    expect(error.message).toContain(name);
    expect(error.message).toContain(`asks for ${global}`);
    expect(error.message).toContain('a state dict needs no such thing');
    expect(error.remedy).toContain('state_dict');
    expect(existsSync('pwned')).toBe(false);
  });

  it.each([
    ['no-weights.pth', 'no state dict'],
    ['no-torch.pkl', 'not one of torch.save'],
    ['compressed.pth', 'compressed'],
    ['big-endian.pth', 'big-endian'],
  ])('refuses %s: %s', async (name, reason) => {
    const error = await failure(fixture(`refused/${name}`));
    expect(error.code).toBe('BAD_MODEL');
    expect(error.message).toContain(name);
    expect(error.message).toContain(reason);
  });

  describe('a checkpoint of the first format with tuples that share their items 40 deep', () => {
    const magic = pickle(0x8a, 10, [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19], '.');
    const system = pickle('}X', [13, 0, 0, 0], 'little_endian', 0x88, 's.');
    const dag = tupleDag(40);

    it.each([
      ['for its version', [pickle(dag, '.')], 'no version of the format'],
      [
        'for a text',
        [pickle('M', [0xe9, 0x03], '.'), system, pickle('c_codecs\nencode\n', dag, 0x85, 'R.')],
        'a text to encode that is none',
      ],
      ['for its state dict', [pickle('M', [0xe9, 0x03], '.'), system, pickle(dag, '.')], 'no state dict'],
    ])('%s is refused at once', async (_, parts, message) => {
      const error = await failure(write('dag.bin', Buffer.concat([magic, ...parts])));
      expect(error).toMatchObject({ code: 'BAD_MODEL', message: expect.stringContaining(message) });
    });
  });

  it('prints no control characters of a hostile name', async () => {
    const header = JSON.stringify({ 'evil\x1b[2J\u202e': { dtype: 'F32', shape: [1] } });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
    const error = await failure(write('evil.safetensors', Buffer.concat([length, Buffer.from(header)])));
    expect(error.message).toContain('tensor "evil?[2J?" needs dtype');
  });

  it('names what is no weight file at all', async () => {
    expect((await failure(join(folder, 'absent.bin'))).message).toContain('no such file');
    expect((await failure(write('empty.bin', ''))).message).toContain('neither');
    expect((await failure(write('text.bin', 'hello, these are weights'))).message).toContain('neither');
    expect((await failure(folder)).code).not.toBe('ENGINE');
    const pointer = await failure(
      write('model.safetensors', 'version https://git-lfs.github.com/spec/v1\noid sha256:0'),
    );
    expect(pointer.remedy).toContain('git lfs pull');
    const other = write(
      'other.zip',
      readFileSync(fixture('views.pth')).toString('latin1').replaceAll('data.pkl', 'data.txt'),
    );
    expect((await failure(other)).code).toBe('BAD_MODEL');
  });

  it.each([
    'bert-safetensors/model.safetensors',
    'bert-zip/pytorch_model.bin',
    'bert-legacy/pytorch_model.bin',
  ])('calls %s, cut in the middle, truncated or damaged, by its path', async name => {
    const path = join(folder, 'cut.bin');
    copyFileSync(fixture(name), path);
    truncateSync(path, Math.floor(readFileSync(path).length * 0.7));
    const error = await failure(path);
    expect(error.code).toBe('BAD_MODEL');
    expect(error.message).toContain(path);
    expect(error.message).toMatch(/truncated|zip archive/);
  });

  it('puts shards together, and names the one that is missing', async () => {
    for (const [name, shard] of [
      ['model.safetensors.index.json', 'model-2-of-2.safetensors'],
      ['model-1-of-2.safetensors', ''],
    ] as const) {
      copyFileSync(fixture(`bert-sharded/${name}`), join(folder, name));
      if (shard) expect(existsSync(join(folder, shard))).toBe(false);
    }
    const error = await failure(join(folder, 'model.safetensors.index.json'));
    expect(error.message).toContain('model-2-of-2.safetensors');
    expect(error.code).toBe('BAD_MODEL');
  });

  it.each([
    ['{', 'not JSON'],
    ['{"weight_map": {}}', 'empty'],
    ['{"weight_map": {"a": "../../etc/passwd"}}', 'a path that leads elsewhere'],
    ['{"weight_map": {"a": "b.index.json"}}', 'an index of indices'],
    ['{"weight_map": {"a": 1}}', 'no file name'],
    ['null', 'null'],
  ])('refuses the index %s (%s)', async content => {
    const error = await failure(write('bad.index.json', content));
    expect(error.code).toBe('BAD_MODEL');
    expect(error.message).toContain('bad.index.json');
  });
});

describe('openSafetensors', () => {
  const tensor = (data_offsets: number[], more: object = {}) => ({
    dtype: 'F32',
    shape: [2],
    data_offsets,
    ...more,
  });

  function safetensors(header: unknown, dataBytes: number): string {
    const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return write('made.safetensors', Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
  }

  it('gives the metadata', async () => {
    const { metadata } = await openSafetensors(fixture('bert-safetensors/model.safetensors'));
    expect(metadata).toEqual({ format: 'pt' });
  });

  it('reads scalars, empty tensors and dtypes that it does not know but need not read', async () => {
    const header = {
      scalar: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
      empty: { dtype: 'F16', shape: [0, 3], data_offsets: [4, 4] },
      packed: { dtype: 'F4', shape: [3], data_offsets: [4, 6] },
    };
    const { tensors } = await openSafetensors(safetensors(header, 6));
    expect(tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ['scalar', []],
      ['empty', [0, 3]],
    ]);
  });

  it.each<[string, unknown, number, RegExp]>([
    ['data that is cut short', { a: tensor([0, 8]) }, 7, /truncated: it has \d+ bytes, its header announces/],
    ['data that nobody owns', { a: tensor([0, 8]) }, 9, /belong to no tensor/],
    ['an overlap', { a: tensor([0, 8]), b: tensor([4, 12]) }, 12, /"b" overlaps/],
    ['a gap', { a: tensor([0, 8]), b: tensor([12, 20]) }, 20, /"b" has a gap/],
    [
      'a range of another length',
      { a: tensor([0, 12]) },
      12,
      /"a" of shape \[2\] and dtype F32 takes 12 bytes/,
    ],
    ['a range that runs backwards', { a: tensor([8, 0]) }, 8, /"a"/],
    ['negative sizes', { a: tensor([0, 8], { shape: [-1, -2] }) }, 8, /"a" needs/],
    ['sizes beyond all files', { a: tensor([0, 8], { shape: [2 ** 52, 2 ** 52] }) }, 8, /"a"/],
    ['no dtype', { a: tensor([0, 8], { dtype: undefined }) }, 8, /"a" needs/],
    ['null for a tensor', { a: null }, 0, /"a" needs/],
    ['metadata that is no text', { __metadata__: { a: 1 } }, 0, /__metadata__/],
    ['a header that is no JSON', '{"a": ', 0, /header is no JSON object/],
    ['a header that is a list', '[{}]', 0, /header is no JSON object/],
  ])('refuses %s', async (_what, header, dataBytes, message) => {
    await expect(openSafetensors(safetensors(header, dataBytes))).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(message),
    });
  });

  it('refuses a header longer than the file, or than any header is', async () => {
    const claims = (length: bigint) => {
      const bytes = Buffer.from('________{}');
      bytes.writeBigUInt64LE(length);
      return write('long.safetensors', bytes);
    };
    await expect(openSafetensors(claims(1000n))).rejects.toMatchObject({
      message: expect.stringContaining('truncated'),
    });
    await expect(openSafetensors(claims(2n ** 63n))).rejects.toMatchObject({
      message: expect.stringContaining('header'),
    });
  });
});
