import { existsSync, statSync } from 'node:fs';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from '../util/cancel.js';
import { type Arrangement, arrange, refuseCrossing } from './arrange.js';
import { type CopiesRecord, readCopies } from './copies.js';
import type { Leaks } from './leaks.js';
import { baseId, hasOwnId, numberedId, type Paper, SPLITS, type Split } from './paper.js';
import { type DatasetCounts, fingerprintsOf, prepareDataset } from './prepare.js';
import { type PrepareRule, ruleOf } from './prepare-options.js';
import { openPrepared, partFile } from './prepared-folder.js';
import { readPapers } from './read.js';
import type { ReadHooks, Row } from './rows.js';

/** A paper and the index of its class in {@link Dataset.labels}. */
export interface Example {
  paper: Paper;
  label: number;
}

/** Synthetic copies of training papers, which lie beside the splits and are no part of them. */
export interface Copies {
  examples: Example[];
  /** SHA-256 of their file. */
  fingerprint: string;
  /** How they were made; absent for a file that somebody else wrote. */
  record?: CopiesRecord | undefined;
}

/** Labelled papers in three parts. */
export interface Dataset {
  /** The classes, in alphabetical order (by code units, as scikit-learn's LabelEncoder sorts). */
  labels: string[];
  train: Example[];
  validation: Example[];
  test: Example[];
  /** The path as given. */
  source: string;
  /** By which it was prepared. */
  rule: PrepareRule;
  /** That decided the split; absent where a folder that was not prepared gave it. */
  seed?: number | undefined;
  counts: DatasetCounts;
  leaks: Leaks;
  /** SHA-256 over all that is known of every paper, in order: equal for equal data only. Copies do not count. */
  fingerprint: string;
  /** Absent where they were not asked for or are not there, as for a file. */
  copies?: Copies | undefined;
}

export interface LoadDatasetOptions {
  /** Decides the split where none is given. */
  seed: number;
  /** The field that holds the label, of a file or folder that was not prepared. */
  labelColumn?: string | undefined;
  /** Read the copies that lie beside the splits. */
  copies?: boolean | undefined;
}

/**
 * Reads a labelled data set. A file is prepared as {@link prepareDataset} does without options. A folder that
 * `prepare` wrote must be as it was written; one that somebody made, of train.jsonl, validation.jsonl and test.jsonl,
 * is taken as it stands, but for duplicates within a part. Of copies that `augment` put beside the splits it takes note only where they are asked for.
 * @throws BAD_INPUT, also for fewer than two classes, too few papers of a class, a paper (or a copy of it) on two
 *   sides of a split that is not by rows, a class of validation or test that training lacks, and copies of other data or
 *   of papers that are not trained on; BAD_OPTION; IO; CANCELLED
 */
