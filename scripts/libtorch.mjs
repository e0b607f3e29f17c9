// For binding.gyp: prints the header folders (`include`) or the linker's arguments (`link`) of the LibTorch that
// `arxiv-native setup` would take from this machine.
import { join } from 'node:path';
import { compile } from './compile.mjs';

if (!compile()) process.exit(1);
const { findLocalLibtorch } = await import('../dist/setup/candidates.js');
const { includeFolders, libraryNames } = await import('../dist/setup/libtorch.js');
const { platformFacts } = await import('../dist/setup/platform.js');

const facts = platformFacts();
const { found } = await findLocalLibtorch({ env: process.env, facts });
if (!found) {
  console.error('No LibTorch was found: run `npx arxiv-native setup`, or set LIBTORCH.');
  process.exit(1);
}
const lib = join(found.folder, 'lib');
const link = [
  `-L${lib}`,
  `-Wl,-rpath,${lib}`,
  ...libraryNames(found.folder, facts.platform).map(name => `-l${name}`),
];
const answer = { include: includeFolders(found.folder), link }[process.argv[2]];
console.log(answer.map(word => JSON.stringify(word)).join(' '));
