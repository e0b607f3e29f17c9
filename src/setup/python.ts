import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Environment, findProgram } from './paths.js';
import { run } from './run.js';

const ASK_TIMEOUT_MS = 60_000;

/** Python interpreters, the active environment's first. */
export function findPythons(env: Environment): string[] {
  const active = [env.VIRTUAL_ENV, env.CONDA_PREFIX]
    .filter(prefix => prefix !== undefined && prefix !== '')
    .map(prefix => join(prefix!, 'bin', 'python'))
    .filter(existsSync);
  const onPath = ['python3', 'python'].map(name => findProgram(name, env)).filter(path => path !== undefined);
  return [...new Set([...active, ...onPath])];
}

/** The folder of the package torch that this Python would import; it is located, not imported. */
export async function torchOfPython(python: string, env: Environment): Promise<string | undefined> {
  const script = [
    'from importlib.util import find_spec',
    "spec = find_spec('torch')",
    "print(spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else '')",
  ].join('\n');
  // Not in the caller's folder: Python would take a folder named torch there for the package.
  const child = await run(python, ['-c', script], { env, cwd: '/', timeout: ASK_TIMEOUT_MS });
  return child.ok ? child.stdout.trim() || undefined : undefined;
}

/** What pip calls the wheel that holds the CPU's LibTorch. Only Linux has wheels with CUDA to keep away from. */
export function cpuRequirement(version: string, platform: string): string {
  return platform === 'darwin' ? `torch==${version}` : `torch==${version}+cpu`;
}

interface PipDownload {
  ok: boolean;
  /** pip's own last word, where it failed. */
  problem: string;
}

/** Has pip put the wheel into `destination`, from wherever pip is configured to look. */
export async function pipDownload(
  python: string,
  requirement: string,
  destination: string,
  options: { env: Environment; log: (line: string) => void; signal?: AbortSignal | undefined },
): Promise<PipDownload> {
  const base = ['-m', 'pip', 'download', '--no-deps', '--disable-pip-version-check', '--dest', destination];
  // The second try is for a Python that is older or newer than the wheels: any wheel will do, it is never imported.
  const anyPython = ['--python-version', '3.11', '--only-binary=:all:'];
  let problem = '';
  for (const extra of [[], anyPython]) {
    const child = await run(python, [...base, ...extra, requirement], {
      env: options.env,
      signal: options.signal,
      // pip names the file and its size before it fetches.
      onLine: line => {
        if (/^\s*(Downloading|Processing) /.test(line)) options.log(line.trim());
      },
    });
    if (child.ok) return { ok: true, problem: '' };
    problem = lastError(child.lines) ?? child.ending;
  }
  return { ok: false, problem };
}

function lastError(lines: string[]): string | undefined {
  const errors = lines.filter(line => line.startsWith('ERROR: ') || line.includes('No module named'));
  return errors.at(-1)?.replace(/^ERROR: /, '');
}
