import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BuildStamp, checkAddonFile, diagnose, stampPath } from '../../src/setup/diagnose.js';
import { addonPath } from '../../src/setup/paths.js';
import { smokeTest } from '../../src/setup/smoke.js';
import { compileLibrary, fakeLibtorch, libraryOf, temporaryFolder, writeTree } from './fakes.js';

/** What loading this file as the addon says. */
async function verdict(root: string): Promise<{ code: string; message: string; remedy: string }> {
  return await smokeTest(process.env, root).then(
    () => {
      throw new Error('it loads');
    },
    error => error,
  );
}

function writeAddon(content: string | Buffer, stamp?: Partial<BuildStamp>): string {
  const root = temporaryFolder();
  writeTree(dirname(addonPath(root)), { 'arxiv_native.node': content });
  if (stamp) writeFileSync(stampPath(root), JSON.stringify({ complete: true, version: '2.13.0', ...stamp }));
  return root;
}

function compileAddon(source: string): string {
  const root = temporaryFolder();
  compileLibrary(addonPath(root), source);
  return root;
}

describe('an addon that does not load', () => {
  it.each([
    ['is not built', () => temporaryFolder(), /is not built/],
    [
      'is no library',
      () => writeAddon('these are not the bytes of a shared library at all'),
      /damaged|another platform/,
    ],
    [
      'is cut short',
      () => writeAddon(Buffer.from('\x7fELF\x02\x01\x01', 'latin1')),
      /damaged|another platform/,
    ],
    ['is no addon', () => compileAddon(''), /not built for this Node/],
    [
      'crashes',
      () => compileAddon('#include <cstdlib>\nstruct C { C() { abort(); } } c;'),
      /crashes.*SIGABRT/,
    ],
    [
      'lacks a symbol',
      () => compileAddon('void gone(); struct C { C() { gone(); } } c;'),
      /another version of LibTorch|crashes/,
    ],
    [
      'was interrupted in its build',
      () => writeAddon('', { complete: false, libtorch: '/' }),
      /build was interrupted/,
    ],
    [
      'has lost its LibTorch',
      () => writeAddon('', { libtorch: '/gone/libtorch' }),
      /2\.13\.0.*is gone \(\/gone\/libtorch\)/,
    ],
  ])('because it %s is diagnosed', async (_, make, words) => {
    const { code, message, remedy } = await verdict(make());
    expect(code).toBe('ADDON');
    expect(message).toMatch(words);
    expect(message).not.toContain('\n');
    expect(remedy).toContain('npx arxiv-native setup');
  });

  it.runIf(process.platform === 'linux')(
    'because it ends early is diagnosed before it is loaded',
    async () => {
      const root = compileAddon('char content[300000] = {1};');
      expect(() => checkAddonFile(root)).not.toThrow();
      truncateSync(addonPath(root), 100_000);
      expect(() => checkAddonFile(root)).toThrow(/damaged/);
      expect((await verdict(root)).message).toMatch(/damaged/);
    },
  );

  it.runIf(process.platform === 'linux')('because a library is missing names it', async () => {
    const folder = fakeLibtorch(temporaryFolder());
    const root = compileAddon('');
    const { execFileSync } = await import('node:child_process');
    const link = [
      '-shared',
      '-fPIC',
      '-Wl,--no-as-needed',
      `-L${folder}/lib`,
      '-x',
      'c++',
      '/dev/null',
      '-x',
      'none',
    ];
    execFileSync('c++', [...link, '-ltorch_cpu', '-o', addonPath(root)]);
    rmSync(libraryOf(folder, 'torch_cpu'));
    expect((await verdict(root)).message).toContain('libtorch_cpu.so');
  });
});

describe('the loader’s words', () => {
  const root = writeAddon('');

  it.each([
    [
      "/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by x.node)",
      'GLIBCXX_3.4.30 is missing',
    ],
    ['dlopen(x.node, 0x1): Library not loaded: @rpath/libtorch_cpu.dylib', 'libtorch_cpu.dylib'],
    ['dlopen(x.node): Symbol not found: __ZN2at4onesE', 'another version of LibTorch'],
    [
      "dlopen(x.node): tried: 'x.node' (mach-o file, but is an incompatible architecture)",
      'another processor',
    ],
    ['The module was compiled against a different Node.js version', 'not built for this Node'],
    ['something nobody foresaw\nand more', 'something nobody foresaw'],
  ])('%j mean %j', (message, meaning) => {
    expect(diagnose(new Error(message), root).message).toContain(meaning);
  });
});
