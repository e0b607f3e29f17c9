import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Environment } from './paths.js';

/** How long a program may take to end once it is asked to. */
const PATIENCE_MS = 5_000;

interface RunOptions {
  env: Environment;
  cwd?: string | undefined;
  /** After this many milliseconds the child is killed. */
  timeout?: number | undefined;
  /** Called with every line of either stream as it comes. */
  onLine?: ((line: string) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface RunResult {
  /** Exit status 0. */
  ok: boolean;
  stdout: string;
  stderr: string;
  /** Both streams, line by line, as they came. */
  lines: string[];
  /** How it ended, in words: `exit status 3`, `SIGSEGV`, `spawn cmake ENOENT`. */
  ending: string;
}

/**
 * Runs a program to its end. On `signal` whatever it started in turn (a builder's compilers) ends too, and the end is
 * waited for. A failure is a result, never an exception.
 */
export function run(command: string, args: string[], options: RunOptions): Promise<RunResult> {
  const { env, cwd, timeout, onLine, signal } = options;
  return new Promise(resolve => {
    // The leader of a process group can be ended with all its descendants. A terminal's Ctrl-C no longer reaches it
    // then, so only where there is a signal to do that instead.
    const detached = signal !== undefined;
    const child = spawn(command, args, {
      env: { ...env },
      cwd,
      timeout,
      detached,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const killGroup = (by: NodeJS.Signals) => {
      try {
        if (detached && child.pid !== undefined) process.kill(-child.pid, by);
      } catch {
        // It has ended by itself.
      }
    };
    let patience: NodeJS.Timeout | undefined;
    const onAbort = () => {
      killGroup('SIGTERM');
      patience = setTimeout(killGroup, PATIENCE_MS, 'SIGKILL');
    };
    const onExit = () => killGroup('SIGTERM');
    process.on('exit', onExit);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
    const lines: string[] = [];
    const collect = (stream: NodeJS.ReadableStream, into: string[]) => {
      createInterface({ input: stream }).on('line', line => {
        into.push(line);
        lines.push(line);
        onLine?.(line);
      });
    };
    const stdout: string[] = [];
    const stderr: string[] = [];
    collect(child.stdout, stdout);
    collect(child.stderr, stderr);
    const finish = (ok: boolean, ending: string) => {
      clearTimeout(patience);
      process.off('exit', onExit);
      signal?.removeEventListener('abort', onAbort);
      resolve({ ok, stdout: stdout.join('\n'), stderr: stderr.join('\n'), lines, ending });
    };
    child.on('error', error => {
      if (child.pid === undefined) finish(false, error.message);
    });
    child.once('close', (status, killedBy) =>
      finish(status === 0, killedBy === null ? `exit status ${status}` : killedBy),
    );
  });
}
