import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
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
import { bareMachine, fakeLibtorch, temporaryFolder, writeTree } from './fakes.js';

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
    const [report, other] = await Promise.all([build(root, options), build(root, options)]);
    expect(other).toEqual(report);
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
