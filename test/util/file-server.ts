import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

// A proxy of the environment must not stand between a test and its server.
process.env.NO_PROXY = '127.0.0.1';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on a free port of 127.0.0.1 that records what it was asked. */
export interface TestServer {
  url: string;
  requests: { method: string; path: string; headers: IncomingMessage['headers'] }[];
  /** Ends every connection. What is sent just before that may be lost: call it when the bytes have arrived. */
  cut(): void;
  close(): Promise<void>;
}

export async function listen(handler: Handler): Promise<TestServer> {
  const requests: TestServer['requests'] = [];
  const server: Server = createServer((request, response) => {
    requests.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers });
    handler(request, response);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    cut: () => server.closeAllConnections(),
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Sends `content` as a static file server does: with an ETag, ranges, If-Range and HEAD. After `cutAfter` bytes it stalls, until the test calls cut(). */
export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  content: Buffer,
  {
    etag,
    cutAfter,
    headers = {},
  }: { etag?: string; cutAfter?: number; headers?: Record<string, string> } = {},
): void {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const ifRange = request.headers['if-range'];
  const start = range && (ifRange === undefined || ifRange === etag) ? Number(range[1]) : 0;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (etag) response.setHeader('etag', etag);
  if (start >= content.length && start > 0) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  response.setHeader('content-length', content.length - start);
  if (start > 0)
    response.setHeader('content-range', `bytes ${start}-${content.length - 1}/${content.length}`);
  response.writeHead(start > 0 ? 206 : 200);
  const rest = content.subarray(start);
  if (request.method === 'HEAD') response.end();
  else if (cutAfter === undefined || cutAfter >= rest.length) response.end(rest);
  else response.write(rest.subarray(0, cutAfter));
}

/** An onProgress that calls `cut` when so many bytes have arrived, once for each size in turn. */
export function cutAt(cut: () => void, ...sizes: number[]): (progress: { received: number }) => void {
  return ({ received }) => {
    if (received !== sizes[0]) return;
    sizes.shift();
    cut();
  };
}
