import {
  existsSync,
  lstatSync,
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
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeFolders, requireSpace, StagedFolder } from '../../src/util/files.js';
import { checkOutput } from '../../src/util/output.js';

const system = vi.hoisted(() => ({ fails: false, blocks: undefined as number | undefined }));

vi.mock('node:fs/promises', async original => {
  const real = await original<typeof import('node:fs/promises')>();
  const refuse = async () => {
    throw Object.assign(new Error('input/output error'), { code: 'EIO' });
  };
  return {
    ...real,
    rm: (...args: Parameters<typeof real.rm>) => (system.fails ? refuse() : real.rm(...args)),
    statfs: async (path: string) => {
      const found = await real.statfs(path);
      return system.blocks === undefined ? found : { ...found, blocks: system.blocks, bavail: 0 };
    },
  };
});

let folder: string;
let target: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'files-'));
  target = join(folder, 'model');
});

afterEach(() => {
  system.fails = false;
  system.blocks = undefined;
  rmSync(folder, { recursive: true, force: true });
});

describe('a staged folder', () => {
  const isOurs = async (path: string) => existsSync(join(path, 'config.json'));
  const holds = ['config.json', 'model.safetensors'];
  const model = { isOurs, holds, what: 'a model that was trained here', name: 'model' };
  const force = { replace: true, ...model };

  it('replaces one of its kind, and nothing is left of that', async () => {
    mkdirSync(target);
    writeFileSync(join(target, 'config.json'), 'old');
    const staged = await StagedFolder.create(target, force);
    expect(readFileSync(join(target, 'config.json'), 'utf8')).toBe('old');
    writeFileSync(join(staged.path, 'config.json'), 'new');
    await staged.commit();
    expect(readFileSync(join(target, 'config.json'), 'utf8')).toBe('new');
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('is committed once it has its name, even if what it replaced cannot be removed', async () => {
    mkdirSync(target);
    writeFileSync(join(target, 'config.json'), 'old');
    const staged = await StagedFolder.create(target, force);
    writeFileSync(join(staged.path, 'config.json'), 'new');
    system.fails = true;
    await staged.commit();
    expect(readFileSync(join(target, 'config.json'), 'utf8')).toBe('new');
  });

  it.each([
    ['no replacement was asked for', false, 'config.json'],
    ['it is of another kind', true, 'letter.txt'],
  ])('gives way to what appeared meanwhile where %s', async (_, replace, name) => {
    const staged = await StagedFolder.create(target, { replace, ...model });
    writeFileSync(join(staged.path, 'config.json'), 'late');
    mkdirSync(target);
    writeFileSync(join(target, name), 'early');
    mkdirSync(`${target}-2`);
    await expect(staged.commit()).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining(`complete in ${target}-3`),
    });
    await staged.discard();
    expect(staged.path).toBe(`${target}-3`);
    expect(readFileSync(join(target, name), 'utf8')).toBe('early');
    expect(readFileSync(join(`${target}-3`, 'config.json'), 'utf8')).toBe('late');
    expect(readdirSync(folder).sort()).toEqual(['model', 'model-2', 'model-3']);
  });

  it('never takes away what else lies in the folder, whenever it came there', async () => {
    mkdirSync(target);
    writeFileSync(join(target, 'config.json'), 'old');
    const staged = await StagedFolder.create(target, force);
    writeFileSync(join(target, 'notes.md'), 'mine');
    await expect(StagedFolder.create(target, force)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: `${target} holds more than a model that was trained here, so it is not replaced: notes.md`,
    });
    writeFileSync(join(staged.path, 'config.json'), 'new');
    await expect(staged.commit()).rejects.toMatchObject({ code: 'BAD_OPTION' });
    expect(readFileSync(join(target, 'notes.md'), 'utf8')).toBe('mine');
    expect(readFileSync(join(`${target}-2`, 'config.json'), 'utf8')).toBe('new');
  });

  it('fills an empty folder, behind a link too', async () => {
    mkdirSync(target);
    symlinkSync(target, join(folder, 'link'));
    const staged = await StagedFolder.create(join(folder, 'link'), { replace: false, ...model });
    writeFileSync(join(staged.path, 'config.json'), 'new');
    await staged.commit();
    expect(readdirSync(target)).toEqual(['config.json']);
    expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
  });

  it('is refused behind a link to nothing, before any work', async () => {
    symlinkSync(target, join(folder, 'link'));
    const refused = StagedFolder.check(join(folder, 'link'), { replace: false, ...model });
    await expect(refused).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('link to a place where nothing is'),
    });
  });

  it('brings back what a killed run had moved aside', async () => {
    const aside = join(folder, '.model.0123456789abcdef.part.old');
    mkdirSync(aside);
    writeFileSync(join(aside, 'config.json'), 'old');
    await expect(StagedFolder.create(target, { replace: false, ...model })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('is back now'),
    });
    expect(readFileSync(join(target, 'config.json'), 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['model']);
  });

  const isMounted = existsSync('/dev/shm') && statSync('/dev/shm').dev !== statSync('/dev').dev;
  it.skipIf(!isMounted)('is refused at once for a mount point (skipped where /dev/shm is none)', async () => {
    const marker = `arxiv-native-${process.pid}`;
    writeFileSync(join('/dev/shm', marker), '');
    try {
      await expect(
        StagedFolder.create('/dev/shm', {
          ...force,
          isOurs: async () => true,
          holds: readdirSync('/dev/shm'),
        }),
      ).rejects.toMatchObject({
        code: 'IO',
        remedy: expect.stringContaining('--out /dev/shm/model'),
      });
    } finally {
      rmSync(join('/dev/shm', marker));
    }
  });
});

