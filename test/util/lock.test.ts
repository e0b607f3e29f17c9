import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { throwIfCancelled } from '../../src/util/cancel.js';
import { withLock } from '../../src/util/lock.js';
import { download } from '../../src/util/transfer.js';
import { compiled, root } from '../support/cli.js';
import { listen } from './file-server.js';

let folder: string;
let path: string;

beforeAll(compiled);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
  path = join(folder, 'deep', 'thing');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('lets one work at a time, and tells the other that it waits', async () => {
  const events: string[] = [];
  const work = (name: string) => async () => {
    events.push(`${name} begins`);
    await sleep(50);
    events.push(`${name} ends`);
  };
  const first = withLock(path, work('first'));
  await sleep(20);
  await Promise.all([first, withLock(path, work('second'), { onWait: () => events.push('second waits') })]);
  expect(events).toEqual(['first begins', 'second waits', 'first ends', 'second begins', 'second ends']);
  expect(existsSync(`${path}.lock`)).toBe(false);
});

it('stops waiting on its signal', async () => {
  const controller = new AbortController();
  await withLock(path, async () => {
    const waiting = withLock(path, async () => {}, {
      signal: controller.signal,
      onWait: () => controller.abort(),
    });
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

it('whose holder was killed before it left its name is waited for until it is old, not refused', async () => {
  mkdirSync(`${path}.lock`, { recursive: true });
  const almostOld = Date.now() / 1000 - 28;
  utimesSync(`${path}.lock`, almostOld, almostOld);
  const onWait = () => {
    throw new Error('refused');
  };
  expect(await withLock(path, async () => 'done', { named: true, onWait })).toBe('done');
});

it('whose folder is gone is an error of the work, in a download too, and not the end of the process', async () => {
  const server = await listen((_request, response) => {
    response.writeHead(200, { 'content-length': 1000 });
    response.write('x');
  });
  const work = withLock(path, async signal => {
    rmSync(`${path}.lock`, { recursive: true });
    await sleep(60_000, undefined, { signal }).catch(() => {});
    throwIfCancelled(signal, 'working');
  });
  const file = join(folder, 'file');
  const downloading = download(`${server.url}/file`, file, {
    onProgress: () => rmSync(`${file}.lock`, { recursive: true, force: true }),
  });
  const lost = { code: 'IO', message: expect.stringContaining('lock of') };
  await Promise.all([
    expect(work).rejects.toMatchObject(lost),
    expect(downloading).rejects.toMatchObject(lost),
  ]);
  await server.close();
}, 20_000);

it('leaves a file beyond the limit an error that can be reported', () => {
  const module = pathToFileURL(join(root, 'dist/util/lock.js')).href;
  const script = `
    import { writeFileSync } from 'node:fs';
    import { withLock } from ${JSON.stringify(module)};
    await withLock(${JSON.stringify(path)}, async () => {});
    try { writeFileSync(${JSON.stringify(join(folder, 'large'))}, Buffer.alloc(1 << 20)); }
    catch (error) { setTimeout(() => console.log(error.code), 100); }`;
  const program = 'ulimit -f 8; exec "$0" --input-type=module -e "$1"';
  const said = execFileSync('sh', ['-c', program, process.execPath, script], { encoding: 'utf8' });
  expect(said).toBe('EFBIG\n');
});

it('of a process that was killed is taken over at once where it was named', async () => {
  const module = pathToFileURL(join(root, 'dist/util/lock.js')).href;
  const script = `
    import { withLock } from ${JSON.stringify(module)};
    await withLock(${JSON.stringify(path)}, async () => process.kill(process.pid, 'SIGKILL'), { named: true });`;
  const run = () => execFileSync(process.execPath, ['--input-type=module', '-e', script]);
  expect(run).toThrow(expect.objectContaining({ signal: 'SIGKILL' }));
  expect(existsSync(`${path}.lock`)).toBe(true);
  const startedAt = performance.now();
  await withLock(path, async () => {}, { named: true });
  expect(performance.now() - startedAt).toBeLessThan(5000);
  expect(readdirSync(dirname(path))).toEqual([]);
});

it('of a living process is not taken over', async () => {
  await withLock(
    path,
    async () => {
      const onWait = () => {
        throw new Error('it is taken');
      };
      await expect(withLock(path, async () => {}, { named: true, onWait })).rejects.toThrow('it is taken');
    },
    { named: true },
  );
});
