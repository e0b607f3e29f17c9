import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** What npm installs, with this in the place of setup. */
function installedPackage(setup: string): string {
  const folder = mkdtempSync(join(inject('sharedFolder'), 'install-'));
  cpSync(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  mkdirSync(join(folder, 'dist', 'setup'), { recursive: true });
  writeFileSync(join(folder, 'dist', 'setup', 'setup.js'), setup);
  return folder;
}

function runInstallScript(folder: string) {
  return spawnSync(process.execPath, [join(folder, 'scripts', 'install.mjs')], { encoding: 'utf8' });
}

describe('the install script', () => {
  it('never fetches', () => {
    const { stdout } = runInstallScript(
      installedPackage('export const setup = async options => console.log(JSON.stringify(options));'),
    );
    expect(JSON.parse(stdout)).toEqual({ mayFetch: false });
  });

  it.each([
    [
      'finds no LibTorch',
      'export const setup = async () => { throw Object.assign(new Error("none"), { remedy: "setup" }); };',
    ],
    ['is broken', 'this is no JavaScript'],
  ])('ends well when it %s', (_, setup) => {
    const { status, stdout } = runInstallScript(installedPackage(setup));
    expect(status).toBe(0);
    expect(stdout).toContain('the engine is not built yet');
  });

  it('takes no stale dist/ in a clone, and ends well where its TypeScript cannot be compiled', () => {
    const folder = installedPackage('export const setup = async () => {};');
    mkdirSync(join(folder, 'src'));
    expect(runInstallScript(folder)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('TypeScript'),
    });
  });
});

describe('package.json', () => {
  it('packs every script that the package runs itself', () => {
    const scripts = ['install.mjs', 'compile.mjs', 'libtorch.mjs'].map(name => `scripts/${name}`);
    expect(manifest.files).toEqual(
      expect.arrayContaining([...scripts, 'native', 'CMakeLists.txt', 'binding.gyp']),
    );
    for (const file of manifest.files) {
      if (file !== 'dist') expect(existsSync(join(root, file)), file).toBe(true);
    }
  });

  it('keeps npm from running node-gyp by itself, and onnxruntime from being needed', () => {
    expect(manifest.gypfile).toBe(false);
    expect(manifest.scripts.install).toBe('node scripts/install.mjs');
    expect(manifest.os).toEqual(['linux', 'darwin']);
    expect({ ...manifest.dependencies, ...manifest.optionalDependencies }).not.toHaveProperty(
      'onnxruntime-node',
    );
  });
});
