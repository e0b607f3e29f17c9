import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../../src/setup/run.js';
import { isRunning, temporaryFolder } from './fakes.js';

const { env } = process;

it('gives output, lines and ending of a program', async () => {
  const lines: string[] = [];
  const result = await run('sh', ['-c', 'echo out; echo err >&2; exit 3'], {
    env,
    onLine: line => lines.push(line),
  });
  expect(result).toMatchObject({ ok: false, stdout: 'out', stderr: 'err', ending: 'exit status 3' });
  expect(lines.sort()).toEqual(['err', 'out']);
});

it('gives why a program did not start', async () => {
  expect(await run('/nowhere/program', [], { env })).toMatchObject({
    ok: false,
    ending: expect.stringContaining('ENOENT'),
  });
});

it('ends a program with its children on a signal, and waits for the end', async () => {
  const folder = temporaryFolder();
  const controller = new AbortController();
  // The child takes its time to end, and notes it; the grandchild is a process of its own.
  const script = `trap 'sleep 0.3; echo over > ended; exit 1' TERM
    sh -c 'echo $$ > grandchild; echo ready; exec sleep 60' & wait`;
  const result = await run('sh', ['-c', script], {
    env,
    cwd: folder,
    signal: controller.signal,
    onLine: () => controller.abort(),
  });
  expect(result.ok).toBe(false);
  expect(existsSync(join(folder, 'ended'))).toBe(true);
  const grandchild = Number(readFileSync(join(folder, 'grandchild'), 'utf8'));
  expect(isRunning(grandchild)).toBe(false);
});

it('ends a program that does not listen', async () => {
  const controller = new AbortController();
  const result = await run('sh', ['-c', "trap '' TERM; echo ready; sleep 60"], {
    env,
    signal: controller.signal,
    onLine: () => controller.abort(),
  });
  expect(result.ending).toBe('SIGKILL');
});

it('starts nothing that lasts on a signal that has come before', async () => {
  const result = await run('sleep', ['60'], { env, signal: AbortSignal.abort() });
  expect(result).toMatchObject({ ok: false, ending: 'SIGTERM' });
});
