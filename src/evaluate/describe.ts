import { setImmediate } from 'node:timers/promises';
import { type Example, loadDataset } from '../data/dataset.js';
import type { Leaks } from '../data/leaks.js';
import { SPLITS, type Split } from '../data/paper.js';
import type { DatasetCounts } from '../data/prepare.js';
import type { PrepareRule } from '../data/prepare-options.js';
import type { ReadProgress } from '../data/rows.js';
import { ArxivNativeError } from '../errors.js';
import { openEncoderTokenizer } from '../model/encoder.js';
import { hereFirst } from '../model/shipped.js';
import type { Lengths } from '../text/pack.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { throwIfCancelled } from '../util/cancel.js';
import { checkOptions, checkWhole } from '../util/options.js';
import { DEFAULT_SEED, seededRandom, shuffle } from '../util/random.js';
import {
  type Dates,
  dates,
  missing,
  type Overlap,
  overlap,
  type SamplePaper,
  samplePapers,
} from './describe-papers.js';
import { type DistinctiveWord, distinctiveWords } from './distinctive-words.js';
import { type Distribution, distribution } from './distribution.js';
import { type Truncation, truncation } from './truncation.js';

export interface DescribeOptions {
  /** A prepared folder, or a file of labelled papers. */
  data: string;
  /** The field that holds the label, where `data` was not prepared before; the first category if absent. */
  labelColumn?: string | undefined;
  /** Decides the split of a bare file, and which papers are shown. 42 if absent. */
  seed?: number | undefined;
  /** Most tokens a sequence, as a recipe says: what they cut off is counted. */
  lengths: Lengths;
  /** A folder with a tokenizer, or an id of the Hub. Without one, no tokens are counted. */
  encoder?: string | undefined;
  /** Of an encoder on the Hub: a branch, tag or commit. */
  revision?: string | undefined;
  /** The encoder is what a recipe names: count tokens only if it is on this machine, instead of fetching its tokenizer. */
  ifCached?: boolean | undefined;
  /** Papers a class that are shown. 2 if absent. */
  examples?: number | undefined;
}

