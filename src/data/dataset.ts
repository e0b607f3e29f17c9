import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { baseId, type Paper, SPLITS, type Split, titleKey } from './paper.js';
import { readPapers } from './read.js';
import { refuseSmallClasses, splitAsGiven, splitStratified } from './split.js';

/** A paper and the index of its class in {@link Dataset.labels}. */
export interface Example {
  paper: Paper;
  label: number;
}

export interface DatasetCounts {
  /** Papers read, before duplicates were dropped. */
  read: number;
  /** Papers dropped because their id or title had come before. */
  duplicates: number;
  /** Dropped duplicates whose label was not that of the paper kept. */
  contradictions: number;
  /** Papers a class, in the order of the labels. */
  train: number[];
  validation: number[];
  test: number[];
}

/** Labelled papers, each once and on one side only. */
export interface Dataset {
  /** The classes, in alphabetical order (by code units, as scikit-learn's LabelEncoder sorts). */
  labels: string[];
  train: Example[];
  validation: Example[];
  test: Example[];
  /** The path as given. */
  source: string;
  counts: DatasetCounts;
  /** SHA-256 over split, id, title, abstract and label of every paper, in order: equal for equal data only. */
  fingerprint: string;
}

/** Of a split that was given: one paper alone tells too little about its class. */
const FEWEST_TO_TRAIN_ON = 2;

/**
 * Reads a labelled data set: a folder with train.jsonl, validation.jsonl and test.jsonl, or one file. Of a file the
 * `split` field is honoured; without one the papers are split 70/15/15, stratified, by `seed`. Of papers with the
 * same id (its version aside) or the same title (case and punctuation aside) the first is kept.
 * @throws BAD_INPUT, also for fewer than two classes, too few papers of a class, a paper on two sides of a given
 *   split, and a class of validation or test that training lacks
 */
export async function loadDataset(path: string, options: { seed: number }): Promise<Dataset> {
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  const read = isFolder ? await readFolder(path) : await readFile(path);
  const { papers, duplicates, contradictions } = dropDuplicates(read);
  const given = papers.some(({ paper }) => paper.split !== undefined);
  const bare = papers.map(({ paper }) => paper);
  const parts = given
    ? splitAsGiven(bare, path)
    : splitStratified(bare, options.seed, { source: path, duplicates });

  const labels = [...new Set(parts.train.map(paper => paper.label))].sort();
  const index = new Map(labels.map((label, i) => [label, i]));
  const sources = new Map(papers.map(({ paper, source }) => [paper, source]));
  const examples = (part: Split): Example[] =>
    parts[part].map(paper => {
      const name = paper.label;
      const label = index.get(name);
      if (label !== undefined) return { paper, label };
      throw new ArxivNativeError(
        'BAD_INPUT',
        `${sources.get(paper)}:${paper.line}: category ${JSON.stringify(name)} is not among those of the training papers (${labels.join(', ')})`,
      );
    });
  const dataset = { train: examples('train'), validation: examples('validation'), test: examples('test') };
  const count = (part: Split) => {
    const counts = labels.map(() => 0);
    for (const { label } of dataset[part]) counts[label]!++;
    return counts;
  };
  const counts = {
    read: read.length,
    duplicates,
    contradictions,
    train: count('train'),
    validation: count('validation'),
    test: count('test'),
  };
  if (given) {
    const size = (label: string) => counts.train[index.get(label)!]!;
    refuseSmallClasses(labels, size, FEWEST_TO_TRAIN_ON, { source: path, duplicates });
  }
  return { labels, ...dataset, source: path, counts, fingerprint: fingerprint(dataset, labels) };
}

interface SourcedPaper {
  paper: Paper;
  /** The file that it stood in. */
  source: string;
}

async function readFile(path: string): Promise<SourcedPaper[]> {
  const papers: SourcedPaper[] = [];
  for await (const paper of readPapers(path, { labelled: true })) papers.push({ paper, source: path });
  return papers;
}

async function readFolder(folder: string): Promise<SourcedPaper[]> {
  const missing = SPLITS.filter(part => !existsSync(join(folder, `${part}.jsonl`)));
  if (missing.length > 0) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${folder}: no ${missing.map(part => `${part}.jsonl`).join(', no ')}`,
      {
        remedy: 'A data folder holds train.jsonl, validation.jsonl and test.jsonl; or give a single file.',
      },
    );
  }
  const papers: SourcedPaper[] = [];
  for (const part of SPLITS) {
    const source = join(folder, `${part}.jsonl`);
    for (const each of await readFile(source)) {
      const stated = each.paper.split ?? part;
      if (stated !== part) {
        throw new ArxivNativeError(
          'BAD_INPUT',
          `${source}:${each.paper.line}: split "${stated}" in ${part}.jsonl`,
        );
      }
      // Lines are numbered in each file apart, so a made-up id would stand for three papers.
      const id = each.paper.id === `line-${each.paper.line}` ? `${part}-${each.paper.id}` : each.paper.id;
      papers.push({ paper: { ...each.paper, id, split: part }, source });
    }
  }
  return papers;
}

/** Keeps the first paper of each id and title. @throws BAD_INPUT if equal papers state different splits */
function dropDuplicates(read: SourcedPaper[]) {
  const first = new Map<string, SourcedPaper>();
  const papers: SourcedPaper[] = [];
  let duplicates = 0;
  let contradictions = 0;
  const crossing: [SourcedPaper, SourcedPaper][] = [];
  for (const each of read) {
    const title = titleKey(each.paper.title);
    const keys = [`id ${baseId(each.paper.id)}`, ...(title === '' ? [] : [`title ${title}`])];
    const kept = keys.map(key => first.get(key)).find(found => found !== undefined);
    for (const key of keys) if (!first.has(key)) first.set(key, kept ?? each);
    if (kept === undefined) {
      papers.push(each);
      continue;
    }
    duplicates++;
    if (kept.paper.label !== each.paper.label) contradictions++;
    if (kept.paper.split !== each.paper.split) crossing.push([kept, each]);
  }
  if (crossing.length > 0) {
    const [a, b] = crossing[0]!;
    const place = ({ paper, source }: SourcedPaper) =>
      `${source}:${paper.line} (${paper.split ?? 'no split'})`;
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${crossing.length === 1 ? '1 paper stands' : `${crossing.length} papers stand`} on two sides of the split; ${place(a)} and ${place(b)} are the same paper: ${a.paper.id}, ${JSON.stringify(a.paper.title.slice(0, 80))}`,
      { remedy: 'Keep each paper on one side, or give no split and let one be made.' },
    );
  }
  return { papers, duplicates, contradictions };
}

function fingerprint(parts: Record<Split, Example[]>, labels: string[]): string {
  const hash = createHash('sha256');
  for (const part of SPLITS) {
    for (const { paper, label } of parts[part]) {
      hash.update(`${JSON.stringify([part, paper.id, paper.title, paper.abstract, labels[label]])}\n`);
    }
  }
  return hash.digest('hex');
}
