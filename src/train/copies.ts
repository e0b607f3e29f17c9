import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { type AugmentEvent, makeCopies } from '../augment/augment.js';
import { type CopiesRecord, writeCopies } from '../data/copies.js';
import type { Dataset, Example } from '../data/dataset.js';
import { partLines } from '../data/prepare.js';
import { ArxivNativeError } from '../errors.js';
import type { Recipe } from './recipe.js';
import type { TrainOptions } from './types.js';

/** Copies to train on, and what is recorded of them. */
export interface TrainedCopies {
  examples: Example[];
  facts: { fingerprint: string; record?: Omit<CopiesRecord, 'drawn'> };
}

interface Hooks {
  signal?: AbortSignal | undefined;
  onProgress?: ((event: AugmentEvent) => void) | undefined;
}

/**
 * Whether copies that lie beside the splits train too: as the options say, and otherwise if the recipe asks for some.
 */
export function wantsCopies({ augment }: Pick<Recipe, 'augment'>, options: TrainOptions): boolean {
  return options.augment ?? augment !== 'none';
}

/**
 * The copies that lie beside the splits or, where the recipe asks for some and there are none, new ones, which are put
 * there; those of a bare file are made in memory, each time the same. None where the recipe's class is not in the data,
 * or copies stand among its training papers already.
 *
 * @param data read with its copies, if they are wanted
 * @throws ArxivNativeError as making copies does, with the way to do without as its remedy; BAD_OPTION where copies are
 *   asked for, and there are none, and the recipe does not say of what to make them
 */
export async function copiesFor(
  data: Dataset,
  { augment }: Recipe,
  options: TrainOptions,
  hooks: Hooks,
): Promise<TrainedCopies | undefined> {
  if (!wantsCopies({ augment }, options)) return undefined;
  if (data.copies !== undefined) {
    const { examples, fingerprint, record } = data.copies;
    return { examples, facts: { fingerprint, ...(record && { record: withoutIds(record) }) } };
  }
  if (data.train.some(({ paper }) => paper.parent !== undefined)) return undefined;
  if (augment === 'none') {
    throw new ArxivNativeError('BAD_OPTION', `--augment: no copies lie beside ${data.source}`, {
      remedy: 'Make them first, with `arxiv-native augment`, or choose a recipe that asks for some, as v5.0.',
    });
  }
  if (!data.labels.includes(augment.category)) return undefined;
  const { threads, offline } = options;
  try {
    const { papers, record } = await makeCopies(data, augment, { threads, offline }, hooks);
    const label = data.labels.indexOf(augment.category);
    const full = statSync(data.source).isDirectory()
      ? await writeCopies(data.source, papers, record)
      : { ...record, copies: papers.length, fingerprint: fingerprintOf([...partLines(papers)]) };
    const examples = papers.map(paper => ({ paper, label }));
    return { examples, facts: { fingerprint: full.fingerprint, record: withoutIds(full) } };
  } catch (error) {
    throw nameAlternative(error);
  }
}

function withoutIds({ drawn, ...record }: CopiesRecord): Omit<CopiesRecord, 'drawn'> {
  return record;
}

/** As of a file of these lines. */
function fingerprintOf(lines: readonly string[]): string {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(`${line}\n`);
  return hash.digest('hex');
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
