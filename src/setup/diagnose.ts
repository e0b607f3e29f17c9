import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { addonPath, PACKAGE_ROOT } from './paths.js';

/** What the addon was built from and with; lies beside it as build/arxiv_native.json. */
export interface BuildStamp {
  /** The LibTorch it is linked with. */
  libtorch: string;
  version: string;
  variant: string;
  /** Hash of everything that was compiled and of how. */
  sources: string;
  builder: 'cmake-js' | 'node-gyp';
  /** False from the start of a build to its end. */
  complete: boolean;
}

export function stampPath(root: string = PACKAGE_ROOT): string {
  return join(dirname(dirname(addonPath(root))), 'arxiv_native.json');
}

/** The stamp of the last build, undefined where there is none that can be read. */
export function readStamp(root: string = PACKAGE_ROOT): BuildStamp | undefined {
  try {
    return JSON.parse(readFileSync(stampPath(root), 'utf8')) as BuildStamp;
  } catch {
    return undefined;
  }
}

const BUILD = 'Run `npx arxiv-native setup` to build it.';
const REBUILD = 'Run `npx arxiv-native setup --force` to build it anew.';

/** The loader's words on Linux and macOS, and what they mean. `$1` stands for the first group. */
const MEANINGS: [RegExp, string][] = [
  [
    /(lib[\w.+-]+): cannot open shared object file|Library not loaded: \S*?(lib[\w.+-]+)/,
    'the library $1 that it needs is not to be found',
  ],
  [
    /version [`']?(GLIBC\w*_[\d.]+)' not found/,
    'it was built on a newer system than this one ($1 is missing here)',
  ],
  [
    /undefined symbol|[Ss]ymbol not found/,
    'it was built for another version of LibTorch than the one it now finds, or the build was interrupted',
  ],
  [
    /invalid ELF header|wrong ELF class|file too short|not a mach-o file|slice is not valid|truncated/,
    'the file is damaged, or was built for another platform',
  ],
  [
    /incompatible architecture|wrong architecture|cannot open shared object file: Exec format/,
    'it was built for another processor',
  ],
  [
    /did not self-register|different Node\.js version|NODE_MODULE_VERSION/,
    `it was not built for this Node (${process.version})`,
  ],
];

/**
 * Turns what `require` of the addon threw into a message that says what is wrong and how to mend it.
 *
 * @param root the package's folder, whose build/ is meant.
 */
export function diagnose(error: unknown, root: string = PACKAGE_ROOT): ArxivNativeError {
  if (error instanceof ArxivNativeError) return error;
  const file = addonPath(root);
  if (!existsSync(file)) {
    return new ArxivNativeError('ADDON', `the native addon is not built: ${file} does not exist`, {
      remedy: BUILD,
      cause: error,
    });
  }
  const stamp = readStamp(root);
  return new ArxivNativeError('ADDON', `the native addon does not load: ${meaning(error, stamp)}`, {
    remedy: REBUILD,
    cause: error,
  });
}

/**
 * Loading a file that was cut short ends the process (SIGBUS) before the loader can say anything. An ELF file ends
 * with its table of sections, to which its header points. (The loader of macOS looks for itself.)
 *
 * @throws ArxivNativeError ADDON if the addon is not all there.
 */
export function checkAddonFile(root: string = PACKAGE_ROOT): void {
  const header = Buffer.alloc(64);
  let size: number;
  try {
    const file = openSync(addonPath(root), 'r');
    readSync(file, header);
    closeSync(file);
    ({ size } = statSync(addonPath(root)));
  } catch (error) {
    throw diagnose(error, root);
  }
  if (header.toString('latin1', 0, 4) !== '\x7fELF') return;
  const end = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
  if (size < Math.max(end, header.length)) throw diagnose(new Error('file too short'), root);
}

function meaning(error: unknown, stamp: BuildStamp | undefined): string {
  if (stamp && !stamp.complete) return 'its build was interrupted';
  if (stamp && !existsSync(join(stamp.libtorch, 'lib'))) {
    return `the LibTorch ${stamp.version} that it was built with is gone (${stamp.libtorch}), or closed to this user`;
  }
  const message = error instanceof Error ? error.message : String(error);
  for (const [pattern, sentence] of MEANINGS) {
    const match = pattern.exec(message);
    if (match) return sentence.replace('$1', match[1] ?? match[2] ?? '');
  }
  return message.split('\n', 1)[0] ?? message;
}
