import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from '../util/cancel.js';
import { fileError, hashFile, writeFileSynced, writeWhole } from '../util/files.js';
import { readJsonObject } from '../util/json.js';
import { lockFiles, withLock } from '../util/lock.js';
import { baseId, isNumbered, type Paper, SPLITS, type Split, titleKey } from './paper.js';
import { partLines } from './prepare.js';
import { readPapers } from './read.js';

/** Copies of training papers, in a folder of splits. */
export const COPIES = 'augmented.jsonl';
/** How they were made. */
const COPIES_RECORD = 'augmented.json';
/** All that making copies may leave in a folder: the parts and the lock (a folder) where it was killed. */
export const COPIES_FILES = [
  ...[COPIES, COPIES_RECORD].flatMap(name => [name, `${name}.part`]),
  ...lockFiles(COPIES),
];

const FORMAT_VERSION = 1;

const AGAIN = 'Make the copies again: `arxiv-native augment` with --force; or remove the file.';

/** What augmented.json holds. */
export interface CopiesRecord {
  /** SHA-256 of augmented.jsonl. */
  fingerprint: string;
  /** Of the data set that the papers were drawn from. */
  dataset: string;
  category: string;
  /** Papers that were asked for; all that there are, where they are fewer. */
  samples: number;
  /** Decided which. */
  seed: number;
  /** Ids of the papers that were drawn, in that order. */
  drawn: string[];
  /** Languages that the abstracts went through; a copy each. */
  pivots: string[];
  /** What made the copies, by pivot. */
  translators: Record<string, string>;
  /** Whether abstracts went through whole, and not sentence by sentence. */
  whole: boolean;
  copies: number;
  /** Copies that were made and not kept, by what was wrong with them. */
  dropped: Record<string, number>;
}

/** Whether copies lie beside the splits of `folder`. */
export function hasCopies(folder: string): boolean {
  return existsSync(join(folder, COPIES));
}

interface ReadCopies {
  papers: Paper[];
  fingerprint: string;
  record?: CopiesRecord | undefined;
}

/** The data set that copies must be of. */
interface Original {
  parts: Record<Split, readonly Paper[]>;
  fingerprint: string;
}

/**
 * The copies that lie in `folder`; undefined if there are none.
 * @throws BAD_INPUT for copies whose record tells of other data; for a copy whose parent does not train, or stands in
 *   validation or test, or (without a record) is named by its line, where another may stand by now; for one without a
 *   parent or of another class or title than its parent's, without an abstract or (without a record) with its parent's
 *   or another copy's words; for a file that was changed since it was written; IO; CANCELLED
 */
export async function readCopies(
  folder: string,
  { parts, fingerprint: dataset }: Original,
  signal: AbortSignal | undefined,
): Promise<ReadCopies | undefined> {
  if (!hasCopies(folder)) return undefined;
  const file = join(folder, COPIES);
  const fingerprint = await hashFile(file, signal);
  const record = await readRecord(folder, fingerprint);
  if (record !== undefined && record.dataset !== dataset) {
    throw new ArxivNativeError('BAD_INPUT', `${file}: the copies are of other data`, { remedy: AGAIN });
  }
  const sides = new Map<string, Split>();
  const numbered = new Set(parts.train.filter(isNumbered).map(({ id }) => id));
  // Of a paper that stands on several sides the last one counts: it must not be trained on twice.
  for (const part of SPLITS) for (const { id } of parts[part]) sides.set(baseId(id), part);
  const rowKey = (id: string, label: string) => JSON.stringify([baseId(id), label]);
  const rows = new Map(parts.train.map(paper => [rowKey(paper.id, paper.label), paper]));
  const seen = new Set<string>();
  const papers: Paper[] = [];
  for await (const paper of readPapers(file, { labelled: true })) {
    throwIfCancelled(signal, `reading ${file}`);
    const bad = (what: string) =>
      new ArxivNativeError('BAD_INPUT', `${file}:${paper.line}: ${what}`, { remedy: AGAIN });
    if (paper.parent === undefined) throw bad('no "parent": of which paper is it a copy?');
    const side = sides.get(baseId(paper.parent));
    if (side === undefined) throw bad(`its parent ${paper.parent} is not among the papers`);
    if (side !== 'train')
      throw bad(`its parent ${paper.parent} stands in ${side}.jsonl: a copy may only train`);
    const row = rowKey(paper.parent, paper.label);
    const parent = rows.get(row);
    if (parent === undefined)
      throw bad(`its parent ${paper.parent} is not of its class ${JSON.stringify(paper.label)}`);
    if (record === undefined && numbered.has(baseId(paper.parent)))
      throw bad(
        `its parent ${paper.parent} is named by its line alone, and no ${COPIES_RECORD} tells of which data`,
      );
    if (titleKey(paper.title) !== titleKey(parent.title))
      throw bad(`its title is not that of its parent ${paper.parent}`);
    const words = titleKey(paper.abstract);
    if (words === '') throw bad('its abstract is empty');
    // Several languages may give the same words, which is known of copies that were made here.
    if (record === undefined && (words === titleKey(parent.abstract) || seen.has(`${row}\n${words}`)))
      throw bad(`it has the words of its parent ${paper.parent}, or of another copy of it`);
    seen.add(`${row}\n${words}`);
    papers.push({ ...paper, split: 'train' });
  }
  return { papers, fingerprint, record };
}

