import { statSync } from 'node:fs';
import { type AugmentHooks, type MadeCopies, makeCopies } from '../augment/augment.js';
import { copiesOf, keepCopies, requirePlace } from '../augment/keep-copies.js';
import { type CopiesRecord, fullRecord } from '../data/copies.js';
import { type Copies, copiesIn, type Dataset, type Example } from '../data/dataset.js';
import { ArxivNativeError } from '../errors.js';
import { isCancelled } from '../util/cancel.js';
import type { Recipe } from './recipe.js';
import type { TrainingRecord, TrainOptions } from './types.js';

/** Copies to train on, and what is recorded of them. */
export interface TrainedCopies {
  examples: readonly Example[];
  facts: { fingerprint: string; record?: Omit<CopiesRecord, 'drawn'> };
  /** Where they were made just now, and lie in no folder yet. */
  made?: MadeCopies;
}

/** Copies that a recipe asks for. */
type Wanted = Exclude<Recipe['augment'], 'none'>;

/**
 * Whether copies that lie beside the splits train too: as the options say, and otherwise if the recipe asks for some.
 */
export function wantsCopies({ augment }: Pick<Recipe, 'augment'>, options: TrainOptions): boolean {
  return options.augment ?? augment !== 'none';
}

/**
 * The copies that have to be made; undefined where none are wanted or some are there, where the recipe's class is not in
 * the data, and where copies stand among its training papers already.
 *
 * @param data read with its copies, if they are wanted
 * @throws BAD_OPTION where copies are asked for, and there are none, and the recipe does not say of what to make them
 */
export function copiesToMake(
  { copies, train, labels, source }: Dataset,
  { augment }: Recipe,
  options: TrainOptions,
): Wanted | undefined {
  if (!wantsCopies({ augment }, options) || copies !== undefined) return undefined;
  if (train.some(({ paper }) => paper.parent !== undefined)) return undefined;
  if (augment === 'none') {
    throw new ArxivNativeError('BAD_OPTION', `--augment: no copies lie beside ${source}`, {
      remedy: `${statSync(source).isDirectory() ? 'Make them first, with `arxiv-native augment`' : `Split it first, \`arxiv-native prepare ${source} --out FOLDER\`; then \`arxiv-native augment FOLDER\` and train on FOLDER`}; or choose a recipe that asks for some, as v5.0.`,
    });
  }
  return labels.includes(augment.category) ? augment : undefined;
}

/** Fingerprint of the copies that a training of this data learned from, where they are those that are wanted now. */
export function toldCopies(
  training: Pick<TrainingRecord, 'data'> | undefined,
  { fingerprint }: Dataset,
  wanted: Wanted,
): string | undefined {
  const { data } = training ?? {};
  const { record } = data?.copies ?? {};
  return data?.fingerprint === fingerprint && isWanted(record, wanted) ? data.copies!.fingerprint : undefined;
}

/**
 * The copies that lie beside the splits or, where some have to be made and there are none, new ones, which are put
 * there. Those of a bare file are taken from the folder of the run in progress, or made for it.
 *
 * @param data read with its copies, if they are wanted
 * @param wanted by {@link copiesToMake}
 * @param folder of the run in progress
 * @throws ArxivNativeError as making copies does, with the way to do without as its remedy
 */
export async function copiesFor(
  data: Dataset,
  wanted: Wanted | undefined,
  { threads, offline, labelColumn }: TrainOptions,
  folder: string,
  hooks: AugmentHooks,
): Promise<TrainedCopies | undefined> {
  if (wanted === undefined) return data.copies && trained(data.copies);
  const { source, labels } = data;
  const isFolder = statSync(source).isDirectory();
  const kept = isFolder ? undefined : await keptCopies(folder, data, wanted, hooks.signal);
  if (kept !== undefined) return trained(kept);
  try {
    if (isFolder) await requirePlace(source);
    const made = await makeCopies(data, wanted, { threads, offline }, hooks);
    if (!isFolder) {
      const { papers, record } = made;
      return { ...trained(copiesOf(papers, labels, fullRecord(papers, record))), made };
    }
    // Several trainings may make copies in one folder: all of them take those of the first.
    const { copies } = await keepCopies(data, made, { labelColumn, replace: false }, hooks);
    return trained(copies);
  } catch (error) {
    throw nameAlternative(error);
  }
}

/** Undefined also for copies that are damaged or others than those wanted: they are made anew. */
async function keptCopies(
  folder: string,
  data: Dataset,
  wanted: Wanted,
  signal: AbortSignal | undefined,
): Promise<Copies | undefined> {
  const kept = await copiesIn(folder, data, signal).catch(error => {
    if (isCancelled(error)) throw error;
    return undefined;
  });
  return isWanted(kept?.record, wanted) ? kept : undefined;
}

function isWanted(record: Omit<CopiesRecord, 'drawn'> | undefined, { category, samples }: Wanted): boolean {
  return record?.category === category && record.samples === samples;
}

function trained({ examples, fingerprint, record }: Copies): TrainedCopies {
  return { examples, facts: { fingerprint, ...(record && { record: withoutIds(record) }) } };
}

function withoutIds({ drawn, ...record }: CopiesRecord): Omit<CopiesRecord, 'drawn'> {
  return record;
}

function nameAlternative(error: unknown): unknown {
  if (!(error instanceof ArxivNativeError) || error.code === 'CANCELLED') return error;
  const { code, message, remedy, cause } = error;
  const without =
    'Or train without back-translated copies: --no-augment. `arxiv-native augment` makes them with other translators and languages.';
  return new ArxivNativeError(code, `the recipe's back-translated copies: ${message}`, {
    remedy: remedy === undefined ? without : `${remedy}\n${without}`,
    cause,
  });
}

/** How many examples there are of each class, by index. */
export function countByLabel(examples: readonly Example[], classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const { label } of examples) counts[label]!++;
  return counts;
}
