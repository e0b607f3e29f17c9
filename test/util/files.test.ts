import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { requireSpace, StagedFolder } from '../../src/util/files.js';
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
  const force = { replace: true, marker: 'config.json' };

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

  const isMounted = existsSync('/dev/shm') && statSync('/dev/shm').dev !== statSync('/dev').dev;
  it.skipIf(!isMounted)('is refused at once for a mount point (skipped where /dev/shm is none)', async () => {
    const marker = `arxiv-native-${process.pid}`;
    writeFileSync(join('/dev/shm', marker), '');
    try {
      await expect(StagedFolder.create('/dev/shm', { replace: true, marker })).rejects.toMatchObject({
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
