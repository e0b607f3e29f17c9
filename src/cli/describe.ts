import { join } from 'node:path';
import type { Command } from 'commander';
import { SPLITS } from '../data/paper.js';
import { RECORD } from '../data/prepared-folder.js';
import { DEFAULT_RECIPE } from '../train/default-recipe.js';
import type { RecipeOverrides } from '../train/recipe.js';
import { wholeNumber } from './arguments.js';
import { describeText } from './describe-text.js';
import { interruptible } from './interrupt.js';

interface DescribeFlags extends Pick<RecipeOverrides, 'maxTitle' | 'maxAbstract' | 'maxJoined'> {
  recipe: string;
  labelColumn?: string;
  encoder?: string;
  revision?: string;
  seed?: number;
  examples?: number;
  html?: string;
  force?: boolean;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  $ arxiv-native describe data/                       what prepare wrote, as tables
  $ arxiv-native describe data/ --html data.html      and as a page with charts
  $ arxiv-native describe papers.jsonl.gz --encoder allenai/scibert_scivocab_uncased
  $ arxiv-native describe data/ --encoder ./minilm --max-abstract 256 --json

Tokens, and what truncation at the recipe's lengths cuts, are counted by the tokenizer of --encoder (nothing else
of it is fetched), otherwise by that of the recipe's encoder if it is on this machine.`;

export function register(program: Command): void {
  program
    .command('describe')
    .description('say what is in a data set: classes, lengths, truncation, overlap, dates, faults')
    .argument(
      '<data>',
      'a folder that prepare wrote, or a file of labelled papers (.jsonl or .csv; .gz or .zip of either; - for standard input)',
    )
    .option('--label-column <name>', 'the field that holds the label, if it is not the category')
    .option('--encoder <encoder>', 'whose tokenizer counts: a folder, a Hugging Face Hub id, or arxiv-small')
    .option('--revision <revision>', 'of an encoder on the Hub: a branch, tag or commit')
    .option(
      '--recipe <recipe>',
      'whose lengths cut: a recipe by name, or the path of a JSON file',
      DEFAULT_RECIPE,
    )
    .option('--max-title <tokens>', 'longest title, whatever the recipe says', wholeNumber)
    .option('--max-abstract <tokens>', 'longest abstract', wholeNumber)
    .option('--max-joined <tokens>', 'longest title and abstract together (heads cls and mean)', wholeNumber)
    .option(
      '--seed <n>',
      'decides the split of a bare file, and which examples are shown (default: 42)',
      wholeNumber,
    )
    .option('--examples <n>', 'papers of each class to show (default: 2)', wholeNumber)
    .option('--html <file>', 'write a page with charts, which opens offline')
    .option('--force', 'replace the page if it exists')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too')
    .addHelpText('after', EXAMPLES)
    .action((data: string, flags: DescribeFlags) => interruptible(signal => run(data, flags, signal)));
}

async function run(data: string, flags: DescribeFlags, signal: AbortSignal): Promise<void> {
  const { describe } = await import('../evaluate/describe.js');
  const { loadRecipe } = await import('../train/recipe.js');
  const { checkOutput, writeLines } = await import('../util/output.js');
  const { Stages } = await import('../util/progress.js');
  const { recipe: from, maxTitle, maxAbstract, maxJoined, html, force = false, json, ...options } = flags;
  const recipe = loadRecipe(from, { maxTitle, maxAbstract, maxJoined });
  if (html !== undefined) await checkOutput(html, { force, inputs: [data, ...partsOf(data)] });
  const stages = new Stages();
  const description = await describe(
    {
      ...options,
      data,
      lengths: recipe.lengths,
      ...(options.encoder === undefined && typeof recipe.encoder === 'string'
        ? { encoder: recipe.encoder, ifCached: true }
        : {}),
    },
    {
      signal,
      onProgress: event => {
        if (event.type === 'counting') stages.show('counting', 'papers', event.done, event.total);
        else {
          const title = event.type === 'reading' ? `reading ${event.source}` : event.file;
          stages.show(title, 'bytes', event.received, event.total);
        }
      },
    },
  ).finally(() => stages.stop());
  if (html !== undefined) {
    const { describePage } = await import('../evaluate/describe-page.js');
    await writeLines(html, [await describePage(description)], { force, signal });
  }
  process.stdout.write(json ? `${JSON.stringify(description)}\n` : describeText(description));
  if (html !== undefined) process.stderr.write(`page: ${html}\n`);
}

/** The files of a data folder. */
function partsOf(data: string): string[] {
  return [...SPLITS.map(part => join(data, `${part}.jsonl`)), join(data, RECORD)];
}
