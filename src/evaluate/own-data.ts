import { existsSync, readdirSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { type Dataset, loadDataset } from '../data/dataset.js';
import { baseId, hasOwnId, type Paper, titleKey } from '../data/paper.js';
import type { PrepareRule } from '../data/prepare-options.js';
import { filesOf } from '../data/prepared-folder.js';
import type { ReadHooks } from '../data/rows.js';
import { ArxivNativeError } from '../errors.js';
import type { SavedModel } from '../model/saved-model.js';

/** What training.json says of the data; nothing but this is read of it. */
interface RecordedData {
  source: string;
  fromModel?: string;
  fingerprint: string;
  splitSeed?: number;
  rule?: Partial<PrepareRule>;
}

/** What evaluation wants to know of a training: absent for a model that was imported. */
export interface TrainingFacts {
  data: RecordedData;
  seed: number;
  /**
   * Shares of the papers that the model classifies rightly; of the training papers with dropout, over the epoch of the
   * kept weights, or, where `trainPapers` is given, of so many of them without dropout.
   */
  accuracies: { train?: number; trainPapers?: number; validation?: number; test?: number };
}

const REMEDY = 'Name labelled papers by --data: a prepared folder, or a file.';

const OTHER_FILE =
  'Make a folder of it with `arxiv-native prepare`; `evaluate` and `compare` take all papers of a file where --split is left out.';

/** What is known of how a model was trained; undefined where it was not trained here. */
export function trainingFacts({ training }: SavedModel): TrainingFacts | undefined {
  const record = (training ?? {}) as Record<string, unknown> & {
    data?: Partial<RecordedData>;
    history?: { trainAccuracy?: number }[];
    distillation?: { unlabelled?: number };
    trained?: { papers?: number; accuracy?: number };
    validation?: { accuracy?: number };
    test?: { accuracy?: number };
  };
  const { data, seed, history, bestEpoch, trained, validation, test } = record;
  if (typeof data?.source !== 'string' || typeof data.fingerprint !== 'string') return undefined;
  const kept = Array.isArray(history) ? history[Number(bestEpoch) - 1] : undefined;
  // Where there are words the epochs' accuracies are the encoder's; with a teacher's papers they are of its answers too.
  const isTold = !record.words && !record.distillation?.unlabelled;
  const accuracies = {
    train: isTold ? kept?.trainAccuracy : trained?.accuracy,
    trainPapers: isTold ? undefined : trained?.papers,
    validation: validation?.accuracy,
    test: test?.accuracy,
  };
  return {
    data: data as RecordedData,
    seed: typeof seed === 'number' ? seed : 0,
    accuracies: Object.fromEntries(
      Object.entries(accuracies).filter(([, value]) => typeof value === 'number'),
    ),
  };
}

/**
 * The data that a model was trained on, split as it was then.
 *
 * @param path where it lies now, if elsewhere
 * @throws BAD_INPUT where it is gone, or is other data now, and for a model that was not trained here; CANCELLED
 */
export async function loadOwnData(saved: SavedModel, hooks: ReadHooks, path?: string): Promise<Dataset> {
  const facts = trainingFacts(saved);
  if (facts === undefined) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${saved.folder} was not trained here: its own data is not known`,
      { remedy: REMEDY },
    );
  }
  if (path !== undefined) return loadSame(saved, facts, path, hooks, OTHER_FILE);
  let failure: unknown;
  for (const source of possibleSources(saved, facts.data)) {
    try {
      return await loadSame(saved, facts, source, hooks, REMEDY);
    } catch (error) {
      if (!(error instanceof ArxivNativeError) || error.code === 'CANCELLED') throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/** What a model was trained on, or why that is not to be had. */
export type OwnData = { dataset: Dataset } | { missing: string };

/**
 * {@link loadOwnData} for those that can do without.
 *
 * @throws CANCELLED
 */
export async function findOwnData(saved: SavedModel, hooks: ReadHooks, path?: string): Promise<OwnData> {
  try {
    return { dataset: await loadOwnData(saved, hooks, path) };
  } catch (error) {
    if (error instanceof ArxivNativeError && error.code !== 'CANCELLED') return { missing: error.message };
    throw error;
  }
}

/**
 * The same beside other data that was read: it may be just that, under another name.
 *
 * @throws CANCELLED
 */
export async function findOwnDataBeside(
  dataset: Dataset,
  saved: SavedModel,
  hooks: ReadHooks,
): Promise<OwnData> {
  const isOwn = dataset.fingerprint === trainingFacts(saved)?.data.fingerprint;
  return isOwn ? { dataset } : findOwnData(saved, hooks);
}

async function loadSame(
  saved: SavedModel,
  { data: { fingerprint } }: TrainingFacts,
  source: string,
  hooks: ReadHooks,
  remedy: string,
): Promise<Dataset> {
  const dataset = await loadAsTrained(saved, source, hooks).catch(error => {
    if (remedy !== REMEDY || !(error instanceof ArxivNativeError) || error.code === 'CANCELLED') throw error;
    throw new ArxivNativeError(
      'BAD_INPUT',
      `the data that ${saved.folder} was trained on cannot be read: ${error.message}`,
      { remedy, cause: error },
    );
  });
  if (dataset.fingerprint === fingerprint) return dataset;
  throw new ArxivNativeError(
    'BAD_INPUT',
    `${source} is not the data that ${saved.folder} was trained on: its fingerprint is ${dataset.fingerprint.slice(0, 16)}, not ${fingerprint.slice(0, 16)}`,
    { remedy },
  );
}

/**
 * Where the data may lie that was named so in training: a relative name is looked up from here, as it lay from the
 * model, and from every folder above the model, so that it is found from anywhere while both lie in one project.
 */
export function possibleSources(
  { folder }: SavedModel,
  { source, fromModel }: Pick<RecordedData, 'source' | 'fromModel'>,
): string[] {
  if (isAbsolute(source)) return [source];
  const candidates = [source, ...(typeof fromModel === 'string' ? [resolve(folder, fromModel)] : [])];
  for (let above = dirname(resolve(folder)); ; above = dirname(above)) {
    candidates.push(join(above, source));
    if (above === dirname(above)) break;
  }
  const places = new Map(candidates.filter(path => existsSync(path)).map(path => [resolve(path), path]));
  return places.size > 0 ? [...places.values()] : [source];
}

/** Any data set, read as that of the model was: with its seed and label column, where it has no split and labels. */
export async function loadAsTrained(saved: SavedModel, source: string, hooks: ReadHooks): Promise<Dataset> {
  const { data, seed = 0 } = trainingFacts(saved) ?? {};
  const options = { seed: data?.splitSeed ?? seed };
  const labelColumn = data?.rule?.labelColumn;
  return loadDataset(source, { ...options, labelColumn }, hooks).catch(error => {
    // A prepared folder has its labels chosen.
    const isPrepared = error instanceof ArxivNativeError && error.code === 'BAD_OPTION';
    if (isPrepared && labelColumn !== undefined) return loadDataset(source, options, hooks);
    throw error;
  });
}

/**
 * The files that judging a model reads: none may be written over.
 *
 * @param data what it is judged by, if not its own data
 */
export function inputsOf(saved: SavedModel, data: string | undefined): string[] {
  const facts = trainingFacts(saved);
  const sources = [
    ...(data === undefined ? [] : [data]),
    ...(facts ? possibleSources(saved, facts.data) : []),
  ];
  const model = readdirSync(saved.folder).map(name => join(saved.folder, name));
  return [...model, ...sources.flatMap(filesOf)];
}

/** How many of some papers a model has met before, by id or title. */
export interface SeenPapers {
  train: number;
  validation: number;
}

export function countSeen(papers: readonly Paper[], dataset: Dataset): SeenPapers {
  const count = (part: 'train' | 'validation') => {
    const known = new Set(dataset[part].flatMap(({ paper }) => keys(paper)));
    return papers.filter(paper => keys(paper).some(key => known.has(key))).length;
  };
  return { train: count('train'), validation: count('validation') };
}

function keys(paper: Paper): string[] {
  const title = titleKey(paper.title);
  return [
    ...(hasOwnId(paper) ? [`id ${baseId(paper.id)}`] : []),
    ...(title === '' ? [] : [`title ${title}`]),
  ];
}
