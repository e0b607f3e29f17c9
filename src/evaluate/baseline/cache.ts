import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import type { Dataset } from '../../data/dataset.js';
import type { SparseModel } from '../../model/sparse-classifier.js';
import { beside, writeFileSynced } from '../../util/files.js';

/** Raise it with every change that gives other probabilities: what was trained before is then trained again. */
const METHOD = 1;

type Key = Pick<Dataset, 'fingerprint' | 'labels'>;

/** What a file holds after its own SHA-256: a value in the form of structured clones, which keeps typed arrays. */
interface Entry {
  method: number;
  model: SparseModel;
}

const DIGEST_BYTES = 32;

/** What was kept of this data set; undefined if that is nothing, another method's, or damaged. */
export async function readCached(
  cache: string,
  { fingerprint, labels }: Key,
): Promise<SparseModel | undefined> {
  const bytes = await readFile(fileOf(cache, fingerprint)).catch(() => undefined);
  if (bytes === undefined) return undefined;
  const content = bytes.subarray(DIGEST_BYTES);
  if (!digest(content).equals(bytes.subarray(0, DIGEST_BYTES))) return undefined;
  let entry: Entry;
  try {
    entry = deserialize(content);
  } catch {
    return undefined; // A later Node wrote it in a form of its own.
  }
  const fits = entry.method === METHOD && entry.model.labels.join('\n') === labels.join('\n');
  return fits ? entry.model : undefined;
}

/** Keeps it if it can be kept. */
export async function writeCached(cache: string, { fingerprint }: Key, model: SparseModel): Promise<void> {
  const file = fileOf(cache, fingerprint);
  const part = beside(file);
  const entry: Entry = { method: METHOD, model };
  const content = serialize(entry);
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFileSynced(part, Buffer.concat([digest(content), content]));
    await rename(part, file);
  } catch {
    await rm(part, { force: true }).catch(() => {});
  }
}

function fileOf(cache: string, fingerprint: string): string {
  return join(cache, 'baselines', fingerprint);
}

function digest(content: Uint8Array): Buffer {
  return createHash('sha256').update(content).digest();
}
