import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download } from '../../src/util/transfer.js';
import { compiled, root } from '../support/cli.js';
import { cutAt, type Handler, listen, sendFile, type TestServer } from './file-server.js';

const content = randomBytes(300_000);
const sha256 = createHash('sha256').update(content).digest('hex');

let folder: string;
let file: string;
let server: TestServer | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'transfer-'));
  file = join(folder, 'deep', 'archive.bin');
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function serve(handler: Handler): Promise<string> {
  server = await listen(handler);
  return `${server.url}/archive.bin`;
}

function ranges(): (string | undefined)[] {
  return server!.requests.map(request => request.headers.range);
}

describe('download', () => {
  it('writes the file once complete and reports every byte', async () => {
    const url = await serve((request, response) => sendFile(request, response, content));
    const seen: { received: number; total: number }[] = [];
    await download(url, file, { sha256, size: content.length, onProgress: p => seen.push(p) });
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(seen.at(0)).toEqual({ received: 0, total: content.length });
    expect(seen.at(-1)).toEqual({ received: content.length, total: content.length });
    expect(existsSync(`${file}.part`)).toBe(false);
    expect(existsSync(`${file}.lock`)).toBe(false);
  });

  it('asks nothing when the file is there', async () => {
    const url = await serve((request, response) => sendFile(request, response, content));
    await download(url, file);
    await download(url, file, { size: content.length });
    expect(server!.requests).toHaveLength(1);
  });

  it('goes on by itself where the connection was cut', async () => {
    const url = await serve((request, response) =>
      sendFile(request, response, content, { etag: '"one"', cutAfter: 80_000 }),
    );
    const onProgress = cutAt(server!.cut, 80_000, 160_000, 240_000);
    await download(url, file, { sha256, retryDelayMs: 1, onProgress });
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(ranges()).toEqual([undefined, 'bytes=80000-', 'bytes=160000-', 'bytes=240000-']);
    expect(server!.requests[1]!.headers['if-range']).toBe('"one"');
  });

  it('starts over when the file on the server changes between two attempts', async () => {
    let call = 0;
    const url = await serve((request, response) => {
      if (call++ === 0)
        sendFile(request, response, randomBytes(300_000), { etag: '"old"', cutAfter: 50_000 });
      else sendFile(request, response, content, { etag: '"new"' });
    });
    await download(url, file, { sha256, retryDelayMs: 1, onProgress: cutAt(server!.cut, 50_000) });
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  it('gives up on a server that never gets further, keeps the part, and goes on when called again', async () => {
    let broken = true;
    const url = await serve((request, response) => {
      if (broken && request.headers.range) response.destroy();
      else sendFile(request, response, content, broken ? { cutAfter: 100_000 } : {});
    });
    const onProgress = cutAt(server!.cut, 100_000);
    await expect(download(url, file, { retryDelayMs: 1, onProgress })).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('archive.bin'),
      remedy: expect.stringContaining('goes on from there'),
    });
    expect(existsSync(file)).toBe(false);
    expect(readFileSync(`${file}.part`)).toHaveLength(100_000);
    broken = false;
    await download(url, file, { sha256 });
    expect(ranges().at(-1)).toBe('bytes=100000-');
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  it('gives up on a server that knows no ranges and always cuts at the same place', async () => {
    const url = await serve((request, response) => {
      delete request.headers.range;
      sendFile(request, response, content, { cutAfter: 100_000 });
    });
    const onProgress = cutAt(server!.cut, ...Array<number>(5).fill(100_000));
    await expect(download(url, file, { retryDelayMs: 1, onProgress })).rejects.toMatchObject({
      code: 'NETWORK',
    });
    expect(server!.requests).toHaveLength(5);
  });

  it('discards a part that is not a beginning of the file', async () => {
    const url = await serve((request, response) => sendFile(request, response, content));
    await download(url, file);
    rmSync(file);
    writeFileSync(`${file}.part`, randomBytes(1000));
    await download(url, file, { sha256 });
    expect(readFileSync(file).equals(content)).toBe(true);
    rmSync(file);
    writeFileSync(`${file}.part`, randomBytes(400_000));
    await download(url, file, { retryDelayMs: 1 });
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  it('refuses a wrong checksum and leaves nothing', async () => {
    const url = await serve((request, response) => sendFile(request, response, content));
    const wrong = '0'.repeat(64);
    await expect(download(url, file, { sha256: wrong })).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('SHA-256'),
    });
    expect(existsSync(file)).toBe(false);
    expect(existsSync(`${file}.part`)).toBe(false);
  });

  it('refuses a file of another size than announced elsewhere', async () => {
    const url = await serve((request, response) => sendFile(request, response, content));
    await expect(download(url, file, { size: 300_001 })).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('300000 bytes where 300001 were expected'),
    });
  });

  it('retries 503 and 429, not 404', async () => {
    const statuses = [503, 429, 200];
    const url = await serve((request, response) => {
      const status = statuses.shift();
      if (status === 200) sendFile(request, response, content);
      else response.writeHead(status ?? 404).end();
    });
    await download(url, file, { retryDelayMs: 1 });
    await expect(download(url, `${file}2`, { retryDelayMs: 1 })).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('404'),
    });
    expect(server!.requests).toHaveLength(4);
  });

  it('stops on its signal and keeps what came', async () => {
    const controller = new AbortController();
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 1000));
    });
    const running = download(url, file, {
      signal: controller.signal,
      onProgress: ({ received }) => received === 1000 && controller.abort(),
    });
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(readFileSync(`${file}.part`)).toHaveLength(1000);
    expect(existsSync(`${file}.lock`)).toBe(false);
  });

  it('lets one of two callers download and the other wait', async () => {
    const url = await serve((request, response) => sendFile(request, response, content));
    await Promise.all([download(url, file, { sha256 }), download(url, file, { sha256 })]);
    expect(server!.requests).toHaveLength(1);
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  it('does not wait for one that was killed', async () => {
    const url = await serve((request, response) => sendFile(request, response, content));
    const module = pathToFileURL(join(root, 'dist/util/transfer.js')).href;
    const script = `
      import { download } from ${JSON.stringify(module)};
      await download(${JSON.stringify(url)}, ${JSON.stringify(file)}, {
        onProgress: () => process.kill(process.pid, 'SIGKILL'),
      });`;
    await compiled();
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    await expect(run).rejects.toMatchObject({ signal: 'SIGKILL' });
    expect(existsSync(`${file}.lock`)).toBe(true);
    const startedAt = performance.now();
    await download(url, file, { sha256 });
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(readdirSync(dirname(file))).toEqual(['archive.bin']);
  });

  it('says before it starts that the disk is too small', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 2 ** 50 });
      response.write('x');
    });
    await expect(download(url, file)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('no space left'),
    });
  });

  it.skipIf(!existsSync('/dev/full'))('says that the disk is full (skipped without /dev/full)', async () => {
    const url = await serve((request, response) => sendFile(request, response, content));
    const part = join(folder, 'full');
    symlinkSync('/dev/full', part);
    await expect(download(url, file, { part })).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('disk is full'),
    });
    expect(existsSync(file)).toBe(false);
  });

  it('names the folder that it cannot write to', async () => {
    writeFileSync(join(folder, 'plain'), '');
    await expect(download('http://127.0.0.1:1/', join(folder, 'plain', 'file'))).rejects.toMatchObject({
      code: 'IO',
    });
  });

  it.each([
    ['an address that is none', () => 'nowhere/file'],
    ['a server that speaks no TLS', () => server!.url.replace('http:', 'https:')],
  ])('explains %s at once', async (_what, url) => {
    await serve((request, response) => sendFile(request, response, content));
    await expect(download(url(), file)).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining(url()),
      remedy: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
  });

  it('names a server that cannot be reached', async () => {
    const free = createServer();
    await new Promise<void>(resolve => free.listen(0, '127.0.0.1', resolve));
    const { port } = free.address() as { port: number };
    await new Promise(resolve => free.close(resolve));
    await expect(download(`http://127.0.0.1:${port}/a`, file, { retryDelayMs: 1 })).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('ECONNREFUSED'),
      remedy: expect.stringContaining('HTTPS_PROXY'),
    });
  });
});
