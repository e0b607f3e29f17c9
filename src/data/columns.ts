import { ArxivNativeError } from '../errors.js';
import { didYouMean, show } from '../util/options.js';

/** What a column may be taken for: the fields of a paper. */
const TARGETS = [
  'id',
  'version',
  'title',
  'abstract',
  'category',
  'categories',
  'label',
  'published',
  'updated',
  'doi',
  'comment',
  'queries',
  'parent',
  'split',
] as const;

/** Of fields of a paper, the columns (or fields of JSON) that hold them, where those have other names. */
export type Columns = Partial<Record<(typeof TARGETS)[number], string>>;

/**
 * `title=Titel,abstract=Summary` as an object. A comma parts two of them only where a name and `=` follow, so that a
 * column's own name may hold commas.
 * @throws BAD_OPTION for a part without `=` and for a field that is named twice
 */
export function parseColumns(text: string): Record<string, string> {
  const columns = new Map<string, string>();
  for (const part of text.split(/,(?=[^,=]*=)/)) {
    const [, target, column] = /^([^=]*)=(.*)$/s.exec(part)?.map(each => each.trim()) ?? [];
    if (!target || !column) {
      throw new ArxivNativeError('BAD_OPTION', `${JSON.stringify(part)} names no column`, {
        remedy: 'Write FIELD=COLUMN, with commas between: title=Titel,abstract=Summary',
      });
    }
    if (columns.has(target)) {
      throw new ArxivNativeError('BAD_OPTION', `two columns are given for "${target}"`);
    }
    columns.set(target, column);
  }
  return Object.fromEntries(columns);
}

/** @throws BAD_OPTION for a field that papers do not have, naming the nearest, and a column that is no name */
export function checkColumns(columns: unknown): asserts columns is Columns {
  if (columns === null || typeof columns !== 'object') {
    throw new ArxivNativeError('BAD_OPTION', `"columns" must be an object, not ${show(columns)}`);
  }
  for (const [target, column] of Object.entries(columns)) {
    if (!(TARGETS as readonly string[]).includes(target)) {
      throw new ArxivNativeError('BAD_OPTION', `papers have no "${target}" that a column could hold`, {
        remedy: didYouMean(target, TARGETS),
      });
    }
    if (typeof column !== 'string' || column.trim() === '') {
      throw new ArxivNativeError('BAD_OPTION', `the column for "${target}" must be a name`);
    }
  }
}

/**
 * The fields of a record under the names that papers have; a column keeps its own name too.
 * @throws BAD_INPUT where there is no such column for title or abstract, which no paper can lack
 */
export function rename(
  fields: Record<string, unknown>,
  columns: Columns,
  where: string,
): Record<string, unknown> {
  const renamed = { ...fields };
  for (const [target, column] of Object.entries(columns)) {
    if (Object.hasOwn(fields, column)) renamed[target] = fields[column];
    else if (target === 'title' || target === 'abstract') {
      throw new ArxivNativeError('BAD_INPUT', `${where}: no "${column}" for the ${target}`, {
        remedy: didYouMean(column, Object.keys(fields)),
      });
    } else delete renamed[target];
  }
  return renamed;
}
