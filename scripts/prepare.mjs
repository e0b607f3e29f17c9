// What a fresh clone lacks before anything can run in it. Node's own modules only: node_modules may not be there.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs a program in the package's folder, its output shown. A failure ends this process with the same status. */
export function run(command, ...args) {
  start(command, args, 'inherit');
}

/** As `run`, but what it writes on standard output is returned. */
export function capture(command, ...args) {
  return start(command, args, ['inherit', 'pipe', 'inherit']).stdout;
}

function start(command, args, stdio) {
  console.log(`\n> ${[command === process.execPath ? 'node' : command, ...args].join(' ')}`);
  const result = spawnSync(command, args, { cwd: root, stdio, encoding: 'utf8' });
  if (result.error) console.error(`${command}: ${result.error.message}`);
  if (result.status !== 0) process.exit(result.status ?? 1);
  return result;
}

/** Dependencies as package-lock.json has them. */
export function installDependencies() {
  if (!isInstalled()) run('npm', 'ci', '--no-audit', '--no-fund');
}

/** dist/ of the present sources, LibTorch, and the addon built against it. */
export function buildEverything() {
  run('npm', 'run', '--silent', 'compile');
  run(process.execPath, 'bin/arxiv-native.js', 'setup');
}

/** Whether what npm noted down in node_modules is what the lock asks for; optional packages may be absent. */
function isInstalled() {
  const wanted = readPackages('package-lock.json');
  const present = readPackages('node_modules/.package-lock.json');
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === '' || (optional && !(path in present))) return true;
    return present[path]?.version === version;
  });
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(`${root}/${file}`, 'utf8')).packages;
  } catch {
    return {};
  }
}
