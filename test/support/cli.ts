import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { lock } from 'proper-lockfile';
import { inject } from 'vitest';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const launcher = join(root, 'bin/arxiv-native.js');
export const examplePapers = join(root, 'examples/papers.jsonl');

export interface CliResult {
  /** null when a signal ended the process. */
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the built command line to its end. */
export async function cli(
  args: string[],
  {
    input = '',
    env = {},
    cwd,
  }: { input?: string | Uint8Array; env?: Record<string, string>; cwd?: string } = {},
): Promise<CliResult> {
  await compiled();
  return finished(
    spawn(process.execPath, [launcher, ...args], { cwd, env: { ...process.env, ...env } }),
    input,
  );
}

/** Feeds a child process and collects what it says. */
export async function finished(
  child: ReturnType<typeof spawn>,
  input?: string | Uint8Array,
): Promise<CliResult> {
  const result: CliResult = { exitCode: null, stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', text => {
    result.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', text => {
    result.stderr += text;
  });
  // A child that ends before it has read everything is judged by what it said.
  child.stdin?.on('error', () => {});
  if (input !== undefined) child.stdin?.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', exitCode => resolve({ ...result, exitCode }));
  });
}

/** Compiles the TypeScript if `dist` is older; one test process does it, the others wait. */
export async function compiled(): Promise<void> {
  await once(join(root, 'node_modules/.compile'), isFresh, () =>
    promisify(execFile)(process.execPath, [
      join(root, 'node_modules/typescript/bin/tsc'),
      '-p',
      join(root, 'tsconfig.build.json'),
    ]),
  );
}

/** The folder of a small model, trained by the demo recipe once a test run. */
export async function demoModel(): Promise<string> {
  const folder = join(inject('sharedFolder'), 'demo-model');
  await once(
    folder,
    () => existsSync(folder),
    async () => {
      const result = await cli(['train', '--data', examplePapers, '--recipe', 'demo', '--out', folder]);
      if (result.exitCode !== 0) throw new Error(`the demo model could not be trained:\n${result.stderr}`);
    },
  );
  return folder;
}

async function once(name: string, done: () => boolean, work: () => Promise<unknown>): Promise<void> {
  if (done()) return;
  const release = await lock(name, {
    realpath: false,
    retries: { retries: 600, minTimeout: 100, maxTimeout: 100 },
  });
  try {
    if (!done()) await work();
  } finally {
    await release();
  }
}

function isFresh(): boolean {
  const output = join(root, 'dist/cli/main.js');
  if (!existsSync(output)) return false;
  const compiledAt = statSync(output).mtimeMs;
  const sources = readdirSync(join(root, 'src'), { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name));
  return [...sources, join(root, 'tsconfig.build.json'), join(root, 'tsconfig.json')].every(
    file => statSync(file).mtimeMs <= compiledAt,
  );
}
