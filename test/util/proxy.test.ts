import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { download } from '../../src/util/transfer.js';
import { listen, sendFile } from './file-server.js';

it('downloads through the proxy of the environment, for hosts that only the proxy knows', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-'));
  const server = await listen((request, response) => sendFile(request, response, Buffer.from('through')));
  const tunnels: string[] = [];
  const proxy = createServer().on('connect', (request, socket) => {
    tunnels.push(request.url ?? '');
    const upstream = connect(Number(new URL(server.url).port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('http_proxy', undefined);
  vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
  try {
    await download('http://weights.invalid/file', join(folder, 'file'));
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('through');
    expect(tunnels).toEqual(['weights.invalid:80']);
  } finally {
    vi.unstubAllEnvs();
    proxy.closeAllConnections();
    proxy.close();
    await server.close();
    rmSync(folder, { recursive: true });
  }
});
