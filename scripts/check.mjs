// npm run check: types, lint and format of all that is written by hand.
import { readdirSync } from 'node:fs';
import { run } from './prepare.mjs';

run('npx', 'tsc', '-p', 'tsconfig.json');
run('npx', 'biome', 'check', '--error-on-warnings');
if (process.platform === 'linux' && process.arch !== 'x64') {
  console.log(
    '\nclang-format comes without a build for this processor: the format of native/ is not checked here.',
  );
} else {
  const native = readdirSync('native').filter(name => /\.(cc|h)$/.test(name));
  run(
    'npx',
    'clang-format',
    '--dry-run',
    '-Werror',
    ...native.map(name => `native/${name}`),
    'bench/kernels.cc',
  );
}
