import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { COPIES, type CopiesRecord } from '../data/copies.js';
import { type Dataset, loadDataset } from '../data/dataset.js';
import { baseId, type Paper } from '../data/paper.js';
import type { ReadProgress } from '../data/rows.js';
import { ArxivNativeError } from '../errors.js';
import { didYouMean } from '../util/options.js';
import { seededOrder } from '../util/random.js';
import { backTranslate, type TranslationEvent, type TranslationHooks } from './back-translate.js';
import { keepCopies, requirePlace } from './keep-copies.js';
import { type AugmentOptions, checkAugmentOptions, settingsOf, type TranslationOptions } from './options.js';

export type { AugmentPlan } from './back-translate.js';
export type { AugmentOptions } from './options.js';

export type AugmentEvent =
  | TranslationEvent
  | ({ type: 'reading' } & ReadProgress)
  /** Another process is putting copies into the same folder. */
  | { type: 'waiting'; folder: string };

export interface AugmentHooks {
  onProgress?: ((event: AugmentEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** What became of the papers that were drawn. */
export interface AugmentResult extends CopiesRecord {
  /** The file of copies, absolute. */
  file: string;
}

/** Copies that were made, and how; `fingerprint` and `copies` are those of a file that holds them. */
export interface MadeCopies {
  papers: Paper[];
  record: Omit<CopiesRecord, 'fingerprint' | 'copies'>;
}

/**
 * Makes copies of a class's training papers whose abstracts went through another language and back, and writes them
 * beside the splits, which stay as they are, as augmented.jsonl (and augmented.json, which says how). What was
 * translated before is in the cache: after a kill the same call goes on.
 *
 * @throws ArxivNativeError BAD_OPTION, also where copies are there already; BAD_INPUT for data without splits or that
 * changed meanwhile, and as loading throws it; TRANSLATOR for one that is not installed or broke down, and where no copy was worth keeping;
 * BAD_MODEL, NETWORK, IO, CANCELLED
 */
export async function augment(options: AugmentOptions, hooks: AugmentHooks = {}): Promise<AugmentResult> {
  checkAugmentOptions(options);
  const { data, category, samples, labelColumn, force = false } = options;
  if (!existsSync(data) || !statSync(data).isDirectory()) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${data} is no folder of splits, and only training papers may be copied`,
      {
        remedy: `Split it first: \`arxiv-native prepare ${data} --out FOLDER\`; then augment the folder.`,
      },
    );
  }
  const file = resolve(join(data, COPIES));
  const existsAlready = () =>
    new ArxivNativeError('BAD_OPTION', `${file} exists already`, {
      remedy: 'Replace these copies with --force.',
    });
  if (existsSync(file) && !force) throw existsAlready();
  await requirePlace(data);
  const dataset = await loadDataset(
    data,
    { seed: 0, labelColumn },
    { signal: hooks.signal, onProgress: progress => hooks.onProgress?.({ type: 'reading', ...progress }) },
  );
  const made = await makeCopies(dataset, { category, samples }, options, hooks);
  const { copies, isNew } = await keepCopies(dataset, made, { labelColumn, replace: force }, hooks);
  if (!isNew) throw existsAlready();
  return { file, ...copies.record! };
}

/**
 * Makes the copies without writing them.
 *
 * @throws as {@link augment}
 */
export async function makeCopies(
  dataset: Dataset,
  { category, samples }: { category: string; samples: number },
  options: TranslationOptions,
  hooks: TranslationHooks,
): Promise<MadeCopies> {
  const settings = settingsOf(options);
  const drawn = draw(dataset, category, samples, settings.seed);
  if (drawn.length > 0 && drawn.every(({ abstract }) => abstract === '')) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${dataset.source}: no paper drawn of ${category} has an abstract`,
      {
        remedy: 'Copies are made of abstracts: give the papers theirs, in the field "abstract".',
      },
    );
  }
  if (drawn.length === 0) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${dataset.source}: no paper of ${category} stands in training alone`,
      {
        remedy: 'Split the papers so that each is on one side: `arxiv-native prepare` without --split rows.',
      },
    );
  }
  const results = await backTranslate(
    drawn.map(({ abstract }) => abstract),
    category,
    settings,
    hooks,
  );
  const papers: Paper[] = [];
  const dropped: Record<string, number> = {};
  for (const { pivot, translator, copies } of results) {
    for (const [i, copy] of copies.entries()) {
      if ('defect' in copy) dropped[copy.defect] = (dropped[copy.defect] ?? 0) + 1;
      else papers.push(copyOf(drawn[i]!, copy.abstract, pivot, translator));
    }
  }
  if (papers.length === 0) {
    const reasons = Object.entries(dropped).map(([defect, count]) => `${count} × ${defect}`);
    throw new ArxivNativeError('TRANSLATOR', `no copy was worth keeping: ${reasons.join(', ')}`, {
      remedy: 'Choose another translator or another --pivot.',
    });
  }
  return {
    papers,
    record: {
      dataset: dataset.fingerprint,
      category,
      samples,
      seed: settings.seed,
      drawn: drawn.map(({ id }) => baseId(id)),
      pivots: settings.pivots,
      translators: Object.fromEntries(results.map(({ pivot, translator }) => [pivot, translator])),
      whole: settings.whole,
      dropped,
    },
  };
}

/** Papers of the class that train and are on no other side, nobody's copies; in an order that the seed decides. */
function draw(dataset: Dataset, category: string, samples: number, seed: number): Paper[] {
  const { labels, train, validation, test, source } = dataset;
  const label = labels.indexOf(category);
  if (label === -1) {
    throw new ArxivNativeError('BAD_OPTION', `${source} has no class ${JSON.stringify(category)}`, {
      remedy: didYouMean(category, labels),
    });
  }
  const elsewhere = new Set([...validation, ...test].map(({ paper }) => baseId(paper.id)));
  const seen = new Set<string>();
  const candidates: Paper[] = [];
  for (const { paper, label: own } of train) {
    const id = baseId(paper.id);
    if (own !== label || paper.parent !== undefined || elsewhere.has(id) || seen.has(id)) continue;
    seen.add(id);
    candidates.push(paper);
  }
  return seededOrder(candidates, ({ id }) => baseId(id), `augment ${seed}`).slice(0, samples);
}

function copyOf(parent: Paper, abstract: string, pivot: string, translator: string): Paper {
  const { title, categories, label, line } = parent;
  const id = baseId(parent.id);
  return {
    id: `${id}~${pivot}`,
    title,
    abstract,
    categories,
    label,
    parent: id,
    translator,
    split: 'train',
    line,
  };
}
