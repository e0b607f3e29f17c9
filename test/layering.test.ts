import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const LINE = ['data', 'text', 'model', 'evaluate', 'augment', 'train', 'serve'];

/** What a place in src/ may import from src/ besides itself. */
function allowed(place: string): string[] {
  const shared = ['native.ts', 'errors.ts', 'util'];
  if (LINE.includes(place)) return [...LINE.slice(0, LINE.indexOf(place)), 'engine.ts', ...shared];
  switch (place) {
    case 'cli':
    case 'index.ts':
      return [...LINE, 'setup', 'engine.ts', ...shared];
    case 'setup':
      return shared;
    case 'util':
      return ['errors.ts', 'util'];
    case 'engine.ts':
      return ['setup', ...shared];
    case 'native.ts':
      return ['errors.ts'];
    case 'errors.ts':
      return [];
    default:
      throw new Error(`src/${place} has no place in the house: give it one here and in ARCHITECTURE.md`);
  }
}

function files(folder: string, extensions: RegExp): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile() && extensions.test(entry.name))
    .map(entry => relative(root, join(entry.parentPath, entry.name)));
}

/** The relative modules that a file imports, statically or not, as paths from the root. */
function imports(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8');
  return [...source.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g)].map(match =>
    relative(root, resolve(root, dirname(file), match[1]!)).replace(/\.js$/, '.ts'),
  );
}

/** `src/text/pack.ts` is in `text`, `src/errors.ts` in `errors.ts`. */
function place(file: string): string {
  return file.split('/')[1]!;
}

describe('the house', () => {
  const sources = files('src', /\.ts$/);

  it('finds the imports it judges', () => {
    expect(imports('src/serve/predictor.ts')).toContain('src/text/pack.ts');
    expect(imports('src/cli/predict.ts')).toContain('src/serve/predictor.ts');
  });

  it.each(sources)('%s imports only what stands before it', file => {
    const forbidden = imports(file).filter(
      target =>
        !target.startsWith('src/') ||
        (place(target) !== place(file) && !allowed(place(file)).includes(place(target))),
    );
    expect(forbidden).toEqual([]);
  });

  it('keeps the command line out of everything else', () => {
    const importers = sources.filter(
      file => place(file) !== 'cli' && imports(file).some(to => place(to) === 'cli'),
    );
    expect(importers).toEqual([]);
  });

  it.each([...sources, ...files('native', /\.(cc|h)$/), ...files('scripts', /\.(mjs|js|ts)$/)])(
    '%s can be read in a sitting',
    file => {
      expect(readFileSync(join(root, file), 'utf8').split('\n').length).toBeLessThanOrEqual(401);
    },
  );
});
