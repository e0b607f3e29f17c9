import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { ArxivNativeError, type ErrorCode } from '../errors.js';
import { fileError } from './files.js';

/**
 * The JSON object that a file holds.
 *
 * @param failure what to throw for a file that is absent or holds something else
 * @throws ArxivNativeError with that code and remedy; IO where reading fails
 */
export async function readJsonObject(
  path: string,
  failure: { code: ErrorCode; remedy: string },
): Promise<Record<string, unknown>> {
  const fail = (what: string, cause?: unknown) =>
    new ArxivNativeError(failure.code, `${path}: ${what}`, { remedy: failure.remedy, cause });
  const bytes = await readFile(path).catch(error => {
    throw error.code === 'ENOENT'
      ? fail('there is no such file', error)
      : fileError(error, `reading ${path}`);
  });
  if (!isUtf8(bytes)) throw fail('not UTF-8');
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw fail(`not JSON (${(error as Error).message.slice(0, 120)})`, error);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw fail('expected a JSON object');
  }
  return value as Record<string, unknown>;
}
