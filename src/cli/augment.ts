import { type Command, Option } from 'commander';
import type { AugmentEvent, AugmentOptions } from '../augment/augment.js';
import { TRANSLATOR_NAMES } from '../augment/options.js';
import { list, number, positiveInteger, wholeNumber } from './arguments.js';
import { augmentPlanText, augmentSummaryText, waitingText } from './augment-text.js';
import { interruptible } from './interrupt.js';

type AugmentFlags = Omit<AugmentOptions, 'data'> & { json?: boolean };

const EXAMPLES = `
Examples:
  $ arxiv-native augment data --category cs.AI --samples 450
  $ arxiv-native augment data --category cs.AI --samples 450 --pivot es,pt      two copies of each paper
  $ arxiv-native augment data --category cs.AI --samples 450 --model-dir models --pivot pt
                                             (models/en-pt and models/pt-en hold Firefox Translations models)
  $ arxiv-native augment data --category cs.AI --samples 450 --translator apertium
  $ arxiv-native train --data data --augment     (v5.0 and v5.1 take the copies without it)

Abstracts go into the other language and back, sentence by sentence; formulas, LaTeX commands, web and mail addresses
come through as they are. A copy that is empty, identical, cut or far too long, as a whole or in a sentence, is dropped and counted. Only training
papers are copied; the splits stay as they are, and the copies lie beside them in augmented.jsonl, which train takes
where the recipe asks for copies, or with --augment. Translations are kept in the cache: after a kill the same command
goes on.`;

export function register(program: Command): void {
  program
    .command('augment')
    .description('make copies of a weak class by translating its abstracts there and back')
    .argument('<dataset>', 'a folder of splits, as prepare writes it')
    .requiredOption('--category <label>', 'the class whose training papers are copied')
    .requiredOption('--samples <n>', 'how many of its papers', positiveInteger)
    .addOption(
      new Option('--translator <name>', 'what translates').choices(TRANSLATOR_NAMES).default('bergamot'),
    )
    .option('--label-column <name>', 'the field that holds the label, of splits that were not prepared')
    .option('--pivot <languages>', 'to go through, with commas between: a copy each (default: es)', list)
    .option(
      '--model-dir <folder>',
      'models of your own: in it a folder for each direction, as en-es and es-en',
    )
    .option('--threads <n>', 'cores to use (default: all)', positiveInteger)
    .option(
      '--whole',
      'each abstract in one pass, as the predecessor did, not sentence by sentence; not with bergamot',
    )
    .option('--beams <n>', 'hypotheses of the search, for a translator that searches', positiveInteger)
    .option('--temperature <t>', 'sample at this temperature instead, for a translator that can', number)
    .option('--seed <n>', 'decides which papers are drawn (default: 42)', wholeNumber)
    .option('--offline', 'use only what was downloaded before')
    .option('--force', 'replace the copies that are there')
    .option('--json', 'one JSON document on standard output and nothing else there; errors too')
    .addHelpText('after', EXAMPLES)
    .action((data: string, flags: AugmentFlags) => interruptible(signal => run(data, flags, signal)));
}

async function run(
  data: string,
  { json = false, ...flags }: AugmentFlags,
  signal: AbortSignal,
): Promise<void> {
  const { augment } = await import('../augment/augment.js');
  const { Stages } = await import('../util/progress.js');
  const stages = new Stages();
  const onProgress = (event: AugmentEvent) => {
    if (event.type === 'augment') stages.note(augmentPlanText(event.plan));
    else if (event.type === 'reading')
      stages.show(`reading ${event.source}`, 'bytes', event.received, event.total);
    else if (event.type === 'waiting') stages.note(waitingText(event.folder));
    else if (event.type === 'download') stages.show(event.file, 'bytes', event.received, event.total);
    else {
      const { from, to, words, ofWords, papers, ofPapers } = event;
      stages.show(`${from} to ${to}`, 'words', words, ofWords, `${papers}/${ofPapers} papers`);
    }
  };
  const result = await augment({ data, ...flags }, { signal, onProgress }).finally(() => stages.stop());
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${augmentSummaryText(result)}\n`);
}
