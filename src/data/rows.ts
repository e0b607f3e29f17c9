import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { throwIfCancelled } from '../util/cancel.js';
import { hashFile } from '../util/files.js';
import { baseId, hasOwnId, type Paper } from './paper.js';
import { readPapers } from './read.js';
import { isWithdrawn } from './withdrawn.js';
import { locate } from './zip.js';

/** One record of a source. */
export interface Row {
  paper: Paper;
  /** The file that it stood in, as given, or `stdin`. */
  source: string;
  /** Whether the file gives it an id; otherwise its id was made of file and line. */
  named: boolean;
  /** Its number among all rows. */
  index: number;
}

/** A file that papers were read from. */
export interface DataSource {
  /** As given. */
  path: string;
  /** Bytes, of an archive all of them; absent for a stream, which cannot be read twice. */
  size?: number;
  /** Of these bytes; absent for a stream. */
  sha256?: string;
}

export interface ReadProgress {
  source: string;
  /** Bytes read so far, before any unpacking. */
  received: number;
  /** Bytes in all; 0 where that is not known. */
  total: number;
}

export interface ReadHooks {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: ReadProgress) => void) | undefined;
}

/** The papers of several files that can be learned from, and what the others lack. */
export interface Reading {
  rows: Row[];
  sources: DataSource[];
  read: number;
  /** Says of itself that it was withdrawn. */
  withdrawn: number;
  /** Title or abstract is missing. */
  empty: number;
}

/**
 * Reads all papers of `paths` into memory.
 * @throws BAD_INPUT, IO as readPapers does; CANCELLED
 */
export async function readRows(
  paths: readonly string[],
  labelColumn: string | undefined,
  hooks: ReadHooks,
): Promise<Reading> {
  const reading: Reading = { rows: [], sources: [], read: 0, withdrawn: 0, empty: 0 };
  const names = shortNames(paths);
  for (const [i, path] of paths.entries()) {
    const source = await describeSource(path, hooks);
    reading.sources.push(source);
    for await (const paper of readSource(source, labelColumn, hooks)) {
      reading.read++;
      if (paper.title === '' || paper.abstract === '') reading.empty++;
      else if (isWithdrawn(paper)) reading.withdrawn++;
      else {
        const named = hasOwnId(paper);
        const id = named ? paper.id : `${names[i]}:${paper.line}`;
        const index = reading.rows.length;
        reading.rows.push({ paper: { ...paper, id }, source: path === '-' ? 'stdin' : path, named, index });
      }
    }
  }
  return reading;
}

/** What tells a row from others of its class wherever it stands: its id or, without one, its text. */
export function rowKey({ paper, named }: Row): string {
  return named ? baseId(paper.id) : `${paper.title}\n${paper.abstract}`;
}

/** `file:line` */
export function place({ paper, source }: Row): string {
  return `${source}:${paper.line}`;
}

async function* readSource(
  { path, size = 0 }: DataSource,
  labelColumn: string | undefined,
  { signal, onProgress }: ReadHooks,
): AsyncGenerator<Paper> {
  let received = 0;
  const onBytes = (bytes: number) => {
    received += bytes;
    onProgress?.({ source: path, received, total: size });
  };
  // Whoever writes to us may be silent for long.
  const close = () => process.stdin.destroy();
  if (path === '-') signal?.addEventListener('abort', close);
  try {
    for await (const paper of readPapers(path, { labelled: true, labelColumn, mayBeEmpty: true, onBytes })) {
      throwIfCancelled(signal, `reading ${path}`);
      yield paper;
    }
  } catch (error) {
    throwIfCancelled(signal, `reading ${path}`);
    throw error;
  } finally {
    signal?.removeEventListener('abort', close);
  }
  throwIfCancelled(signal, `reading ${path}`);
}

/** File names for ids: a repeated one is numbered. */
function shortNames(paths: readonly string[]): string[] {
  const names = paths.map(path => (path === '-' ? 'stdin' : basename(path)));
  return names.map((name, i) => {
    const before = names.slice(0, i).filter(each => each === name).length;
    return before === 0 ? name : `${name}-${before + 1}`;
  });
}

async function describeSource(path: string, { signal }: ReadHooks): Promise<DataSource> {
  throwIfCancelled(signal, `reading ${path}`);
  if (path === '-') return { path };
  const { file } = await locate(path);
  const info = await stat(file).catch(() => undefined);
  if (!info?.isFile()) return { path };
  return { path, size: info.size, sha256: await hashFile(file, signal) };
}
