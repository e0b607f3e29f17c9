import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArxivNativeError } from '../../src/errors.js';
import { listRecipes, loadRecipe, recipeNames, traceRecipe } from '../../src/train/recipe.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'recipe-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

function failure(action: () => unknown): ArxivNativeError {
  try {
    action();
  } catch (error) {
    if (error instanceof ArxivNativeError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('the recipes of the package', () => {
  it('are these, and each is complete', () => {
    expect(recipeNames()).toEqual([
      'arxiv',
      'demo',
      'light',
      'v2',
      'v3',
      'v3.5',
      'v3.6',
      'v3.7',
      'v3.8',
      'v4.0',
      'v5.0',
      'v5.1',
    ]);
    for (const name of recipeNames()) expect(loadRecipe(name).description, name).not.toBe('');
  });

  it('translate papers only where the predecessor did', () => {
    const augmented = recipeNames().filter(name => loadRecipe(name).augment !== 'none');
    expect(augmented).toEqual(['v5.0', 'v5.1']);
  });

  // One row a version: head, frozen layers, dropout, learning rate, weight decay, class weights, loss, grouping.
  it.each([
    ['v2', 'concat', 8, [0.5, 0.5, 0.4], 3e-5, 0.05, 'balanced', 'cross-entropy', 'layers'],
    ['v3', 'concat', 4, [0.4, 0.4, 0.32], 5e-5, 0.01, 'balanced', 'cross-entropy', 'layers'],
    ['v3.5', 'concat', 6, [0.45, 0.45, 0.36], 4e-5, 0.02, 'balanced', 'cross-entropy', 'layers'],
    ['v3.6', 'concat', 3, [0.35, 0.35, 0.28], 5e-5, 0.01, { 'cs.AI': 3 }, 'cross-entropy', 'layers'],
    ['v3.7', 'concat', 3, [0.35, 0.35, 0.28], 5e-5, 0.01, { 'cs.AI': 2 }, 'cross-entropy', 'layers'],
    ['v3.8', 'concat', 3, [0.35, 0.35, 0.28], 5e-5, 0.01, { 'cs.AI': 2.3 }, 'cross-entropy', 'layers'],
    ['v4.0', 'concat', 3, [0.35, 0.35, 0.28], 5e-5, 0.01, { 'cs.AI': 2 }, 'focal', 'layers'],
    [
      'v5.0',
      'cross-attention',
      3,
      [0.35, 0.35, 0.28],
      5e-5,
      0.01,
      { 'cs.AI': 2 },
      'cross-entropy',
      'encoder',
    ],
    [
      'v5.1',
      'cross-attention',
      3,
      [0.3, 0.3, 0.24],
      3e-5,
      0.01,
      { 'cs.AI': 1.4 },
      'cross-entropy',
      'encoder',
    ],
    ['light', 'cls', 0, [0.3], 5e-5, 0.01, 'none', 'cross-entropy', 'encoder'],
  ])(
    '%s has the values of its version',
    (name, head, frozen, dropout, rate, decay, weights, loss, grouping) => {
      const recipe = loadRecipe(name);
      expect(recipe).toMatchObject({
        encoder: 'allenai/scibert_scivocab_uncased',
        head,
        frozenLayersOf12: frozen,
        freezeEmbeddings: false,
        dropout,
        learningRate: rate,
        weightDecay: decay,
        loss,
        grouping,
        headLearningRateFactor: 5,
        headWeightDecayFactor: 2,
        labelSmoothing: 0.1,
        focalGamma: 2,
        activation: head === 'cls' ? 'relu' : 'gelu',
        batchSize: 12,
        epochs: 10,
        patience: 3,
        warmup: 0.1,
      });
      expect(recipe.classWeights).toEqual(weights);
      expect(recipe.lengths).toEqual(head === 'cls' ? { joined: 160 } : { title: 32, abstract: 128 });
      expect(recipe.hidden).toEqual(head === 'cls' ? [256] : [512, 256, 128]);
    },
  );
});

describe('a traced recipe', () => {
  it('says what it extends, and which recipe each value comes from', () => {
    const { name, extends: parents, recipe, origins } = traceRecipe('v4.0');
    expect({ name, parents }).toEqual({ name: 'v4.0', parents: ['v3.7', 'v3.6', 'v2'] });
    expect(recipe).toEqual(loadRecipe('v4.0'));
    expect(origins).toMatchObject({ loss: 'v4.0', classWeights: 'v3.7', dropout: 'v3.6', epochs: 'v2' });
    expect(Object.keys(origins).sort()).toEqual(Object.keys(recipe).sort());
  });

  it('may be a file, which names the files that it extends', () => {
    const parent = write('parent.json', { extends: 'v2', epochs: 4 });
    const child = write('child.json', { extends: './parent.json', patience: 1 });
    const { extends: parents, recipe, origins } = traceRecipe(child);
    expect(parents).toEqual([parent, 'v2']);
    expect(recipe).toMatchObject({ epochs: 4, patience: 1 });
    expect(origins).toMatchObject({ patience: child, epochs: parent, head: 'v2' });
  });

  it('is there for every name', () => {
    expect(listRecipes().map(({ name }) => name)).toEqual(recipeNames());
  });
});

describe('a recipe of the user', () => {
  it('extends one of the package, or one beside it', () => {
    write('mine.json', { $schema: './recipe.schema.json', extends: 'v5.0', epochs: 4 });
    const file = write('mine-too.json', { extends: './mine.json', description: 'mine', batchSize: 32 });
    expect(loadRecipe(file)).toEqual({
      ...loadRecipe('v5.0'),
      description: 'mine',
      epochs: 4,
      batchSize: 32,
    });
  });

  it('may be an object', () => {
    expect(loadRecipe({ extends: 'light', epochs: 1 }).epochs).toBe(1);
  });

  it('with an unknown key is refused with the nearest one, the file and the path', () => {
    const file = write('typo.json', { extends: 'v5.0', labelSmooting: 0.2 });
    const error = failure(() => loadRecipe(file));
    expect(error.code).toBe('BAD_OPTION');
    expect(error.message).toBe(`${file}: unknown key "labelSmooting"`);
    expect(error.remedy).toBe('Did you mean "labelSmoothing"?');

    const nested = failure(() =>
      loadRecipe(write('nested.json', { extends: 'v5.0', lengths: { abstrct: 3 } })),
    );
    expect(nested.message).toContain('unknown key "lengths.abstrct"');
    expect(nested.remedy).toBe('Did you mean "abstract"?');
  });

  it.each([
    [{ epochs: 0 }, '"epochs" must be >= 1, not 0'],
    [{ epochs: 1.5 }, '"epochs" must be of type integer, not 1.5'],
    [{ learningRate: 'fast' }, '"learningRate" must be of type number, not "fast"'],
    [{ loss: 'hinge' }, '"loss" must be one of cross-entropy, focal, not "hinge"'],
    [{ dropout: [0.1, 1, 0.1] }, '"dropout.1" must be < 1, not 1'],
    [{ dropout: [0.1] }, '"dropout" has 1 number for the 3 layers of "hidden"'],
    [{ classWeights: 'equal' }, '"classWeights" must be "none", "balanced" or an object'],
    [{ classWeights: { 'cs.AI': -1 } }, '"classWeights.cs.AI" must be > 0, not -1'],
    [{ encoder: { layers: 2 } }, '"encoder" must have "vocabSize"'],
    [{ head: 'cls' }, '"lengths" has abstract and title, but the cls head needs joined'],
    [
      { lengths: { title: 32 } },
      '"lengths" has title, but the cross-attention head needs abstract and title',
    ],
  ])('%j is refused', (keys, message) => {
    const error = failure(() => loadRecipe({ extends: 'v5.0', ...keys } as never));
    expect(error.code).toBe('BAD_OPTION');
    expect(error.message).toContain(message);
  });

  it('that lacks a key is refused by its name', () => {
    const error = failure(() => loadRecipe({ description: 'nothing else' }));
    expect(error.message).toContain('there is no "encoder"');
    expect(error.remedy).toContain('extend a recipe that has it');
  });

  it('that extends itself is refused', () => {
    write('a.json', { extends: './b.json' });
    expect(failure(() => loadRecipe(write('b.json', { extends: './a.json' }))).message).toContain(
      'extends itself',
    );
  });

  it('may begin with a byte order mark, as some editors write', () => {
    expect(loadRecipe(write('marked.json', `\uFEFF${JSON.stringify({ extends: 'demo' })}`))).toEqual(
      loadRecipe('demo'),
    );
  });

  it('that is not JSON is refused with the line', () => {
    const file = write('broken.json', '{\n  "epochs": 3,\n}');
    expect(failure(() => loadRecipe(file)).message).toContain(`${file}:3: not valid JSON`);
  });

  it('that is not an object, or not there, is refused', () => {
    expect(failure(() => loadRecipe(write('list.json', '[1]'))).message).toContain('must be of type object');
    const absent = failure(() => loadRecipe(join(folder, 'absent.json')));
    expect(absent).toMatchObject({ code: 'BAD_OPTION', remedy: expect.stringContaining('v5.0') });
  });

  it('of an unknown name is refused with the nearest one', () => {
    const error = failure(() => loadRecipe('v5'));
    expect(error.message).toBe('there is no recipe "v5"');
    expect(error.remedy).toBe('Did you mean "v5.0"?');
    for (const far of ['something', '{}', '']) {
      expect(failure(() => loadRecipe(far)).remedy).toMatch(/^It can be one of: .*v3\.7/);
    }
  });
});

describe('options beside the recipe', () => {
  it('take the place of its values', () => {
    const recipe = loadRecipe('v5.0', { epochs: 2, learningRate: 1e-4, maxAbstract: 256 });
    expect(recipe).toMatchObject({ epochs: 2, learningRate: 1e-4, lengths: { title: 32, abstract: 256 } });
    expect(recipe.batchSize).toBe(12);
    expect(loadRecipe('light', { maxJoined: 64 }).lengths).toEqual({ joined: 64 });
  });

  it('may say what the recipe leaves out', () => {
    const { encoder: _, ...rest } = loadRecipe('v5.0');
    expect(loadRecipe(rest, { encoder: './mine' }).encoder).toBe('./mine');
    expect(() => loadRecipe(rest)).toThrow('there is no "encoder"');
  });

  it('set class weights', () => {
    expect(loadRecipe('v5.0', { classWeights: 'none' }).classWeights).toBe('none');
    expect(loadRecipe('v5.0', { words: 'tfidf' }).words).toBe('tfidf');
    expect(() => loadRecipe('v5.0', { words: 'all' as never })).toThrow(
      'options: words (--words) must be one of none, tfidf',
    );
    expect(() => loadRecipe('v5.0', { classWeights: 'some' as never })).toThrow(
      'options: classWeights (--class-weights)',
    );
  });

  it('are refused out of range', () => {
    const refused = (overrides: object) => failure(() => loadRecipe('v5.0', overrides)).message;
    expect(refused({ epochs: 0 })).toBe('options: epochs (--epochs) must be >= 1, not 0');
    expect(refused({ learningRate: Number.NaN })).toContain(
      'learningRate (--lr) must be of type number, not NaN',
    );
    expect(refused({ maxTitle: 2 })).toContain('maxTitle (--max-title) must be >= 3, not 2');
    expect(refused({ encoder: '' })).toBe('options: encoder (--encoder) must not be empty, not ""');
  });

  it('are refused where the head has no use for them', () => {
    const error = failure(() => loadRecipe('light', { maxTitle: 16 }));
    expect(error.message).toBe('maxTitle (--max-title) has no meaning for the cls head');
    expect(error.remedy).toBe('Use maxJoined (--max-joined).');
  });
});
