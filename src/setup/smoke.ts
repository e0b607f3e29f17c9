import { ArxivNativeError } from '../errors.js';
import type { DeviceInfo } from '../native.js';
import { checkAddonFile, diagnose } from './diagnose.js';
import { addonPath, type Environment, PACKAGE_ROOT } from './paths.js';
import { run } from './run.js';

const TIMEOUT_MS = 120_000;

/** What a working addon says of itself. */
export interface AddonReport {
  libtorchVersion: string;
  builtWith: string;
  devices: DeviceInfo[];
}

/**
 * Loads the addon in a child process and asks it for its devices, so that a crash stays there.
 *
 * @throws ArxivNativeError ADDON with a diagnosis.
 */
export async function smokeTest(env: Environment, root: string = PACKAGE_ROOT): Promise<AddonReport> {
  const file = addonPath(root);
  checkAddonFile(root);
  const script = `
    const { writeSync } = require('node:fs');
    const answer = value => writeSync(1, '\\n' + JSON.stringify(value));
    try {
      const addon = require(${JSON.stringify(file)});
      const { libtorchVersion, builtWith } = addon;
      answer({ report: { libtorchVersion, builtWith, devices: addon.devices() } });
    } catch (error) {
      answer({ failure: String(error && error.message) });
    }`;
  const child = await run(process.execPath, ['--input-type=commonjs', '-e', script], {
    env,
    timeout: TIMEOUT_MS,
  });
  const answer = parseLastLine(child.stdout);
  if (answer?.failure !== undefined) throw diagnose(new Error(answer.failure), root);
  if (!child.ok || answer?.report === undefined) {
    throw new ArxivNativeError('ADDON', `the native addon crashes when it is loaded (${child.ending})`, {
      remedy: 'Run `npx arxiv-native setup --force` to build it anew.',
      cause: child.stderr,
    });
  }
  return answer.report;
}

function parseLastLine(text: string): { report?: AddonReport; failure?: string } | undefined {
  try {
    return JSON.parse(text.trimEnd().split('\n').at(-1) ?? '');
  } catch {
    return undefined;
  }
}
