import type { Command } from 'commander';
import type { Recipe, TracedRecipe } from '../train/recipe.js';
import { printable, printableWhole } from '../util/format.js';
import { indent, table, WIDTH, wrap } from './table.js';

const EXAMPLES = `
Examples:
  $ arxiv-native recipes list
  $ arxiv-native recipes show v4.0                 every value, and which recipe it comes from
  $ arxiv-native recipes show my-recipe.json --json

A recipe of your own is a JSON file such as {"extends": "v5.0", "epochs": 4}; train --recipe takes its path. Frozen layers
are of 12: of an encoder with another depth the same share is frozen, rounded to whole layers.`;

export function register(program: Command): void {
  const command = program
    .command('recipes')
    .description('show the recipes that train knows')
    .addHelpText('after', EXAMPLES)
    .helpCommand(false);
  const json = ['--json', 'one JSON document on standard output and nothing else there; errors too'] as const;
  command
    .command('list')
    .description('the recipes that come with the package, and their main values')
    .option(...json)
    .addHelpText('after', EXAMPLES)
    .action(async (flags: { json?: boolean }) => {
      const { listRecipes } = await import('../train/recipe.js');
      print(listRecipes(), flags, listText);
    });
  command
    .command('show')
    .description('one recipe with all that it extends filled in')
    .argument('<recipe>', 'a name, or the path of a JSON file')
    .option(...json)
    .addHelpText('after', EXAMPLES)
    .action(async (recipe: string, flags: { json?: boolean }) => {
      const { traceRecipe } = await import('../train/recipe.js');
      print(traceRecipe(recipe), flags, recipeText);
    });
}

function print<T>(result: T, { json = false }: { json?: boolean }, text: (result: T) => string): void {
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : text(result));
}

function listText(recipes: readonly TracedRecipe[]): string {
  const values = table([
    ['', 'head', 'frozen', 'dropout', 'rate', 'decay', 'weights', 'loss'],
    ...recipes.map(({ name, recipe }) => [
      name,
      recipe.head,
      `${recipe.frozenLayersOf12}/12`,
      String(recipe.dropout[0]),
      rate(recipe.learningRate),
      String(recipe.weightDecay),
      weightsText(recipe.classWeights),
      recipe.loss === 'focal' ? `focal ${recipe.focalGamma}` : recipe.loss,
    ]),
  ]);
  const about = recipes.map(({ name, extends: parents, recipe }) => {
    const extending = parents.length > 0 ? ` Extends ${parents[0]}.` : '';
    return `${name}\n${indent(wrap(`${recipe.description}${extending}`, WIDTH - 2))}`;
  });
  return `${[values, '', ...about].join('\n')}\n`;
}

function recipeText({ name, file, extends: parents, recipe, origins }: TracedRecipe): string {
  const { description, ...values } = recipe;
  const rows = Object.entries(values).map(([key, value]) => [
    key,
    printableWhole(valueText(key, value)),
    printable(origins[key as keyof Recipe]),
  ]);
  return `${[
    printable(name),
    indent(wrap(printableWhole(description), WIDTH - 2)),
    indent(printable(file)),
    ...(parents.length > 0
      ? [indent(wrap(`extends ${parents.map(printable).join(', which extends ')}`, WIDTH - 2))]
      : []),
    '',
    table([['', 'value', 'from'], ...rows]),
  ].join('\n')}\n`;
}

function valueText(key: string, value: Recipe[keyof Recipe]): string {
  if (key === 'learningRate') return rate(value as number);
  if (Array.isArray(value)) return value.join(', ');
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map(([name, each]) => `${name} ${each}`)
    .join(', ');
}

function weightsText(weights: Recipe['classWeights']): string {
  return printable(valueText('classWeights', weights));
}

/** 0.00005 → 5e-5. */
function rate(value: number): string {
  return value.toExponential();
}
