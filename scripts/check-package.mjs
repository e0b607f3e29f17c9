// Packs the package, installs the tarball in an empty folder as a user would, and uses it there: the command line, ES
// modules, CommonJS and the types. LibTorch must be at hand (LIBTORCH, the cache, or a Python with torch).
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'arxiv-native-package-'));
const installed = join(folder, 'node_modules', 'arxiv-native');

const ALLOWED = [
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|CMakeLists\.txt|binding\.gyp)$/,
  /^bin\/arxiv-native\.js$/,
  /^dist\/[\w/.-]+\.(js|d\.ts)$/,
  /^native\/\w+\.(cc|h)$/,
  /^recipes\/(encoders\/)?[\w.-]+\.json$/,
  /^models\/arxiv-(small|classifier)\/[\w.-]+\.(md|json|jsonl|safetensors)$/,
  /^examples\/[\w.-]+\.(md|mjs|jsonl)$/,
  /^scripts\/(compile|install|libtorch)\.mjs$/,
];
const REQUIRED = [
  ...['package.json', 'README.md', 'LICENSE', 'CMakeLists.txt', 'binding.gyp', 'bin/arxiv-native.js'],
  ...['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'native/addon.cc', 'recipes/demo.json'],
  ...['models/arxiv-small/model.safetensors', 'models/arxiv-classifier/model.safetensors'],
  ...['examples/papers.jsonl', 'scripts/install.mjs', 'scripts/libtorch.mjs'],
];

try {
  const tarball = pack();
  install(tarball);
  useCommandLine();
  useModules();
  useTypes();
  console.log('\nThe package is complete and works.');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function pack() {
  step('npm pack');
  run('npm', ['run', '--silent', 'compile'], root);
  const [{ filename, files }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root),
  );
  const paths = files.map(file => file.path);
  const unwanted = paths.filter(path => !ALLOWED.some(pattern => pattern.test(path)) || isStale(path));
  const missing = REQUIRED.filter(path => !paths.includes(path));
  if (unwanted.length > 0) fail(`the tarball holds what it should not: ${unwanted.join(', ')}`);
  if (missing.length > 0) fail(`the tarball lacks ${missing.join(', ')}`);
  console.log(`${filename}: ${paths.length} files`);
  return join(folder, filename);
}

/** Compiled from a source that is gone. */
function isStale(path) {
  const source = path.replace(/^dist\//, 'src/').replace(/(\.d\.ts|\.js)$/, '.ts');
  return path.startsWith('dist/') && !existsSync(join(root, source));
}

function install(tarball) {
  step('npm install in an empty folder');
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true }));
  run('npm', ['install', '--no-audit', '--no-fund', tarball], folder);
  const built = existsSync(join(installed, 'build', 'Release', 'arxiv_native.node'));
  console.log(built ? 'The install script built the addon.' : 'The addon is left to setup.');
  cli('setup');
}

function useCommandLine() {
  step('the command line');
  const report = JSON.parse(cli('doctor', '--json'));
  if (!report.usable || report.devices.length === 0) fail('doctor does not find the engine usable');
  const paper = ['--title', 'Image segmentation', '--abstract', 'We segment images.'];
  const { category } = JSON.parse(cli('predict', ...paper, '--json'));
  if (category !== 'cs.CV') fail(`predict answered ${category}`);
  console.log(`predict: ${category}`);
  const data = join(installed, 'examples', 'papers.jsonl');
  cli('train', '--epochs', '1', '--data', data, '--out', 'model');
  const own = JSON.parse(cli('predict', '--model', 'model', ...paper, '--json')).category;
  if (!/^cs\.(AI|CL|CV|LG)$/.test(own)) fail(`the trained model answered ${own}`);
}

function useModules() {
  step('import and require');
  const use = `
    Predictor.load().then(async predictor => {
      const { category } = await predictor.predict({ title: 'Image segmentation', abstract: 'We segment images.' });
      await predictor.dispose();
      console.log(category);
    });`;
  writeFileSync(join(folder, 'use.mjs'), `import { Predictor } from 'arxiv-native';${use}`);
  writeFileSync(join(folder, 'use.cjs'), `const { Predictor } = require('arxiv-native');${use}`);
  for (const file of ['use.mjs', 'use.cjs'])
    console.log(`${file}: ${run(process.execPath, [file], folder).trim()}`);
}

function useTypes() {
  step('types');
  writeFileSync(
    join(folder, 'use.mts'),
    `import { Predictor, train } from 'arxiv-native';
const predictor: Predictor = await Predictor.load('model', { device: 'cpu' });
const prediction = await predictor.predict({ title: '', abstract: '' });
export const category: string = prediction.category;
export const training: typeof train = train;
// @ts-expect-error: types that were any would let this pass
export const wrong: number = prediction.category;
`,
  );
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
  const typeRoots = ['--typeRoots', join(root, 'node_modules', '@types')];
  run(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), ...options, ...typeRoots, 'use.mts'],
    folder,
  );
}

function cli(...args) {
  return run('npx', ['--no-install', 'arxiv-native', ...args], folder);
}

function step(name) {
  console.log(`\n> ${name}`);
}

/** What the program printed. On failure all it printed is shown, and the check ends. */
function run(command, args, cwd) {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    fail(`${[command, ...args].join(' ')} failed:\n${error.stdout ?? ''}${error.stderr ?? error.message}`);
  }
}

function fail(message) {
  rmSync(folder, { recursive: true, force: true });
  console.error(`check-package: ${message}`);
  process.exit(1);
}