export async function loadDataset(
  path: string,
  { seed, labelColumn, copies = false }: LoadDatasetOptions,
  hooks: ReadHooks = {},
): Promise<Dataset> {
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  if (!isFolder) {
    const { fingerprints, ...prepared } = await prepareDataset(path, { seed, labelColumn }, hooks);
    return toDataset(path, { ...prepared, fingerprint: fingerprints.all });
  }
  const missing = SPLITS.filter(part => !existsSync(partFile(path, part)));
  if (missing.length > 0) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${path}: no ${missing.map(part => `${part}.jsonl`).join(', no ')}`,
      {
        remedy: 'A data folder holds train.jsonl, validation.jsonl and test.jsonl; or give a single file.',
      },
    );
  }
  const record = await openPrepared(path, hooks.signal);
  const rows = await readParts(path, record === undefined ? labelColumn : undefined, hooks);
  if (record === undefined) {
    const dataset = takeAsItStands(path, rows, { seed, labelColumn });
    return copies ? withCopies(dataset, hooks.signal) : dataset;
  }
  if (labelColumn !== undefined) {
    throw new ArxivNativeError('BAD_OPTION', `${path} was prepared: its labels are chosen`, {
      remedy: 'Give --label-column to prepare, or leave it out.',
    });
  }
  if (record.rule.split !== 'rows') refuseCrossing(rows);
  const parts: Record<Split, Paper[]> = { train: [], validation: [], test: [] };
  for (const { paper } of rows) parts[paper.split!].push(paper);
  const dataset = toDataset(path, { ...record, parts, fingerprint: record.fingerprints.all });
  return copies ? withCopies(dataset, hooks.signal) : dataset;
}

async function withCopies(dataset: Dataset, signal: AbortSignal | undefined): Promise<Dataset> {
  const copies = await copiesIn(dataset.source, dataset, signal);
  return copies === undefined ? dataset : { ...dataset, copies };
}

/**
 * The copies of this data set that `folder` holds; undefined if there are none.
 * @throws BAD_INPUT for copies of other data or of papers that are not trained on; IO; CANCELLED
 */
export async function copiesIn(
  folder: string,
  { labels, fingerprint, ...dataset }: Dataset,
  signal: AbortSignal | undefined,
): Promise<Copies | undefined> {
  const papersOf = (part: Split) => dataset[part].map(({ paper }) => paper);
  const parts = { train: papersOf('train'), validation: papersOf('validation'), test: papersOf('test') };
  const found = await readCopies(folder, { parts, fingerprint }, signal);
  if (found === undefined) return undefined;
  const { papers, ...rest } = found;
  return { examples: papers.map(paper => ({ paper, label: labels.indexOf(paper.label) })), ...rest };
}

function takeAsItStands(
  path: string,
  rows: readonly Row[],
  { seed, labelColumn }: LoadDatasetOptions,
): Dataset {
  const rule = ruleOf({ labelColumn });
  const arranged = arrange(rows, { rule, seed, source: path, asTheyStand: true });
  const counts = { read: rows.length, withdrawn: 0, empty: 0, ...arranged.counts };
  return toDataset(path, { ...arranged, counts, fingerprint: fingerprintsOf(arranged.parts).all });
}

function toDataset(
  source: string,
  data: Pick<Arrangement, 'labels' | 'rule' | 'parts' | 'leaks'> & {
    seed?: number | undefined;
    counts: DatasetCounts;
    fingerprint: string;
  },
): Dataset {
  const { labels, rule, seed, parts, counts, leaks, fingerprint } = data;
  const index = new Map(labels.map((label, i) => [label, i]));
  const examples = (part: Split) =>
    parts[part].map(paper => {
      const label = index.get(paper.label);
      if (label !== undefined) return { paper, label };
      throw new ArxivNativeError(
        'BAD_INPUT',
        `${partFile(source, part)}:${paper.line}: label ${JSON.stringify(paper.label)} is not among those of dataset.json`,
        { remedy: 'Prepare the data set again.' },
      );
    });
  return {
    labels,
    train: examples('train'),
    validation: examples('validation'),
    test: examples('test'),
    source,
    rule,
    ...(seed !== undefined && { seed }),
    counts,
    leaks,
    fingerprint,
  };
}

/** All papers of a folder's three files, each with its side. */
async function readParts(
  folder: string,
  labelColumn: string | undefined,
  { signal }: ReadHooks,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const part of SPLITS) {
    const source = partFile(folder, part);
    for await (const paper of readPapers(source, { labelled: true, labelColumn })) {
      throwIfCancelled(signal, `reading ${source}`);
      const stated = paper.split ?? part;
      if (stated !== part) {
        throw new ArxivNativeError(
          'BAD_INPUT',
          `${source}:${paper.line}: split "${stated}" in ${part}.jsonl`,
        );
      }
      const named = hasOwnId(paper);
      const id = named ? baseId(paper.id) : numberedId(part, paper.line);
      rows.push({ paper: { ...paper, id, split: part }, source, named, index: rows.length });
    }
  }
  return rows;
}
