import { join } from 'node:path';
import { COPIES, hasCopies, lockCopies, writeCopies } from '../data/copies.js';
import { type Copies, type Dataset, loadDataset } from '../data/dataset.js';
import { ArxivNativeError } from '../errors.js';
import { tryWriting } from '../util/output.js';
import type { AugmentHooks, MadeCopies } from './augment.js';

/** @throws IO where no copies can be put beside the splits of this folder: better known before any are made */
export async function requirePlace(folder: string): Promise<void> {
  await tryWriting(join(folder, COPIES));
}

/**
 * Puts copies beside the splits that they were made of, unless others were put there while they were made.
 *
 * @param labelColumn by which the data set was read
 * @param replace also where there are others
 * @returns the copies that lie there now; `isNew` if they are these
 * @throws BAD_INPUT if the data set is no longer the one that they were made of; as loading it throws; IO, CANCELLED
 */
export async function keepCopies(
  dataset: Dataset,
  { papers, record }: MadeCopies,
  { labelColumn, replace }: { labelColumn: string | undefined; replace: boolean },
  { signal, onProgress }: AugmentHooks,
): Promise<{ copies: Copies; isNew: boolean }> {
  const { source, labels, fingerprint } = dataset;
  const work = async (signal: AbortSignal) => {
    const copies = !replace && hasCopies(source);
    const now = await loadDataset(source, { seed: 0, labelColumn, copies }, { signal });
    if (now.fingerprint !== fingerprint) {
      throw new ArxivNativeError('BAD_INPUT', `${source}: the data changed while copies of it were made`, {
        remedy: 'Run the same command again: what was translated is kept, and only what is new takes time.',
      });
    }
    if (now.copies !== undefined) return { copies: now.copies, isNew: false };
    const full = await writeCopies(source, papers, record);
    return { copies: copiesOf(papers, labels, full), isNew: true };
  };
  return lockCopies(source, work, {
    signal,
    onWait: () => onProgress?.({ type: 'waiting', folder: source }),
  });
}

/** Copies in the form in which a data set has them. */
export function copiesOf(
  papers: MadeCopies['papers'],
  labels: readonly string[],
  record: NonNullable<Copies['record']>,
): Copies {
  const examples = papers.map(paper => ({ paper, label: labels.indexOf(paper.label) }));
  return { examples, fingerprint: record.fingerprint, record };
}
