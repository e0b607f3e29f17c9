import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ArxivNativeError } from '../../errors.js';
import { hashFile } from '../../util/files.js';

/** The files of one direction. */
export interface ModelFiles {
  model: string;
  /** Which target words go with which source words. */
  shortlist: string;
  /** One for both languages, or one each. */
  vocabularies: string[];
}

/** The files of a model that a folder holds, told by Mozilla's names; undefined for one that is not there. */
export async function findModelFiles(folder: string): Promise<ModelFiles | undefined> {
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined) return undefined;
  const find = (pattern: RegExp) => names.filter(name => pattern.test(name)).map(name => join(folder, name));
  const [model] = find(/^model\..*\.bin$/);
  const [shortlist] = find(/^lex\..*\.bin$/);
  const shared = find(/^vocab\..*\.spm$/);
  const vocabularies =
    shared.length > 0 ? shared : [...find(/^srcvocab\..*\.spm$/), ...find(/^trgvocab\..*\.spm$/)];
  const missing = [
    ...(model === undefined ? ['model.*.bin'] : []),
    ...(shortlist === undefined ? ['lex.*.bin'] : []),
    ...(vocabularies.length === 0 ? ['vocab.*.spm'] : []),
  ];
  if (model !== undefined && shortlist !== undefined && missing.length === 0) {
    return { model, shortlist, vocabularies };
  }
  throw new ArxivNativeError('BAD_MODEL', `${folder}: no ${missing.join(', no ')}`, {
    remedy:
      'A folder of a Firefox Translations model holds its model, its shortlist (lex) and its vocabulary, unpacked.',
  });
}

/** What the files are: equal for equal content, wherever they lie. @throws IO, CANCELLED */
export async function contentOf(files: ModelFiles, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for (const file of [files.model, files.shortlist, ...files.vocabularies]) {
    hash.update(`${basename(file)} ${await hashFile(file, signal)}\n`);
  }
  return hash.digest('hex');
}