describe('checkOutput', () => {
  it.each([
    ['does not exist', 'absent/out.csv', 'no such file or folder'],
    ['is a file', 'plain/out.csv', 'not a folder'],
  ])('refuses a file whose folder %s', async (_what, name, message) => {
    writeFileSync(join(folder, 'plain'), '');
    const checking = checkOutput(join(folder, name), { force: false });
    await expect(checking).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining(message) });
    expect(readdirSync(folder)).toEqual(['plain']);
  });

  it.skipIf(!existsSync('/proc/self'))('refuses a folder that cannot be written', async () => {
    await expect(checkOutput('/proc/out.csv', { force: false })).rejects.toMatchObject({ code: 'IO' });
  });

  it('refuses the file that is read, by any name', async () => {
    const input = join(folder, 'papers.csv');
    writeFileSync(input, 'title');
    symlinkSync(input, join(folder, 'link.csv'));
    for (const output of [input, join(folder, 'link.csv')]) {
      await expect(checkOutput(output, { force: true, inputs: [input] })).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining('is the input'),
      });
    }
    writeFileSync(join(folder, 'other.csv'), '');
    await checkOutput(join(folder, 'other.csv'), { force: true, inputs: [input] });
  });

  it('takes a new file, by a bare name too', async () => {
    await checkOutput(join(folder, 'out.csv'), { force: false });
    expect(readdirSync(folder)).toEqual([]);
    await checkOutput('out-that-is-not-there.csv', { force: false });
  });
});

describe('requireSpace', () => {
  it('refuses what the disk cannot hold', async () => {
    await requireSpace(folder, 1, 'Free some.');
    await expect(requireSpace(folder, 2 ** 60, 'Free some.')).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('no space left'),
      remedy: 'Free some.',
    });
  });

  it('asks nothing of a file system that does not count', async () => {
    system.blocks = 0;
    await requireSpace(folder, 2 ** 60, 'Free some.');
  });
});

describe('makeFolders', () => {
  it('makes what is missing, and leaves what is there', async () => {
    const path = join(folder, 'a/b/c');
    await makeFolders(path);
    writeFileSync(join(path, 'file'), '');
    await makeFolders(path);
    expect(readdirSync(path)).toEqual(['file']);
    await expect(makeFolders(join(path, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeFolders(join(path, 'file/d'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  it('makes them once for all that want them at the same time', async () => {
    const paths = Array.from({ length: 20 }, (_, i) => join(folder, `shared/deep/${i % 3}`));
    await Promise.all(paths.map(makeFolders));
    expect(readdirSync(join(folder, 'shared/deep')).sort()).toEqual(['0', '1', '2']);
  });

  it.runIf(process.platform === 'linux')('ends where the system makes none', async () => {
    await expect(makeFolders('/proc/none/of/these')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
