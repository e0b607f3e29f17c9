import { realpathSync } from 'node:fs';
import { sep } from 'node:path';
import type { Example } from '../data/dataset.js';
import type { ReadHooks } from '../data/rows.js';
import type { Placement } from '../engine.js';
import { ArxivNativeError } from '../errors.js';
import { type PlacementOptions, placeSavedModel } from '../model/load.js';
import { openSavedModel, type SavedModel } from '../model/saved-model.js';
import { show } from '../util/options.js';
import { decide } from './decide.js';
import { type Exam, type ExamsOptions, openExams } from './exam.js';
import { trainingFacts } from './own-data.js';
import { answersOfModel } from './probabilities-of-model.js';

export interface NamedModel {
  /** The end of the folder's path that no other one has. */
  name: string;
  saved: SavedModel;
}

/**
 * Opens several models that tell apart the same classes.
 *
 * @param caller the function that the folders were passed to
 * @throws ArxivNativeError BAD_OPTION for fewer than two and one that is named twice, BAD_MODEL, BAD_INPUT where classes
 *   differ
 */
export async function openModels(folders: unknown, caller: string): Promise<NamedModel[]> {
  const isList = Array.isArray(folders) && folders.every(each => typeof each === 'string' && each !== '');
  if (!isList || folders.length < 2) {
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${caller}: "models" must be two or more folders, not ${show(folders)}`,
      { remedy: 'Name the folders that training wrote; `arxiv-native evaluate` judges one alone.' },
    );
  }
  const opened: SavedModel[] = [];
  for (const folder of folders as string[]) opened.push(await openSavedModel(folder));
  const places = opened.map(({ folder }) => realpathSync(folder));
  const twice = places.findIndex((place, m) => places.indexOf(place) < m);
  if (twice >= 0) {
    throw new ArxivNativeError('BAD_OPTION', `${caller}: ${opened[twice]!.folder} is named twice`, {
      remedy: 'Name each model once.',
    });
  }
  const names = namesOf(opened.map(({ folder }) => folder));
  const models = opened.map((saved, m) => ({ name: names[m]!, saved }));
  for (const other of models) refuseOtherLabels(models[0]!, other);
  return models;
}

function namesOf(folders: readonly string[]): string[] {
  const end = (folder: string, parts: number) => folder.split(sep).slice(-parts).join(sep);
  return folders.map(folder => {
    for (let parts = 1; parts < folder.split(sep).length; parts++) {
      const name = end(folder, parts);
      if (folders.filter(other => end(other, parts) === name).length === 1) return name;
    }
    return folder;
  });
}

function refuseOtherLabels(first: NamedModel, other: NamedModel): void {
  const [a, b] = [first.saved.labels, other.saved.labels];
  if (a.length === b.length && a.every((label, k) => label === b[k])) return;
  const only = (mine: string[], theirs: string[]) => mine.filter(label => !theirs.includes(label));
  const differences = [
    { name: first.name, labels: only(a, b) },
    { name: other.name, labels: only(b, a) },
  ]
    .filter(({ labels }) => labels.length > 0)
    .map(({ name, labels }) => `only ${name} has ${show(labels)}`);
  const what = differences.length > 0 ? differences.join(', ') : 'they come in another order';
  throw new ArxivNativeError(
    'BAD_INPUT',
    `${first.name} and ${other.name} do not tell apart the same classes: ${what}`,
    { remedy: 'Only models of the same classes can be judged together.' },
  );
}

/**
 * The same papers for every model, each exam saying what its model has seen of them: a part of the data that all were
 * trained on, or what `data` names.
 *
 * @returns a list a part, with an exam a model, in their order
 * @throws BAD_INPUT where they were trained on different data and `data` is absent, and as openExam does; CANCELLED
 */
export async function openSameExams(
  models: readonly NamedModel[],
  options: ExamsOptions,
  hooks: ReadHooks,
): Promise<Exam[][]> {
  if (options.data === undefined) refuseOtherData(models);
  const opened: Exam[][] = [];
  // Models of the same training have the same exams.
  const known = new Map<string, Exam[]>();
  for (const { name, saved } of models) {
    const { data, seed } = trainingFacts(saved) ?? {};
    const training = JSON.stringify([data?.fingerprint, data?.splitSeed ?? seed, data?.rule?.labelColumn]);
    const exams = known.get(training) ?? (await openExams(saved, options, hooks));
    known.set(training, exams);
    opened.push(exams);
    if (exams.every((exam, part) => isSame(opened[0]![part]!, exam))) continue;
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${exams[0]!.source} has other papers for ${models[0]!.name} than for ${name}: each reads it as its own data was`,
      { remedy: 'Make one data set of it with `arxiv-native prepare`, and give that.' },
    );
  }
  return opened[0]!.map((_, part) => opened.map(exams => exams[part]!));
}

function refuseOtherData(models: readonly NamedModel[]): void {
  const trained = models.flatMap(({ name, saved }) => {
    const facts = trainingFacts(saved);
    return facts ? [{ name, fingerprint: facts.data.fingerprint }] : [];
  });
  const [first] = trained;
  const others = trained.filter(({ fingerprint }) => fingerprint !== first?.fingerprint);
  if (first === undefined || others.length === 0) return;
  const names = others.map(({ name }) => name).join(', ');
  throw new ArxivNativeError(
    'BAD_INPUT',
    `${names} ${others.length === 1 ? 'was' : 'were'} trained on other data than ${first.name}: their test papers are not the same`,
    { remedy: 'Name papers for all of them by --data: best such that none of them has seen.' },
  );
}

/** What a model says of papers, and which class it chooses. */
export interface Answers {
  /** papers × classes, row-major. */
  probabilities: Float64Array | Float32Array;
  /** One class index a paper. */
  predicted: Int32Array;
}

export interface Asked extends Placement {
  /** One a part of the papers. */
  parts: Answers[];
}

/**
 * Asks every model of the same papers, each by its own rule; one model is in the engine at a time.
 *
 * @throws ArxivNativeError as placeSavedModel and answersOfModel do
 */
export async function askModels(
  models: readonly NamedModel[],
  parts: readonly (readonly Example[])[],
  placement: PlacementOptions,
  { signal, onProgress }: AskHooks,
): Promise<Asked[]> {
  const total = parts.reduce((sum, { length }) => sum + length, 0);
  const asked: Asked[] = [];
  for (const { name, saved } of models) {
    const loaded = await placeSavedModel(saved, placement);
    const { device, precision } = loaded;
    const said: Answers[] = [];
    let before = 0;
    try {
      for (const examples of parts) {
        const hooks = { signal, onProgress: (done: number) => onProgress(name, before + done, total) };
        const probabilities = (await answersOfModel(loaded, examples, hooks)).probabilities();
        said.push({ probabilities, predicted: decide(probabilities, saved.labels, saved.thresholds) });
        before += examples.length;
      }
    } finally {
      loaded.model.dispose();
    }
    asked.push({ device, precision, parts: said });
  }
  return asked;
}

interface AskHooks {
  signal: AbortSignal | undefined;
  onProgress: (name: string, done: number, total: number) => void;
}

function isSame(a: Exam, b: Exam): boolean {
  if (a === b) return true;
  const same = ({ paper, label }: Exam['examples'][number], i: number) => {
    const other = b.examples[i]!;
    return paper.id === other.paper.id && paper.title === other.paper.title && label === other.label;
  };
  return a.examples.length === b.examples.length && a.examples.every(same);
}
