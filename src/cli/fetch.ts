import { type Command, Option } from 'commander';
import type { FetchProgress, FetchSummary } from '../data/arxiv/fetch.js';
import type { FetchOptions } from '../data/arxiv/options.js';
import { counted, grouped } from '../util/format.js';
import { list, number, positiveInteger } from './arguments.js';
import { interruptible } from './interrupt.js';
import { table } from './table.js';

interface FetchFlags extends Omit<FetchOptions, 'categories'> {
  categories: string[];
  json?: boolean;
}

const EXAMPLES = `
Examples:
  $ arxiv-native fetch --categories cs.AI,cs.CL,cs.CV,cs.LG --per-category 3000 --output papers.jsonl
  $ arxiv-native fetch --categories math.CO --from 2025-01-01 --to 2025-12-31 --output combinatorics.jsonl
  $ arxiv-native fetch --categories cs.LG,stat.ML --per-category 100000 --from 2020-01-01 --via oai --output ml.jsonl

The newest papers of each category, by the time of their first submission (GMT), go to a file of JSON lines. Papers that
were cross-listed to a category in the same time come along and are kept. An output named .gz is packed.

What arrives is kept beside the output (.papers.jsonl.fetch): after Ctrl-C, a kill or a failure the same command goes on
from there, with another --page-size too, which helps where one page fails again and again. arXiv is asked for one
page every three seconds, as its terms of use want it; ARXIV_API_ENDPOINT and ARXIV_OAI_ENDPOINT name mirrors, which
--pause may ask faster.`;

export function register(program: Command): void {
  program
    .command('fetch')
    .description("get papers from arXiv's API or its OAI-PMH interface")
    .requiredOption('--categories <list>', 'with commas between them, e.g. cs.AI,cs.CL', list)
    .option('--per-category <n>', 'the newest n papers of each (default: 3000)', positiveInteger)
    .option('--from <day>', 'submitted on that day or later, e.g. 2025-06-30')
    .option('--to <day>', 'submitted on that day or before (default: now)')
    .addOption(
      new Option(
        '--count <which>',
        'papers whose primary category it is, or any that carry it (default: primary)',
      ).choices(['primary', 'any']),
    )
    .addOption(
      new Option(
        '--via <service>',
        'api pages through the newest first; oai harvests all since --from, which suits whole years (default: api)',
      ).choices(['api', 'oai']),
    )
    .requiredOption('--output <file>', 'the JSON lines to write')
    .option('--force', 'replace the output file if it exists')
    .option('--page-size <n>', 'papers a request of the API, at most 2000 (default: 1000)', positiveInteger)
    .option('--pause <seconds>', 'between an answer and the next request (default: 3)', number)
    .option('--json', 'one JSON document on standard output and nothing else there; errors too')
    .addHelpText('after', EXAMPLES)
    .action((flags: FetchFlags) => interruptible(signal => runFetch(flags, signal)));
}

async function runFetch({ json = false, ...options }: FetchFlags, signal: AbortSignal): Promise<void> {
  const { fetchPapers } = await import('../data/arxiv/fetch.js');
  const { Stages } = await import('../util/progress.js');
  const stages = new Stages();
  const show = ({ category, papers, wanted, records, listSize }: FetchProgress) => {
    if (options.via === 'oai') stages.show(category, 'records', records, listSize ?? 0);
    else stages.show(category, 'papers', papers, wanted);
  };
  const result = await fetchPapers(options, {
    signal,
    onProgress: show,
    onNote: line => stages.note(line),
  }).finally(() => stages.stop());
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : summary(result));
}

function summary({
  output,
  papers,
  categories,
  requests,
  retries,
  duplicates,
  seconds,
}: FetchSummary): string {
  return [
    table([
      ['', 'papers', 'others'],
      ...categories.map(each => [each.category, grouped(each.papers), grouped(each.others)]),
    ]),
    `${counted(requests, 'request')}, ${retries} of them again; ${counted(duplicates, 'duplicate')}; ${seconds} s`,
    `Saved: ${output} (${grouped(papers)} papers)`,
    '',
  ].join('\n');
}
