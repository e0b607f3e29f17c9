import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArxivNativeError } from '../../errors.js';

const GLOBAL_PACKAGES = join(process.execPath, '../../lib/node_modules/');
const IS_GLOBAL = fileURLToPath(import.meta.url).startsWith(GLOBAL_PACKAGES);

/** Without the variable its installation wants files of CUDA, from a host of its own. */
export const INSTALL = `ONNXRUNTIME_NODE_INSTALL=skip npm install ${IS_GLOBAL ? '--global ' : ''}onnxruntime-node@1.26.0`;

/** Some versions report their use by default. */
export const RUNTIME_ENVIRONMENT = { ORT_DISABLE_TELEMETRY: '1' };

/**
 * Makes sure that onnxruntime-node, an optional peer, is installed. Nothing of it is loaded here.
 *
 * @returns its version
 * @throws ArxivNativeError TRANSLATOR with the command to run
 */
export function requireRuntime(
  resolve: (name: string) => { version: string } = createRequire(import.meta.url),
): string {
  try {
    return resolve('onnxruntime-node/package.json').version;
  } catch (cause) {
    throw new ArxivNativeError('TRANSLATOR', 'opus-mt needs onnxruntime-node, which is not installed', {
      remedy: `Run: ${INSTALL}`,
      cause,
    });
  }
}
