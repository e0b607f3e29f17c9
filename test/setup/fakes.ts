import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { inject } from 'vitest';
import type { Surroundings } from '../../src/setup/candidates.js';
import { platformFacts } from '../../src/setup/platform.js';

const EXTENSION = process.platform === 'darwin' ? 'dylib' : 'so';

/** Removed when the run ends. */
export function temporaryFolder(): string {
  return mkdtempSync(join(inject('sharedFolder'), 'setup-'));
}

export function writeTree(folder: string, files: Record<string, string | Buffer>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** An executable shell script. */
export function writeProgram(path: string, body: string): void {
  writeTree(dirname(path), { [path.slice(dirname(path).length + 1)]: `#!/bin/sh\n${body}\n` });
  chmodSync(path, 0o755);
}

/** A shared library made of these lines of C++. */
export function compileLibrary(path: string, source = ''): void {
  mkdirSync(dirname(path), { recursive: true });
  const shared =
    process.platform === 'darwin' ? ['-dynamiclib', '-undefined', 'dynamic_lookup'] : ['-shared', '-fPIC'];
  execFileSync('c++', [...shared, '-x', 'c++', '-', '-o', path], { input: `${source}\n` });
}

let emptyLibrary: string | undefined;

/** A folder that looks like LibTorch to everything but the linker: empty libraries, and headers with a version. */
export function fakeLibtorch(folder: string, { version = '2.13.0', variant = 'cpu' } = {}): string {
  if (emptyLibrary === undefined) {
    emptyLibrary = join(temporaryFolder(), 'empty');
    compileLibrary(emptyLibrary);
  }
  const [major, minor, patch] = version.split('.');
  writeTree(folder, {
    'include/torch/headeronly/version.h': `#define TORCH_VERSION_MAJOR ${major}
#define TORCH_VERSION_MINOR ${minor}
#define TORCH_VERSION_PATCH ${patch}\n`,
    'version.py': `__version__ = '${version}+${variant}'\n`,
  });
  for (const name of ['torch', 'torch_cpu', 'c10']) cpSync(emptyLibrary, libraryOf(folder, name));
  return folder;
}

export function libraryOf(folder: string, name: string): string {
  return join(folder, 'lib', `lib${name}.${EXTENSION}`);
}

/** A machine with nothing but a shell: no Python, no torch, an empty cache. */
export function bareMachine(env: Record<string, string> = {}): Surroundings & { bin: string; cache: string } {
  const home = temporaryFolder();
  const bin = join(home, 'bin');
  const cache = join(home, 'cache');
  mkdirSync(bin);
  return {
    env: { PATH: bin, HOME: home, ARXIV_NATIVE_CACHE: cache, ...env },
    facts: platformFacts(),
    bin,
    cache,
  };
}

/** A zip of these files, stored as they are. */
export function zip(files: Record<string, Buffer>): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, data] of Object.entries(files)) {
    const sizes = Buffer.alloc(12);
    sizes.writeUInt32LE(crc32(data), 0);
    sizes.writeUInt32LE(data.length, 4);
    sizes.writeUInt32LE(data.length, 8);
    const lengths = Buffer.alloc(4);
    lengths.writeUInt16LE(Buffer.byteLength(name), 0);
    const version = Buffer.from([20, 0]);
    // Flags (UTF-8 names), method 0, time, date.
    const how = Buffer.from([0, 8, 0, 0, 0, 0, 33, 0]);
    const header = [Buffer.from('PK\x03\x04'), version, how, sizes, lengths, Buffer.from(name), data];
    // No extra field, no comment, disk 0, no attributes; then the offset.
    const rest = Buffer.alloc(16);
    rest.writeUInt32LE(offset, 12);
    local.push(...header);
    central.push(Buffer.from('PK\x01\x02'), version, version, how, sizes, lengths.subarray(0, 2));
    central.push(rest, Buffer.from(name));
    offset += header.reduce((sum, part) => sum + part.length, 0);
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...local, directory, end]);
}

/** Whether there is still such a process. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that nobody has waited for yet has ended all the same.
    return !/^State:\s+Z/m.test(
      existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '',
    );
  } catch {
    return false;
  }
}
