import { statSync } from 'node:fs';
import type { Dataset, Example } from '../data/dataset.js';
import { findChildren, mergeDuplicates } from '../data/duplicates.js';
import type { Split } from '../data/paper.js';
import { type ReadHooks, readRows } from '../data/rows.js';
import { ArxivNativeError } from '../errors.js';
import type { SavedModel } from '../model/saved-model.js';
import { counted, printable } from '../util/format.js';
import {
  countSeen,
  findOwnData,
  findOwnDataBeside,
  loadAsTrained,
  loadOwnData,
  type OwnData,
  type SeenPapers,
  trainingFacts,
} from './own-data.js';

/** Papers of a file or folder that take no part, by why. */
export interface LeftOut {
  /** Their label is none of the model's, or they have none. */
  otherLabels: number;
  duplicates: number;
  withdrawn: number;
  /** Title or abstract is missing. */
  empty: number;
  /** Copies of other papers, made to train on. */
  synthetic: number;
}

/** The papers that a model is examined by. */
export interface Exam {
  source: string;
  /** Absent where a bare file is taken as a whole. */
  split?: Split;
  /** Labels by the model's classes. */
  examples: Example[];
  leftOut: LeftOut;
  /** Of these papers; absent where the model's own data cannot be had. */
  seen?: SeenPapers;
  /** Papers that thresholds may be chosen by: of the same data, or of the model's own; absent where there are none. */
  validation?: readonly Example[];
  own: OwnData;
}

/**
 * Finds the papers to examine a model by: a part of its own data, a part of another prepared folder, or all papers of a
 * file.
 *
 * @param split `test` if absent, but for a file
 * @throws BAD_INPUT, also where the model's own data is asked for and gone or changed, and where no paper has a label of
 *   the model; IO; CANCELLED
 */
export async function openExam(
  saved: SavedModel,
  { data, split }: { data?: string | undefined; split?: Split | undefined },
  hooks: ReadHooks,
): Promise<Exam> {
  const [exam] = await openExams(saved, { data, splits: split && [split] }, hooks);
  return exam!;
}

export interface ExamsOptions {
  data?: string | undefined;
  /** An exam for each; `test` alone if absent, but for a file. */
  splits?: readonly Split[] | undefined;
}

/**
 * The same for several parts of the data, which is read once.
 *
 * @throws as {@link openExam} does
 */
export async function openExams(
  saved: SavedModel,
  { data, splits }: ExamsOptions,
  hooks: ReadHooks,
): Promise<Exam[]> {
  if (data !== undefined && splits === undefined && !isFolder(data)) {
    return [await openWhole(saved, data, hooks)];
  }
  const { dataset, own } = await findDataset(saved, data, hooks);
  return (splits ?? ['test']).map(split => partOf(saved, dataset, split, own));
}

/** The data that has the parts, and the model's own. */
async function findDataset(
  saved: SavedModel,
  data: string | undefined,
  hooks: ReadHooks,
): Promise<{ dataset: Dataset; own: OwnData }> {
  if (data === undefined || !isFolder(data)) {
    // A bare file has parts only as it was split to train this model.
    const dataset = await loadOwnData(saved, hooks, data);
    return { dataset, own: { dataset } };
  }
  const dataset = await loadAsTrained(saved, data, hooks);
  return { dataset, own: await findOwnDataBeside(dataset, saved, hooks) };
}

async function openWhole(saved: SavedModel, file: string, hooks: ReadHooks): Promise<Exam> {
  const found = await readWhole(saved, file, hooks);
  let own = await findOwnData(saved, hooks);
  if ('missing' in own) {
    // The file may be the very one that the model was trained on, moved.
    const same = await findOwnData(saved, hooks, file);
    if ('dataset' in same) own = same;
  }
  return { ...found, ...withOwn(found.examples, own) };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function partOf(saved: SavedModel, dataset: Dataset, split: Split, own: OwnData): Exam {
  const papers = dataset[split].map(({ paper }) => paper);
  const { examples, otherLabels } = labelled(saved, papers, dataset.source);
  const leftOut = { otherLabels, duplicates: 0, withdrawn: 0, empty: 0, synthetic: 0 };
  const validation = known(
    saved,
    dataset.validation.map(({ paper }) => paper),
  );
  return {
    source: dataset.source,
    split,
    examples,
    leftOut,
    ...withOwn(examples, own),
    ...(validation.length > 0 && { validation }),
  };
}

async function readWhole(
  saved: SavedModel,
  source: string,
  hooks: ReadHooks,
): Promise<Omit<Exam, 'own' | 'seen' | 'validation'>> {
  const labelColumn = trainingFacts(saved)?.data.rule?.labelColumn;
  const { rows, lost, withdrawn, empty } = await readRows([source], labelColumn, hooks);
  const { papers, children, byId, byTitle } = mergeDuplicates(findChildren(rows, lost));
  const { examples, otherLabels } = labelled(
    saved,
    papers.map(({ paper }) => paper),
    source,
  );
  const duplicates = byId + byTitle;
  return {
    source,
    examples,
    leftOut: { otherLabels, duplicates, withdrawn, empty, synthetic: children.length },
  };
}

/** The papers whose labels are the model's, by its classes. */
function known({ labels }: SavedModel, papers: readonly Example['paper'][]): Example[] {
  const index = new Map(labels.map((label, k) => [label, k]));
  return papers.flatMap(paper => {
    const label = index.get(paper.label);
    return label === undefined ? [] : [{ paper, label }];
  });
}

function labelled(saved: SavedModel, papers: readonly Example['paper'][], source: string) {
  const { labels } = saved;
  const examples = known(saved, papers);
  if (examples.length > 0) return { examples, otherLabels: papers.length - examples.length };
  const names = labels.slice(0, 8).map(printable).join(', ');
  throw new ArxivNativeError(
    'BAD_INPUT',
    `${source}: none of ${counted(papers.length, 'paper')} has a label that the model knows`,
    { remedy: `It tells apart: ${names}${labels.length > 8 ? ', …' : ''}.` },
  );
}

function withOwn(examples: readonly Example[], own: OwnData): Pick<Exam, 'own' | 'seen' | 'validation'> {
  if ('missing' in own) return { own };
  const papers = examples.map(({ paper }) => paper);
  return { own, seen: countSeen(papers, own.dataset), validation: own.dataset.validation };
}
