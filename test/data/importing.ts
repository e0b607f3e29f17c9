import { readFileSync, writeFileSync } from 'node:fs';
import { type ImportHooks, type ImportOptions, importPapers } from '../../src/data/import.js';
import { line, path } from './reading.js';

export type Fields = Record<string, unknown>;

/** Puts a file there and imports it. */
export function run(
  name: string,
  content: string | Uint8Array,
  options: Partial<ImportOptions> = {},
  hooks: ImportHooks = {},
) {
  writeFileSync(path(name), content);
  return importPapers([path(name)], { output: path('out.jsonl'), ...options }, hooks);
}

export const written = (): Fields[] =>
  readFileSync(path('out.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map(each => JSON.parse(each));

/** A record as Kaggle's snapshot has it. */
export function kaggle(fields: Fields = {}): Fields {
  return {
    id: '0704.0001',
    submitter: 'Pavel Nadolsky',
    authors: "C. Bal\\'azs, E. L. Berger",
    title: 'Calculation of prompt diphoton\n  production',
    comments: '37 pages, 15 figures',
    'journal-ref': 'Phys.Rev.D76:013009,2007',
    doi: '10.1103/PhysRevD.76.013009',
    'report-no': null,
    categories: 'hep-ph cs.AI',
    license: null,
    abstract: '  A fully differential\ncalculation is presented.\n',
    versions: [
      { version: 'v1', created: 'Mon, 2 Apr 2007 19:18:42 GMT' },
      { version: 'v12', created: 'Tue, 24 Jul 2007 20:10:27 GMT' },
    ],
    update_date: '2008-11-26',
    authors_parsed: [['Balázs', 'C.', '']],
    ...fields,
  };
}
export const of = (categories: string, id = categories) => kaggle({ id, categories });
export const lines = (...records: Fields[]) => records.map(line).join('');
/** Of what was written. */
export const ids = () => written().map(({ id }) => id);
