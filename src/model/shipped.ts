import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArxivNativeError } from '../errors.js';

/** The encoder that comes with the package, as options and recipes call it. */
export const SHIPPED_ENCODER = 'arxiv-small';
/** The classifier that comes with the package. */
export const SHIPPED_CLASSIFIER = 'arxiv-classifier';
const NAMES: readonly string[] = [SHIPPED_ENCODER, SHIPPED_CLASSIFIER];

const MODELS = fileURLToPath(new URL('../../models/', import.meta.url));

/** What answers where no model is named, whatever lies in the folder that the process runs in. */
export const DEFAULT_MODEL = join(MODELS, SHIPPED_CLASSIFIER);

/** The folder of what the package calls by this name. */
export function shippedFolder(name: string): string | undefined {
  return NAMES.includes(name) ? join(MODELS, name) : undefined;
}

/**
 * What a user means by a name: a model or an encoder of that name that lies here comes before the package's own, and is
 * then called `./name`, so that nobody takes it for that. Names in recipes are the package's.
 */
export function hereFirst(name: string): string {
  return NAMES.includes(name) && existsSync(join(name, 'config.json')) ? `./${name}` : name;
}

/** Whether this folder is one that came with the package: installers may have put a link in between. */
export function isShipped(folder: string): boolean {
  const real = (path: string) => (existsSync(path) ? realpathSync(path) : undefined);
  const place = real(folder);
  return place !== undefined && NAMES.some(name => real(join(MODELS, name)) === place);
}

/**
 * What came with the package is not written to, whatever is forced: the next installation replaces it, and all that
 * name no model are answered by it.
 *
 * @throws ArxivNativeError BAD_OPTION
 */
export function refuseShipped(folder: string, remedy = 'Choose another folder with --out.'): void {
  if (!isShipped(folder)) return;
  throw new ArxivNativeError('BAD_OPTION', `${folder} came with the package, and stays as it is`, { remedy });
}