export interface DescribeHooks {
  onProgress?: ((event: DescribeEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export type DescribeEvent =
  | ({ type: 'reading' } & ReadProgress)
  | { type: 'download'; file: string; received: number; total: number }
  | { type: 'counting'; done: number; total: number };

/** The lengths of all titles and abstracts in one unit. */
export interface TextLengths {
  title: Distribution;
  abstract: Distribution;
}

/** Lengths in tokens of one encoder, [CLS] and [SEP] included. */
export interface TokenLengths extends TextLengths {
  encoder: string;
  /** The Hub's commit. Absent for a folder. */
  revision?: string;
  truncation: Truncation[];
}

/** What is in a data set. Where figures go by class, they are in the order of `labels`. */
export interface Description {
  source: string;
  /** That decided the split; absent where a folder that was not prepared gave it. */
  seed?: number;
  fingerprint: string;
  labels: string[];
  papers: Record<Split, number> & { total: number };
  /** How the papers were labelled and split. */
  rule: PrepareRule;
  /** Papers of each part by class, and what was left out before. */
  counts: DatasetCounts;
  leaks: Leaks;
  /** Papers that lack a field. */
  missing: Record<string, number>;
  /** Words are parted by spaces. */
  words: TextLengths;
  /** Absent if no encoder's tokenizer could be had; `tokensOmitted` then says why. */
  tokens?: TokenLengths;
  tokensOmitted?: string;
  overlap: Overlap;
  dates: Dates;
  /** By class, from at most 20,000 of the training papers. */
  distinctiveWords: DistinctiveWord[][];
  /** By class, from the training papers. */
  examples: SamplePaper[][];
}

const DEFAULT_EXAMPLES = 2;
const WORDS_A_CLASS = 10;
/** More would change the most distinctive words little, and cost time and memory. */
const PAPERS_FOR_WORDS = 20_000;
/** Between two looks at the signal: some ten milliseconds' work. */
const PAPERS_AT_ONCE = 200;

/**
 * Counts what is in a data set, as training would read it: a bare file with the same seed.
 *
 * @throws ArxivNativeError BAD_OPTION, BAD_INPUT (as loadDataset does), BAD_MODEL and NETWORK (as openEncoderTokenizer
 * does, unless `ifCached`), IO, CANCELLED
 */
export async function describe(options: DescribeOptions, hooks: DescribeHooks = {}): Promise<Description> {
  checkDescribeOptions(options);
  const { data, labelColumn, lengths, seed = DEFAULT_SEED, examples: shown = DEFAULT_EXAMPLES } = options;
  const { signal, onProgress } = hooks;
  // Before the papers, which may be many: a misspelt encoder is known at once.
  const encoder = await openTokenizer(options, hooks);
  const dataset = await loadDataset(
    data,
    { seed, labelColumn },
    { signal, onProgress: progress => onProgress?.({ type: 'reading', ...progress }) },
  );
  const { labels, train, validation, test, fingerprint, rule, counts, leaks } = dataset;
  const all = SPLITS.flatMap(part => dataset[part]);
  const lists = await countLengths(all, encoder, lengths, hooks);
  const classOf = Uint32Array.from(all, ({ label }) => label);
  const cutOf = (text: Truncation['text'], limit: number, tokens: Uint32Array) =>
    truncation(text, limit, tokens, classOf, labels.length);
  throwIfCancelled(signal, 'describing');
  return {
    source: data,
    ...(dataset.seed !== undefined && { seed: dataset.seed }),
    fingerprint,
    labels,
    papers: {
      train: train.length,
      validation: validation.length,
      test: test.length,
      total: all.length,
    },
    rule,
    counts,
    leaks,
    missing: missing(all),
    words: { title: distribution(lists.titleWords), abstract: distribution(lists.abstractWords) },
    ...('omitted' in encoder
      ? { tokensOmitted: encoder.omitted }
      : {
          tokens: {
            encoder: encoder.id,
            ...(encoder.revision !== undefined && { revision: encoder.revision }),
            title: distribution(lists.titleTokens),
            abstract: distribution(lists.abstractTokens),
            truncation:
              'joined' in lengths
                ? [cutOf('joined', lengths.joined, lists.joinedTokens)]
                : [
                    cutOf('title', lengths.title, lists.titleTokens),
                    cutOf('abstract', lengths.abstract, lists.abstractTokens),
                  ],
          },
        }),
    overlap: overlap(all, labels),
    dates: dates(all, labels.length),
    distinctiveWords: distinctiveWords(
      shuffle([...train], seededRandom(`words ${seed}`))
        .slice(0, PAPERS_FOR_WORDS)
        .map(({ paper, label }) => ({ text: `${paper.title} ${paper.abstract}`, label })),
      labels.length,
      WORDS_A_CLASS,
    ),
    examples: samplePapers(train, labels.length, shown, seed),
  };
}

type Encoder = { id: string; tokenizer: Tokenizer; revision?: string } | { omitted: string };

async function openTokenizer(options: DescribeOptions, hooks: DescribeHooks): Promise<Encoder> {
  const { encoder, revision, ifCached = false } = options;
  if (encoder === undefined) return { omitted: 'no encoder is named' };
  const id = ifCached ? encoder : hereFirst(encoder);
  try {
    const opened = await openEncoderTokenizer(id, {
      revision,
      offline: ifCached,
      signal: hooks.signal,
      onProgress: progress => hooks.onProgress?.({ type: 'download', ...progress }),
    });
    return { id, ...opened };
  } catch (error) {
    const isAbsent = error instanceof ArxivNativeError && ['NETWORK', 'BAD_MODEL'].includes(error.code);
    if (!ifCached || !isAbsent) throw error;
    return { omitted: `the tokenizer of ${id} is not on this machine` };
  }
}

async function countLengths(
  examples: readonly Example[],
  encoder: Encoder,
  lengths: Lengths,
  { signal, onProgress }: DescribeHooks,
) {
  const list = () => new Uint32Array(examples.length);
  const lists = {
    titleWords: list(),
    abstractWords: list(),
    titleTokens: list(),
    abstractTokens: list(),
    joinedTokens: list(),
  };
  for (const [i, { paper }] of examples.entries()) {
    if (i % PAPERS_AT_ONCE === 0) {
      onProgress?.({ type: 'counting', done: i, total: examples.length });
      await setImmediate();
      throwIfCancelled(signal, 'describing');
    }
    const { title, abstract } = paper;
    lists.titleWords[i] = words(title);
    lists.abstractWords[i] = words(abstract);
    if ('omitted' in encoder) continue;
    const { tokenizer } = encoder;
    lists.titleTokens[i] = tokenizer.encode(title, WHOLE).length;
    lists.abstractTokens[i] = tokenizer.encode(abstract, WHOLE).length;
    if ('joined' in lengths) lists.joinedTokens[i] = tokenizer.encodeJoined(title, abstract, WHOLE).length;
  }
  onProgress?.({ type: 'counting', done: examples.length, total: examples.length });
  return lists;
}

const WHOLE = Number.MAX_SAFE_INTEGER;

/** Of cleaned text, which has single spaces and none at its ends. */
function words(text: string): number {
  if (text === '') return 0;
  let count = 1;
  for (let at = text.indexOf(' '); at !== -1; at = text.indexOf(' ', at + 1)) count++;
  return count;
}

function checkDescribeOptions(options: DescribeOptions): void {
  checkOptions(
    options,
    {
      data: 'string',
      labelColumn: 'string',
      seed: 'number',
      lengths: 'any',
      encoder: 'string',
      revision: 'string',
      ifCached: 'boolean',
      examples: 'number',
    },
    'describe',
  );
  const { data, seed, examples } = options;
  if (data === undefined) {
    throw new ArxivNativeError('BAD_OPTION', 'describe: there is no "data"', {
      remedy: 'Give the path of a prepared folder, or of a file of labelled papers.',
    });
  }
  checkWhole('seed', seed, 0, 'describe');
  checkWhole('examples', examples, 0, 'describe');
}
