import { describe, expect, it } from 'vitest';
import { loadRecipe, recipeNames } from '../../src/train/recipe.js';
import { cli } from '../support/cli.js';

describe('recipes', () => {
  it('list shows each with its main values, within 80 columns', async () => {
    const { exitCode, stdout, stderr } = await cli(['recipes', 'list']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/^v3\.8 +concat +3\/12 +0\.35 +5e-5 +0\.01 +cs\.AI 2\.3 +cross-entropy$/m);
    expect(stdout).toMatch(/^v4\.0 .* focal 2$/m);
    for (const name of recipeNames()) expect(stdout).toMatch(new RegExp(`^${name}$`, 'm'));
    expect(stdout.split('\n').filter(line => line.length > 80)).toEqual([]);
  });

  it('show fills one in, and says where its values come from', async () => {
    const { stdout } = await cli(['recipes', 'show', 'v3.7']);
    expect(stdout).toContain('extends v3.6, which extends v2');
    expect(stdout).toMatch(/^classWeights +cs\.AI 2 +v3\.7$/m);
    const { stdout: long } = await cli(['recipes', 'show', 'arxiv']);
    expect(long.replaceAll(/\s+/g, ' ')).toContain(loadRecipe('arxiv').description);
    const json = await cli(['recipes', 'show', 'v3.7', '--json']);
    expect(JSON.parse(json.stdout).recipe).toEqual(loadRecipe('v3.7'));
  });

  it.each([
    [['show', 'v5.2'], 'Did you mean "v5.0"?'],
    [['show', 'no-such.json'], 'there is no recipe file'],
    [['shwo'], "unknown command 'shwo'"],
  ])('%j is refused', async (args, message) => {
    const { exitCode, stdout, stderr } = await cli(['recipes', ...args]);
    expect(stderr).toContain(message);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });
});
