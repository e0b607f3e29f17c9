import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from '../util/cancel.js';
import { hashFile, StagedFolder, writeFileSynced } from '../util/files.js';
import { readJsonObject } from '../util/json.js';
import { checkOptions } from '../util/options.js';
import { writeLines } from '../util/output.js';
import { COPIES_FILES } from './copies.js';
import { SPLITS, type Split } from './paper.js';
import {
  checkSources,
  type Fingerprints,
  fingerprintOfAll,
  type PreparedDataset,
  partLines,
  prepareDataset,
} from './prepare.js';
import { PREPARE_TYPES, type PrepareOptions } from './prepare-options.js';
import type { ReadHooks } from './rows.js';
import { locate } from './zip.js';

/** What was done, beside the parts. */
export const RECORD = 'dataset.json';
const FORMAT_VERSION = 1;

export interface PrepareFolderOptions extends PrepareOptions {
  /** Files of papers: JSON lines or CSV, plain, .gz or .zip; `-` is standard input. */
  data: string | readonly string[];
  /** The folder that will hold train.jsonl, validation.jsonl, test.jsonl and dataset.json. */
  out: string;
  /** Replace a data set that stands in `out`. */
  force?: boolean | undefined;
}

/** What dataset.json holds: the data set but for its papers. */
export type DatasetRecord = Omit<PreparedDataset, 'parts'>;

export interface PrepareResult extends DatasetRecord {
  /** Absolute. */
  folder: string;
}

/** The file of a part. */
export function partFile(folder: string, part: Split): string {
  return join(folder, `${part}.jsonl`);
}

/** What may be read where data is at `source`: it itself and, if it is a folder, the files of its parts. */
export function filesOf(source: string): string[] {
  return [source, ...folderFiles(source).map(name => join(source, name))];
}

function folderFiles(folder: string): string[] {
  return [RECORD, ...SPLITS.map(part => basename(partFile(folder, part))), ...COPIES_FILES];
}

/**
 * Prepares papers as {@link prepareDataset} does and writes them as a folder, which appears once complete.
 * @throws ArxivNativeError as prepareDataset; BAD_OPTION for a folder that is taken; IO
 */
export async function prepare(options: PrepareFolderOptions, hooks: ReadHooks = {}): Promise<PrepareResult> {
  checkOptions(options, { ...PREPARE_TYPES, data: 'any', out: 'string', force: 'boolean' }, 'prepare');
  const { data, out, force = false, ...rest } = options;
  const paths = checkSources(data);
  if (out === undefined) {
    throw new ArxivNativeError('BAD_OPTION', 'prepare: there is no "out"', {
      remedy: 'Name the folder that will hold the data set.',
    });
  }
  const staged = await StagedFolder.create(out, {
    replace: force,
    isOurs: isPrepared,
    holds: folderFiles(out),
    what: 'a data set that was prepared here',
    name: 'data',
  });
  try {
    await refuseInside(staged.target, paths);
    const { parts, ...record } = await prepareDataset(paths, rest, hooks);
    for (const part of SPLITS) {
      await writeLines(partFile(staged.path, part), inBlocks(partLines(parts[part])), {
        force: false,
        signal: hooks.signal,
      });
    }
    throwIfCancelled(hooks.signal, `writing ${out}`);
    const json = { format_version: FORMAT_VERSION, ...record };
    await writeFileSynced(join(staged.path, RECORD), `${JSON.stringify(json, null, 2)}\n`);
    await staged.commit();
    return { folder: staged.target, ...record };
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/**
 * What a folder says of itself, once its parts are known to be those that were written; undefined for a folder that
 * somebody made.
 * @throws BAD_INPUT for a part that was changed, and a dataset.json that cannot be read; IO; CANCELLED
 */
export async function openPrepared(folder: string, signal?: AbortSignal): Promise<DatasetRecord | undefined> {
  const file = join(folder, RECORD);
  if (!existsSync(file)) return undefined;
  const remedy = `Prepare the data set again, or remove ${file} to have the files taken as they stand.`;
  const record = await readJsonObject(file, { code: 'BAD_INPUT', remedy });
  const { format_version, ...rest } = record as { format_version?: unknown } & Partial<DatasetRecord>;
  const { fingerprints, labels, rule, counts, leaks } = rest;
  if (format_version !== FORMAT_VERSION) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${file}: format_version is ${format_version}, not ${FORMAT_VERSION}`,
      {
        remedy,
      },
    );
  }
  if (!fingerprints || !rule || !counts || !leaks || !Array.isArray(labels)) {
    throw new ArxivNativeError('BAD_INPUT', `${file}: incomplete`, { remedy });
  }
  const found = {} as Fingerprints;
  for (const part of SPLITS) {
    found[part] = await hashFile(partFile(folder, part), signal);
    if (found[part] === fingerprints[part]) continue;
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${partFile(folder, part)}: changed since it was prepared: ${RECORD} has another fingerprint`,
      { remedy },
    );
  }
  return { ...(rest as DatasetRecord), fingerprints: { ...found, all: fingerprintOfAll(found) } };
}

async function isPrepared(folder: string): Promise<boolean> {
  const record = await readJsonObject(join(folder, RECORD), { code: 'BAD_INPUT', remedy: '' }).catch(
    () => undefined,
  );
  return record?.format_version !== undefined && record.fingerprints !== undefined;
}

/** What is replaced is removed: a file in it would be read and then lost. */
async function refuseInside(folder: string, paths: readonly string[]): Promise<void> {
  const target = await realpath(folder).catch(() => undefined);
  if (target === undefined) return;
  for (const path of paths) {
    if (path === '-') continue;
    const real = await realpath((await locate(path)).file).catch(() => undefined);
    if (real === undefined) continue;
    for (let at = dirname(real); at !== dirname(at); at = dirname(at)) {
      if (at !== target) continue;
      throw new ArxivNativeError('BAD_OPTION', `${path} lies in ${folder}, which would be replaced`, {
        remedy: 'Choose another folder with --out.',
      });
    }
  }
}

/** Lines by the thousand: one write each would take most of the time. */
async function* inBlocks(lines: Iterable<string>): AsyncGenerator<string> {
  let block: string[] = [];
  for (const line of lines) {
    block.push(line);
    if (block.length < 1000) continue;
    yield `${block.join('\n')}\n`;
    block = [];
  }
  if (block.length > 0) yield `${block.join('\n')}\n`;
}
