import { createHash } from 'node:crypto';
import { ArxivNativeError } from '../errors.js';
import { DEFAULT_SEED } from '../util/random.js';
import { type ArrangeCounts, type Arrangement, arrange } from './arrange.js';
import { type Paper, paperRecord, SPLITS, type Split } from './paper.js';
import { checkPrepareOptions, type PrepareOptions, ruleOf } from './prepare-options.js';
import { type DataSource, type ReadHooks, readRows } from './rows.js';

/** What became of the papers that were read. */
export interface DatasetCounts extends ArrangeCounts {
  read: number;
  /** Papers left out because they say of themselves that they were withdrawn. */
  withdrawn: number;
  /** Papers left out because their title or their abstract is missing. */
  empty: number;
}

/** SHA-256, in hex: of each part as the file that {@link partLines} make, and of the three together. */
export type Fingerprints = Record<Split | 'all', string>;

/** Papers with their labels and sides, and all that is to be known about how they came by them. */
export interface PreparedDataset extends Omit<Arrangement, 'counts'> {
  sources: DataSource[];
  seed: number;
  counts: DatasetCounts;
  fingerprints: Fingerprints;
}

/**
 * Makes an honest data set of papers as they were gathered: drops withdrawn, empty and double ones, labels, draws and
 * splits them, and measures what it could not mend. The same sources and options give the same data set everywhere;
 * which part a paper comes to depends on the seed and the papers, not on the order of the files, as long as papers
 * have ids.
 *
 * @param sources files of papers, as readPapers reads them; `-` is standard input
 * @throws ArxivNativeError BAD_OPTION; BAD_INPUT for files that cannot be read as papers, fewer than two classes, a
 *   class of fewer than four papers, and a stated split with a paper on two sides; IO; CANCELLED
 */
export async function prepareDataset(
  sources: string | readonly string[],
  options: PrepareOptions = {},
  hooks: ReadHooks = {},
): Promise<PreparedDataset> {
  checkPrepareOptions(options);
  const paths = checkSources(sources);
  const { seed = DEFAULT_SEED } = options;
  const { rows, sources: described, lost, ...counted } = await readRows(paths, options.labelColumn, hooks);
  const arranged = arrange(rows, {
    lost,
    rule: ruleOf(options),
    seed,
    source: paths.map(path => (path === '-' ? 'stdin' : path)).join(', '),
    splitAsked: options.split !== undefined || options.ratios !== undefined,
  });
  return {
    sources: described,
    seed,
    ...arranged,
    counts: { ...counted, ...arranged.counts },
    fingerprints: fingerprintsOf(arranged.parts),
  };
}

/** The lines of a part's file, without their ends. */
export function* partLines(papers: readonly Paper[]): Generator<string> {
  for (const paper of papers) yield JSON.stringify(paperRecord(paper));
}

export function fingerprintsOf(parts: Record<Split, readonly Paper[]>): Fingerprints {
  const [train, validation, test] = SPLITS.map(part => {
    const hash = createHash('sha256');
    for (const line of partLines(parts[part])) hash.update(`${line}\n`);
    return hash.digest('hex');
  }) as [string, string, string];
  return { train, validation, test, all: fingerprintOfAll({ train, validation, test }) };
}

export function fingerprintOfAll({ train, validation, test }: Record<Split, string>): string {
  return createHash('sha256').update(`${train}\n${validation}\n${test}\n`).digest('hex');
}

/** @throws BAD_OPTION for what names no files */
export function checkSources(sources: string | readonly string[]): readonly string[] {
  const paths = typeof sources === 'string' ? [sources] : sources;
  const fit =
    Array.isArray(paths) && paths.length > 0 && paths.every(each => typeof each === 'string' && each !== '');
  if (!fit) {
    throw new ArxivNativeError('BAD_OPTION', 'prepare: there are no files to prepare', {
      remedy: 'Name one file of papers or more, or - for standard input.',
    });
  }
  if (paths.filter(each => each === '-').length > 1) {
    throw new ArxivNativeError('BAD_OPTION', 'prepare: standard input (-) can be read once only');
  }
  return paths;
}