async function readRecord(folder: string, fingerprint: string): Promise<CopiesRecord | undefined> {
  const file = join(folder, COPIES_RECORD);
  if (!existsSync(file)) return undefined;
  const remedy = `Make the copies again: \`arxiv-native augment\` with --force; or remove ${file} to have them taken as they stand.`;
  const { format_version, ...record } = await readJsonObject(file, { code: 'BAD_INPUT', remedy });
  if (format_version === FORMAT_VERSION && record.fingerprint === fingerprint) {
    return record as unknown as CopiesRecord;
  }
  throw new ArxivNativeError(
    'BAD_INPUT',
    `${join(folder, COPIES)} is not as it was written: ${file} tells of another`,
    {
      remedy,
    },
  );
}

/**
 * Puts copies into `folder`, in place of any that are there. The record comes first, so that a process that is killed in
 * between leaves what nobody takes for complete. Where others may write too, call it within {@link lockCopies}.
 * @throws IO
 */
export async function writeCopies(
  folder: string,
  papers: readonly Paper[],
  record: Omit<CopiesRecord, 'fingerprint' | 'copies'>,
): Promise<CopiesRecord> {
  const file = join(folder, COPIES);
  const { content, full } = contentOf(papers, record);
  const json = JSON.stringify({ format_version: FORMAT_VERSION, ...full }, null, 2);
  try {
    await writeWhole(file, async part => {
      await writeFileSynced(part, content);
      await writeWhole(join(folder, COPIES_RECORD), each => writeFileSynced(each, `${json}\n`));
    });
    return full;
  } catch (error) {
    throw fileError(error, `writing ${file}`);
  }
}

/** The record that {@link writeCopies} writes. */
export function fullRecord(
  papers: readonly Paper[],
  record: Omit<CopiesRecord, 'fingerprint' | 'copies'>,
): CopiesRecord {
  return contentOf(papers, record).full;
}

function contentOf(papers: readonly Paper[], record: Omit<CopiesRecord, 'fingerprint' | 'copies'>) {
  const content = [...partLines(papers)].map(line => `${line}\n`).join('');
  const fingerprint = createHash('sha256').update(content).digest('hex');
  const full: CopiesRecord = { fingerprint, copies: papers.length, ...record };
  return { content, full };
}

/**
 * Runs `work` while no other process writes copies into `folder`.
 * @param onWait called once where another does
 * @throws IO, CANCELLED, and what `work` throws
 */
export async function lockCopies<T>(
  folder: string,
  work: (signal: AbortSignal) => Promise<T>,
  options: { signal?: AbortSignal | undefined; onWait?: (() => void) | undefined },
): Promise<T> {
  return withLock(join(folder, COPIES), work, { ...options, named: true });
}
