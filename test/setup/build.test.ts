import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type BuildOptions,
  type BuildProgress,
  buildAddon,
  isUpToDate,
  workingAddon,
} from '../../src/setup/build.js';
import { readStamp } from '../../src/setup/diagnose.js';
import type { Libtorch } from '../../src/setup/libtorch.js';
import { addonPath, PACKAGE_ROOT } from '../../src/setup/paths.js';
import { bareMachine, fakeLibtorch, isRunning, temporaryFolder, writeProgram, writeTree } from './fakes.js';

/** The least that is an addon to the smoke test; it needs no LibTorch. */
const ADDON = `
#include <napi.h>
Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("libtorchVersion", "2.13.0");
  exports.Set("builtWith", "2.13.0");
  exports.Set("devices", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
    return Napi::Array::New(info.Env());
  }));
  return exports;
}
NODE_API_MODULE(arxiv_native, Init)
`;

let libtorch: Libtorch;

beforeAll(() => {
  libtorch = { folder: fakeLibtorch(temporaryFolder()), version: '2.13.0', variant: 'cpu' };
});

/** A package with the real build files and this one source. */
function packageWith(source: string): string {
  const root = temporaryFolder();
  writeTree(root, { 'native/addon.cc': source });
  for (const file of ['CMakeLists.txt', 'binding.gyp', 'package.json'])
    cpSync(join(PACKAGE_ROOT, file), join(root, file));
  symlinkSync(join(PACKAGE_ROOT, 'node_modules'), join(root, 'node_modules'));
  return root;
}

function build(root: string, options: Partial<BuildOptions> = {}) {
  return buildAddon(libtorch, { env: process.env, log: () => {}, root, ...options });
}

describe('buildAddon', () => {
  it('builds, tries the result, and knows afterwards what it built', async () => {
    const root = packageWith(ADDON);
    expect(await isUpToDate(root)).toBe(false);
    const log: string[] = [];
    const steps: BuildProgress[] = [];
    const options = {
      log: (line: string) => log.push(line),
      onProgress: (step: BuildProgress) => steps.push(step),
    };
    // Of two at once, one builds and the other finds it done.
    const both = await Promise.all([build(root, options), build(root, options)]);
    expect(both.map(({ built }) => built).sort()).toEqual([false, true]);
    const [{ report }, other] = both;
    expect(other.report).toEqual(report);
    expect(log.filter(line => line.startsWith('Building the addon'))).toHaveLength(1);
    expect(report).toEqual({ libtorchVersion: '2.13.0', builtWith: '2.13.0', devices: [] });
    expect(log.join('\n')).toContain(libtorch.folder);
    expect(steps.length).toBeGreaterThan(0);
    expect(steps.at(-1)!.done).toBe(steps.at(-1)!.total);
    expect(readStamp(root)).toMatchObject({ libtorch: libtorch.folder, version: '2.13.0', complete: true });
    expect(await isUpToDate(root)).toBe(true);

    const built = await stat(addonPath(root));
    await build(root);
    expect((await stat(addonPath(root))).mtimeMs).toBe(built.mtimeMs);
    expect(await workingAddon(process.env, root)).toEqual(report);

    // A LibTorch that was replaced by another in the same place.
    const stampFile = join(root, 'build', 'arxiv_native.json');
    const stamp = readFileSync(stampFile, 'utf8');
    writeFileSync(stampFile, stamp.replace('"version": "2.13.0"', '"version": "2.12.1"'));
    expect(await workingAddon(process.env, root)).toBeUndefined();
    writeFileSync(stampFile, stamp);

    utimesSync(join(root, 'native', 'addon.cc'), new Date(), new Date());
    expect(await isUpToDate(root)).toBe(true);
    writeFileSync(join(root, 'native', 'more.h'), '');
    expect(await isUpToDate(root)).toBe(false);
  });

  it('builds what was damaged once more, leaves the precompiled header only in a clone, starts anew when forced', async () => {
    const root = packageWith(ADDON);
    await build(root);
    const { size } = await stat(addonPath(root));
    const header = join('build', 'CMakeFiles', 'arxiv_native.dir', 'cmake_pch.hxx.gch');
    const buildDamaged = async () => {
      writeTree(root, { [header]: '' });
      truncateSync(addonPath(root), size / 2);
      await expect(build(root)).resolves.toMatchObject({ built: true });
      expect((await stat(addonPath(root))).size).toBe(size);
      return existsSync(join(root, header));
    };
    expect(await buildDamaged()).toBe(false);
    writeTree(root, { '.git/HEAD': '' });
    expect(await buildDamaged()).toBe(true);

    await expect(build(root, { force: true })).resolves.toMatchObject({ built: true });
    expect(existsSync(join(root, header))).toBe(false);
  });

  it('ends the compilers before it gives up the lock', async () => {
    const root = packageWith(ADDON);
    const bin = temporaryFolder();
    const noted = join(root, 'compiler');
    writeProgram(join(bin, 'cmake'), `sh -c 'echo $$ > ${noted}; exec sleep 60' & wait`);
    const interruption = new AbortController();
    const building = build(root, {
      env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
      signal: interruption.signal,
    });
    while (!existsSync(noted) || readFileSync(noted, 'utf8') === '') await sleep(20);
    expect(existsSync(join(root, 'build.lock'))).toBe(true);
    interruption.abort();
    await expect(building).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(existsSync(join(root, 'build.lock'))).toBe(false);
    expect(isRunning(Number(readFileSync(noted, 'utf8')))).toBe(false);
  });

  it('is not up to date once its LibTorch is gone or its build was interrupted', async () => {
    const root = packageWith(ADDON);
    const folder = fakeLibtorch(temporaryFolder());
    await buildAddon({ ...libtorch, folder }, { env: process.env, log: () => {}, root });
    const stampFile = join(root, 'build', 'arxiv_native.json');
    const stamp = readFileSync(stampFile, 'utf8');
    writeFileSync(stampFile, stamp.replace('"complete": true', '"complete": false'));
    expect(await isUpToDate(root)).toBe(false);
    writeFileSync(stampFile, stamp);
    expect(await isUpToDate(root)).toBe(true);
    rmSync(folder, { recursive: true });
    expect(await isUpToDate(root)).toBe(false);
  });

  it('shows the compiler’s own words when it fails, and builds once the source is mended', async () => {
    const root = packageWith('#error "the source is broken"\n');
    await expect(build(root)).rejects.toMatchObject({
      code: 'ADDON',
      message: expect.stringContaining('the source is broken'),
      remedy: expect.stringContaining('doctor'),
    });
    expect(readStamp(root)?.complete).toBe(false);
    writeFileSync(join(root, 'native', 'addon.cc'), ADDON);
    await build(root);
    expect(await isUpToDate(root)).toBe(true);
  });

  it('says how to get a compiler or a builder where there is none', async () => {
    const root = packageWith(ADDON);
    const { env, bin } = bareMachine();
    await expect(build(root, { env })).rejects.toMatchObject({
      code: 'ADDON',
      message: 'no C++ compiler was found',
      remedy: expect.stringMatching(/apt-get install|xcode-select/),
    });
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, 'c++'), '');
    await expect(build(root, { env })).rejects.toThrow('neither cmake nor make');
  });

  it('refuses an addon that was compiled but does not load', async () => {
    const root = packageWith(ADDON.replace('NODE_API_MODULE(arxiv_native, Init)', ''));
    await expect(build(root)).rejects.toMatchObject({
      code: 'ADDON',
      remedy: expect.stringContaining('setup'),
    });
  });
});
