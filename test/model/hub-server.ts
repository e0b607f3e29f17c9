import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { listen, sendFile, type TestServer } from '../util/file-server.js';

export const COMMIT = 'c0ffee'.padEnd(40, '0');

/** A Hub and, on another port, its storage for large files: the endpoints that a download uses, as huggingface.co answers. */
export interface TestHub extends TestServer {
  storage: TestServer;
  files: Map<string, Buffer>;
  /** The commit that `main` is at. */
  commit: string;
  /** What the storage does for one request instead of sending the file. */
  mishaps: ((request: IncomingMessage, response: ServerResponse, content: Buffer) => void)[];
  /** Instead of an answer of the Hub itself. */
  refuse: { status: number; code?: string } | undefined;
  /** Requests of one method, by file name. */
  asked(method: 'HEAD' | 'GET'): string[];
}

export async function startHub(id: string, folder: string): Promise<TestHub> {
  const files = new Map<string, Buffer>(
    readdirSync(folder).map(name => [name, readFileSync(join(folder, name))]),
  );
  files.set('tokenizer_config.json', Buffer.from('{"do_lower_case": true}'));
  files.set('vocab.txt', Buffer.from('[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n'));

  const mishaps: TestHub['mishaps'] = [];
  const storage = await listen((request, response) => {
    const content = files.get(request.url!.slice(1))!;
    const mishap = mishaps.shift();
    if (mishap) mishap(request, response, content);
    else sendFile(request, response, content, { etag: '"of-the-storage"' });
  });

  const server = await listen((request, response) => {
    const [, asked, revision, name = ''] = /^\/(.+)\/resolve\/([^/]+)\/(.+)$/.exec(request.url!) ?? [];
    const error = (status: number, code?: string): void => {
      response.writeHead(status, code ? { 'x-error-code': code } : {}).end();
    };
    if (hub.refuse) return error(hub.refuse.status, hub.refuse.code);
    if (asked === 'old-name') {
      response.writeHead(307, { location: request.url!.replace('/old-name/', `/${id}/`) }).end();
      return;
    }
    if (asked !== id) return error(404, 'RepoNotFound');
    if (revision !== 'main' && revision !== hub.commit) return error(404, 'RevisionNotFound');
    const content = files.get(name);
    if (!content) return error(404, 'EntryNotFound');
    response.setHeader('x-repo-commit', hub.commit);
    if (/\.(safetensors|bin)$/.test(name)) {
      response.writeHead(302, {
        location: `${storage.url}/${name}`,
        'x-linked-etag': `"${sha256(content)}"`,
        'x-linked-size': content.length,
      });
      response.end();
      return;
    }
    sendFile(request, response, content, { etag: `"${createHash('sha1').update(content).digest('hex')}"` });
  });
  const closeServer = server.close;
  const hub: TestHub = Object.assign(server, {
    storage,
    files,
    mishaps,
    commit: COMMIT,
    refuse: undefined,
    asked: (method: string) =>
      server.requests.filter(request => request.method === method).map(({ path }) => path.split('/').at(-1)!),
    close: async () => {
      await storage.close();
      await closeServer();
    },
  });
  return hub;
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
