import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judgeLibtorch, libraryNames } from '../../src/setup/libtorch.js';
import { compileLibrary, fakeLibtorch, libraryOf, temporaryFolder } from './fakes.js';

const judge = (folder: string) => judgeLibtorch(folder, process.env, process.platform);

async function reasonOf(folder: string): Promise<string> {
  const judgement = await judge(folder);
  return judgement.fit ? 'fit' : judgement.reason;
}

describe('judgeLibtorch', () => {
  it('takes a complete one and reads its version and variant', async () => {
    const folder = fakeLibtorch(temporaryFolder(), { version: '2.9.1', variant: 'cu130' });
    expect(await judge(folder)).toEqual({
      fit: true,
      libtorch: { folder, version: '2.9.1', variant: 'cu130' },
    });
  });

  it('reads the variant of an archive from build-version', async () => {
    const folder = fakeLibtorch(temporaryFolder());
    rmSync(join(folder, 'version.py'));
    writeFileSync(join(folder, 'build-version'), '2.13.0+cu126\n');
    expect(await judge(folder)).toMatchObject({ libtorch: { variant: 'cu126' } });
  });

  it.each([
    ['1.13.0', 'too old'],
    ['2.5.1', 'too old'],
    ['3.0.0', 'too new'],
  ])('passes over version %s: %s', async (version, words) => {
    const reason = await reasonOf(fakeLibtorch(temporaryFolder(), { version }));
    expect(reason).toContain(version);
    expect(reason).toContain(words);
  });

  it('passes over what is not there, has no headers or lacks a library', async () => {
    expect(await reasonOf('/nowhere/libtorch')).toBe('there is no such folder');
    expect(await reasonOf(temporaryFolder())).toContain('no include/');
    const folder = fakeLibtorch(temporaryFolder());
    rmSync(libraryOf(folder, 'c10'));
    expect(await reasonOf(folder)).toContain('c10');
  });

  it.runIf(process.platform === 'linux')('passes over the old C++ ABI', async () => {
    const folder = fakeLibtorch(temporaryFolder());
    appendFileSync(libraryOf(folder, 'c10'), '_ZN3c105ErrorC2ENS_14SourceLocationESs');
    expect(await reasonOf(folder)).toContain('old C++ ABI');
  });

  it.runIf(process.platform === 'linux')('passes over one whose libraries cannot be read', async () => {
    const folder = fakeLibtorch(temporaryFolder());
    rmSync(libraryOf(folder, 'c10'));
    mkdirSync(libraryOf(folder, 'c10'));
    expect(await reasonOf(folder)).toMatch(/^it cannot be read: /);
  });

  it('passes over a library that does not load, in the words of the loader', async () => {
    const folder = fakeLibtorch(temporaryFolder());
    writeFileSync(libraryOf(folder, 'torch'), 'no library at all, only a file of that name');
    expect(await reasonOf(folder)).toMatch(/^it does not load: .*libtorch/);
  });

  it('survives a library that crashes the process that loads it', async () => {
    const folder = fakeLibtorch(temporaryFolder());
    const crash = '#include <cstdlib>\nstruct Crash { Crash() { abort(); } } crash;';
    compileLibrary(libraryOf(folder, 'torch'), crash);
    expect(await reasonOf(folder)).toContain('SIGABRT');
  });
});

it('links the libraries of CUDA only where they are', () => {
  const folder = fakeLibtorch(temporaryFolder());
  expect(libraryNames(folder, process.platform)).toEqual(['torch', 'torch_cpu', 'c10']);
  writeFileSync(libraryOf(folder, 'torch_cuda'), '');
  expect(libraryNames(folder, process.platform)).toContain('torch_cuda');
});
