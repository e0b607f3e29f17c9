import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** In a clone: TypeScript to dist/, true if it succeeds. The package that npm installs has dist/ and no sources. */
export function compile() {
  if (!existsSync(`${root}/src`)) return true;
  const tsc = `${root}/node_modules/typescript/bin/tsc`;
  return (
    spawnSync(process.execPath, [tsc, '-p', `${root}/tsconfig.build.json`], { stdio: [0, 2, 2] }).status === 0
  );
}
