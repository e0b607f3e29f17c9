import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on a free port of 127.0.0.1 that records what it was asked. */
export interface TestServer {
  url: string;
  requests: { method: string; path: string; headers: IncomingMessage['headers'] }[];
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
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Sends `content` as a static file server does: with an ETag, ranges, If-Range and HEAD. `cutAfter` bytes the connection is destroyed. */
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
  if (request.method === 'HEAD') response.end();
  else if (cutAfter === undefined) response.end(content.subarray(start));
  else
    response.write(content.subarray(start, start + cutAfter), () => setTimeout(() => response.destroy(), 10));
}
