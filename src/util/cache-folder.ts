import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ArxivNativeError } from '../errors.js';

/** Where this project keeps what can be had again: ARXIV_NATIVE_CACHE, or the platform's place for caches. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>, platform: string): string {
  if (env.ARXIV_NATIVE_CACHE) return resolve(env.ARXIV_NATIVE_CACHE);
  const home = env.HOME || homedir();
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'arxiv-native');
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'arxiv-native');
}

/** What went wrong within the cache; of reading and writing, how to choose another place is added to the remedy. */
export function inCache(error: unknown): unknown {
  if (!(error instanceof ArxivNativeError) || error.code !== 'IO') return error;
  const { message, remedy, cause } = error;
  const elsewhere = 'The variable ARXIV_NATIVE_CACHE names the folder of the cache.';
  return new ArxivNativeError('IO', message, {
    remedy: remedy === undefined ? elsewhere : `${remedy} ${elsewhere}`,
    cause,
  });
}
