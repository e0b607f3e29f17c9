import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Environment } from './paths.js';

export interface RunOptions {
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

/** Runs a program to its end. A failure is a result, never an exception. */
export function run(command: string, args: string[], options: RunOptions): Promise<RunResult> {
  const { env, cwd, timeout, onLine, signal } = options;
  return new Promise(resolve => {
    const child = spawn(command, args, {
      env: { ...env },
      cwd,
      timeout,
      signal,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
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
    const finish = (ok: boolean, ending: string) =>
      resolve({ ok, stdout: stdout.join('\n'), stderr: stderr.join('\n'), lines, ending });
    child.once('error', error => finish(false, error.message));
    child.once('close', (status, killedBy) =>
      finish(status === 0, killedBy === null ? `exit status ${status}` : killedBy),
    );
  });
}
