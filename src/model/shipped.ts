import { existsSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The encoder that comes with the package, as options and recipes call it. */
export const SHIPPED_ENCODER = 'arxiv-small';
/** The classifier that comes with the package. */
export const SHIPPED_CLASSIFIER = 'arxiv-classifier';
const NAMES: readonly string[] = [SHIPPED_ENCODER, SHIPPED_CLASSIFIER];

const MODELS = fileURLToPath(new URL('../../models/', import.meta.url));

/** What answers where no model is named, whatever lies in the folder that the process runs in. */
export const DEFAULT_MODEL = join(MODELS, SHIPPED_CLASSIFIER);

/** The folder of what the package calls by this name; undefined where a folder of that name lies here, which comes first. */
export function shippedFolder(name: string): string | undefined {
  return NAMES.includes(name) && !isFolder(name) ? join(MODELS, name) : undefined;
}

/** Whether this folder, which exists, is one that came with the package: installers may have put a link in between. */
export function isShipped(folder: string): boolean {
  return NAMES.map(name => join(MODELS, name)).some(
    own => existsSync(own) && realpathSync(own) === realpathSync(folder),
  );
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
