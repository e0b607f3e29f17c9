// What experiments share: long runs of the built CLI, several at once, each kept so that the same command goes on.
import { spawn } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../bin/arxiv-native.js', import.meta.url));

/**
 * Standard output of the CLI. What it says of its progress is shown or, with `quiet`, kept for the message of a failure.
 */
export async function cli(args, { quiet = false } = {}) {
  const child = spawn(process.execPath, [launcher, ...args], {
    stdio: ['ignore', 'pipe', quiet ? 'pipe' : 'inherit'],
  });
  let output = '';
  let said = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    output += text;
  });
  child.stderr?.setEncoding('utf8').on('data', text => {
    said = (said + text).slice(-2000);
  });
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`arxiv-native ${args[0]} ended with ${code}${said && `: ${said}`}`);
  return output;
}

/**
 * Makes all runs, so many at once. After a failure, which is printed, those that are under way still end, and no other
 * begins.
 *
 * @returns whether none failed
 */
export async function makeAll(runs, parallel, make) {
  if (!(Number.isSafeInteger(parallel) && parallel > 0))
    throw new Error('--parallel must be a whole number above 0');
  const waiting = [...runs];
  let failed = false;
  const work = async () => {
    for (let run = waiting.shift(); run !== undefined && !failed; run = waiting.shift()) {
      try {
        await make(run);
      } catch (error) {
        failed = true;
        console.error(error.message);
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return !failed;
}

/** Writes a file that is complete or absent. */
export function keep(file, content) {
  writeFileSync(`${file}.part`, content);
  renameSync(`${file}.part`, file);
}

/** A name for a file. */
export function slug(...names) {
  return names.join('-').replaceAll(/[^\w.]+/g, '-');
}
