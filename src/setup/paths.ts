import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The folder of package.json, with a slash at its end; the same seen from src/setup and from dist/setup. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Where the built addon lies, below the package's folder `root`. */
export function addonPath(root: string = PACKAGE_ROOT): string {
  return join(root, 'build', 'Release', 'arxiv_native.node');
}

/** The first executable of that name on PATH. */
export function findProgram(name: string, env: Environment): string | undefined {
  const folders = (env.PATH ?? '').split(delimiter).filter(folder => folder !== '');
  return folders.map(folder => join(folder, name)).find(file => existsSync(file));
}
