import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Surroundings } from '../../src/setup/candidates.js';
import { fetchLibtorch } from '../../src/setup/fetch.js';
import { unpackLibtorch } from '../../src/setup/unpack.js';
import {
  bareMachine,
  fakeLibtorch,
  libraryOf,
  temporaryFolder,
  writeProgram,
  writeTree,
  zip,
} from './fakes.js';

let files: Record<string, Buffer>;
let archive: Buffer;
let server: Server | undefined;
let requests: IncomingMessage[];

beforeAll(() => {
  const folder = fakeLibtorch(temporaryFolder());
  const names = ['torch', 'torch_cpu', 'c10'].map(name => libraryOf('', name).replace(/^\//, ''));
  names.push('include/torch/headeronly/version.h');
  files = Object.fromEntries(names.map(name => [`libtorch/${name}`, readFileSync(join(folder, name))]));
  files['libtorch/build-version'] = Buffer.from('2.13.0+cpu\n');
  // What must stay behind.
  files['libtorch/lib/libtorch_python.so'] = Buffer.alloc(1000);
  files['libtorch/bin/protoc'] = Buffer.alloc(1000);
  archive = zip(files);
});

afterEach(() => {
  server?.close();
  server = undefined;
});

/** Serves ranges of `content`; `cutAt` ends the first answer there. */
async function serve(content: Buffer, { cutAt = Number.POSITIVE_INFINITY } = {}): Promise<string> {
  requests = [];
  server = createServer((request: IncomingMessage, response: ServerResponse) => {
    requests.push(request);
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const headers: Record<string, string> = {
      'content-length': String(content.length - from),
      etag: '"one"',
    };
    if (from > 0) headers['content-range'] = `bytes ${from}-${content.length - 1}/${content.length}`;
    response.writeHead(from > 0 ? 206 : 200, headers);
    if (requests.length > 1 || cutAt > content.length) {
      response.end(content.subarray(from));
      return;
    }
    response.write(content.subarray(from, cutAt), () => setTimeout(() => response.destroy(), 50));
  });
  await new Promise<void>(resolve => server!.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/libtorch.zip`;
}

/** Answers every request with this status. */
async function refuse(status: number): Promise<string> {
  requests = [];
  server = createServer((request, response) => {
    requests.push(request);
    response.writeHead(status).end();
  });
  await new Promise<void>(resolve => server!.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/libtorch-cuda.zip`;
}

async function fetchFrom(machine: Surroundings, url: string) {
  const log: string[] = [];
  const hooks = { log: (line: string) => log.push(line) };
  const result = await fetchLibtorch(machine, hooks, [{ url, file: 'libtorch.zip', variant: 'cpu' }]);
  return { ...result, log: log.join('\n') };
}

describe('PyTorch’s archive', () => {
  it('is announced with its size and unpacked into the cache, without what is of no use', async () => {
    const machine = bareMachine();
    const { found, log } = await fetchFrom(machine, await serve(archive));
    expect(found?.folder).toBe(join(machine.cache, 'libtorch', '2.13.0-cpu', 'libtorch'));
    expect(log).toMatch(/^Downloading http.* MB\)$/m);
    expect(readdirSync(found!.folder).sort()).toEqual(['build-version', 'include', 'lib']);
    expect(readdirSync(join(found!.folder, 'lib'))).toHaveLength(3);
    expect(readdirSync(join(machine.cache, 'downloads'))).toEqual([]);
  });

  describe('for a GPU', () => {
    const both = (cuda: string, cpu: string) => [
      { url: cuda, file: 'cuda.zip', variant: 'cu130' },
      { url: cpu, file: 'cpu.zip', variant: 'cpu' },
    ];

    it.each([403, 404])('gives way to the CPU’s where it is not published (%i)', async status => {
      const cuda = await refuse(status);
      const other = server;
      const cpu = await serve(archive);
      const { found } = await fetchLibtorch(bareMachine(), { log: () => {} }, both(cuda, cpu));
      other?.close();
      expect(found?.variant).toBe('cpu');
    });

    it('is no reason to settle for the CPU’s when it could not be reached', async () => {
      const cpu = await serve(archive);
      const fetching = fetchLibtorch(
        bareMachine(),
        { log: () => {} },
        both('https://127.0.0.1:1/cuda.zip', cpu),
      );
      await expect(fetching).rejects.toMatchObject({ code: 'NETWORK' });
      expect(requests).toEqual([]);
    });
  });

  it('is continued where the connection was cut', async () => {
    const machine = bareMachine();
    const { found } = await fetchFrom(machine, await serve(archive, { cutAt: 5000 }));
    expect(found?.version).toBe('2.13.0');
    expect(requests).toHaveLength(2);
    expect(requests[1]!.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it('leaves no trace when it is damaged, and is fetched anew the next time', async () => {
    const machine = bareMachine();
    const damaged = Buffer.from(archive);
    damaged.write('####', archive.indexOf('TORCH_VERSION_MAJOR'), 'latin1');
    const { found, looked } = await fetchFrom(machine, await serve(damaged));
    expect(found).toBeUndefined();
    expect(looked.at(-1)?.reason).toContain('the checksum of libtorch/include/torch/headeronly/version.h');
    expect(readdirSync(join(machine.cache, 'libtorch'))).toEqual([]);
    server!.close();
    expect((await fetchFrom(machine, await serve(archive))).found).toBeDefined();
  });

  it('is passed over when it holds an unfit LibTorch', async () => {
    const old = fakeLibtorch(temporaryFolder(), { version: '2.1.0' });
    const header = 'include/torch/headeronly/version.h';
    const unfit = zip({ ...files, [`libtorch/${header}`]: readFileSync(join(old, header)) });
    const machine = bareMachine();
    const { found, looked } = await fetchFrom(machine, await serve(unfit));
    expect(found).toBeUndefined();
    expect(looked.at(-1)?.reason).toContain('2.1.0 is too old');
    expect(readdirSync(join(machine.cache, 'libtorch'))).toEqual([]);
  });

  it('is fetched once by two that want it at the same time', async () => {
    const machine = bareMachine();
    const url = await serve(archive);
    const results = await Promise.all([fetchFrom(machine, url), fetchFrom(machine, url)]);
    expect(results.map(({ found }) => found?.version)).toEqual(['2.13.0', '2.13.0']);
    expect(results.map(({ log }) => log).join('\n')).toContain('Another process is fetching LibTorch');
    expect(requests).toHaveLength(1);
  });

  it('replaces an entry that is unfit, and removes what an interrupted run left beside it', async () => {
    const machine = bareMachine();
    fakeLibtorch(join(machine.cache, 'libtorch', '2.13.0-cpu', 'torch'), { version: '1.13.0' });
    fakeLibtorch(join(machine.cache, 'libtorch', '2.13.0-cpu.partial', 'torch'));
    const { found } = await fetchFrom(machine, await serve(archive));
    expect(found?.version).toBe('2.13.0');
    expect(readdirSync(join(machine.cache, 'libtorch'))).toEqual(['2.13.0-cpu']);
  });

  it('stops on a signal', async () => {
    const machine = bareMachine();
    const url = await serve(archive);
    const hooks = { log: () => {}, signal: AbortSignal.abort() };
    const fetching = fetchLibtorch(machine, hooks, [{ url, file: 'libtorch.zip', variant: 'cpu' }]);
    await expect(fetching).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(existsSync(join(machine.cache, 'libtorch'))).toBe(false);
  });
});

describe('a wheel that pip sees', () => {
  /** Answers `pip download` with this wheel; without `--python-version` only if `anyPython`. */
  function fakePip(machine: { bin: string }, wheel: string, { anyPython = true } = {}): void {
    const body = `
while [ $# -gt 0 ]; do
  case "$1" in
    --dest) dest="$2"; shift ;;
    --python-version) chosen=yes ;;
  esac
  shift
done
if [ -z "$chosen" ] && [ ${anyPython} = false ]; then echo 'ERROR: No matching distribution found' >&2; exit 1; fi
echo "Processing ${wheel}"
/bin/cp '${wheel}' "$dest/"`;
    writeProgram(join(machine.bin, 'python3'), body);
  }

  function writeWheel(): string {
    const wheel = join(temporaryFolder(), 'torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl');
    const entries = Object.entries(files).map(([name, data]) => [name.replace(/^lib/, ''), data]);
    writeFileSync(wheel, zip(Object.fromEntries(entries)));
    return wheel;
  }

  it.each([
    ['this Python', true],
    ['another Python', false],
  ])('for %s comes before the archive', async (_, anyPython) => {
    const machine = bareMachine();
    fakePip(machine, writeWheel(), { anyPython });
    // What a killed process left.
    writeTree(join(machine.cache, 'downloads', 'wheel'), { 'half.whl': 'no archive' });
    const { found, log } = await fetchFrom(machine, 'http://127.0.0.1:1/never-asked');
    expect(found?.folder).toBe(join(machine.cache, 'libtorch', '2.13.0-cpu', 'torch'));
    expect(log).toContain('Processing /');
    expect(readdirSync(join(machine.cache, 'downloads'))).toEqual([]);
  });
});

it('unpacks nothing outside the folder it is given', async () => {
  const file = join(temporaryFolder(), 'evil.zip');
  writeFileSync(file, zip({ 'torch/lib/../../../evil': Buffer.from('x') }));
  const destination = join(temporaryFolder(), 'in');
  await expect(unpackLibtorch(file, destination)).rejects.toMatchObject({ code: 'NETWORK' });
  expect(existsSync(join(destination, '..', 'evil'))).toBe(false);
});

it('names an archive whose tables point outside it', async () => {
  const file = join(temporaryFolder(), 'damaged.zip');
  const content = zip(files);
  const end = content.length - 22;
  // A locator of zip64's end record, as large archives have one: it lies 2^63 bytes on.
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07', 'latin1');
  locator.writeBigUInt64LE(2n ** 63n, 8);
  writeFileSync(file, Buffer.concat([content.subarray(0, end), locator, content.subarray(end)]));
  await expect(unpackLibtorch(file, temporaryFolder())).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringContaining('damaged'),
  });
});
