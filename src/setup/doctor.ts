import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asArxivNativeError } from '../errors.js';
import type { DeviceInfo } from '../native.js';
import { cacheFolder } from '../util/cache-folder.js';
import { hubFolder } from '../util/hub-folder.js';
import { findCompiler, isUpToDate } from './build.js';
import { type Candidate, localCandidates, unfitChoice } from './candidates.js';
import { readStamp } from './diagnose.js';
import { addonPath, type Environment, findProgram } from './paths.js';
import { platformFacts, requireSupportedPlatform } from './platform.js';
import { run } from './run.js';
import { smokeTest } from './smoke.js';

interface Problem {
  message: string;
  remedy: string | undefined;
}

interface Tool {
  name: string;
  /** Undefined where it is absent. */
  path: string | undefined;
  /** The first line of what it says of itself. */
  version: string | undefined;
}

interface Folder {
  path: string;
  bytes: number;
  entries: { name: string; bytes: number }[];
}

/** All that decides whether the engine works here. */
interface DoctorReport {
  /** The engine runs: train and predict will work. Not with a LIBTORCH that cannot be used, which setup refuses. */
  usable: boolean;
  platform: { os: string; arch: string; node: string; problem: Problem | undefined };
  tools: Tool[];
  libtorch: Candidate[];
  /** What is wrong with the LibTorch that LIBTORCH names. */
  libtorchProblem: Problem | undefined;
  addon: {
    path: string;
    /** What it was built against; undefined if it was never built by `setup`. */
    libtorch: string | undefined;
    version: string | undefined;
    /** False if its sources changed since, or if it was not `setup` that built it. */
    upToDate: boolean;
    problem: Problem | undefined;
  };
  devices: DeviceInfo[];
  cache: Folder;
  hubCache: Folder;
}

/** Examines this machine. Changes nothing, and whatever is broken becomes part of the report. */
export async function examine(env: Environment = process.env): Promise<DoctorReport> {
  const facts = platformFacts();
  const platformProblem = problemOf(() => requireSupportedPlatform(facts));
  const stamp = readStamp();
  const addon = await smokeTest(env).catch(error => asArxivNativeError(error, 'ADDON', 'the native addon'));
  const failed = addon instanceof Error;
  const libtorch: Candidate[] = [];
  const around = { env, facts };
  for await (const candidate of localCandidates(around)) libtorch.push(candidate);
  const unfit = libtorch.map(candidate => unfitChoice(candidate, around)).find(error => error);
  return {
    usable: platformProblem === undefined && !failed && !unfit,
    platform: { os: facts.platform, arch: facts.arch, node: facts.node, problem: platformProblem },
    tools: await findTools(env),
    libtorch,
    libtorchProblem: unfit && { message: unfit.message, remedy: unfit.remedy },
    addon: {
      path: addonPath(),
      libtorch: stamp?.libtorch,
      version: failed ? stamp?.version : addon.libtorchVersion,
      upToDate: !failed && (await isUpToDate()),
      problem: failed ? { message: addon.message, remedy: addon.remedy } : undefined,
    },
    devices: failed ? [] : addon.devices,
    cache: await measure(cacheFolder(env, facts.platform), ['libtorch', 'downloads', 'baselines']),
    hubCache: await measure(hubFolder(env), ['']),
  };
}

function problemOf(check: () => void): Problem | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    const { message, remedy } = asArxivNativeError(error, 'UNSUPPORTED', 'this platform');
    return { message, remedy };
  }
}

async function findTools(env: Environment): Promise<Tool[]> {
  const paths = { 'C++ compiler': findCompiler(env) } as Record<string, string | undefined>;
  for (const name of ['cmake', 'ninja', 'make', 'ccache', 'python3']) paths[name] = findProgram(name, env);
  return await Promise.all(
    Object.entries(paths).map(async ([name, path]) => {
      if (path === undefined) return { name, path, version: undefined };
      const { ok, lines } = await run(path, ['--version'], { env, timeout: 20_000 });
      return { name, path, version: ok ? lines[0] : undefined };
    }),
  );
}

/** The sizes of what lies in these folders of `path`. */
async function measure(path: string, folders: string[]): Promise<Folder> {
  const entries: Folder['entries'] = [];
  for (const folder of folders) {
    for (const name of await readdir(join(path, folder)).catch(() => [])) {
      const relative = join(folder, name);
      entries.push({ name: relative, bytes: await sizeOf(join(path, relative)) });
    }
  }
  return { path, entries, bytes: entries.reduce((sum, entry) => sum + entry.bytes, 0) };
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) return found?.size ?? 0;
  // Links are left out: the Hub's snapshots point at its blobs, which are counted where they lie.
  const files = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = files
    .filter(file => file.isFile())
    .map(file =>
      stat(join(file.parentPath, file.name)).then(
        ({ size }) => size,
        () => 0,
      ),
    );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** The report for a person. */
export function formatReport(report: DoctorReport): string {
  const { platform, addon } = report;
  const lines = [
    'Platform',
    `  ${platform.os} ${platform.arch}, Node ${platform.node}`,
    ...problemLines(platform.problem),
    'Tools',
    ...report.tools.map(
      ({ name, path, version }) => `  ${name}: ${path ? `${path} (${version})` : 'not found'}`,
    ),
    'LibTorch, in order of preference',
    ...report.libtorch.map(formatCandidate),
    ...problemLines(report.libtorchProblem),
    'Addon',
    `  ${addon.path}`,
    ...(addon.libtorch ? [`  built against LibTorch ${addon.version} in ${addon.libtorch}`] : []),
    ...problemLines(addon.problem),
    ...(addon.libtorch && !addon.problem && !addon.upToDate
      ? ['  older than its sources: `npx arxiv-native setup` builds it anew']
      : []),
    'Devices',
    ...report.devices.map(
      ({ name, description, precisions }) => `  ${name}: ${description}: ${precisions.join(', ')}`,
    ),
    ...(report.devices.length === 0 ? ['  unknown until the addon loads'] : []),
    ...formatFolder('Cache', report.cache),
    ...formatFolder('Hub cache', report.hubCache),
    report.usable ? 'Ready to train and predict.' : 'Not usable yet.',
  ];
  return lines.join('\n');
}

function problemLines(problem: Problem | undefined): string[] {
  if (!problem) return [];
  return [`  ${problem.message}`, ...(problem.remedy ? [`  remedy: ${problem.remedy}`] : [])];
}

function formatCandidate({ place, where, libtorch, reason }: Candidate): string {
  const verdict = libtorch ? `fit: ${libtorch.version} (${libtorch.variant})` : `passed over: ${reason}`;
  return `  ${place}: ${where}: ${verdict}`;
}

function formatFolder(title: string, { path, bytes, entries }: Folder): string[] {
  const size = (n: number) => (n < 1e9 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e9).toFixed(2)} GB`);
  return [
    title,
    `  ${path}: ${size(bytes)}`,
    ...entries.map(entry => `    ${entry.name}: ${size(entry.bytes)}`),
  ];
}
