import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where this project keeps what can be had again: ARXIV_NATIVE_CACHE, or the platform's place for caches. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>, platform: string): string {
  if (env.ARXIV_NATIVE_CACHE) return resolve(env.ARXIV_NATIVE_CACHE);
  const home = env.HOME || homedir();
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'arxiv-native');
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'arxiv-native');
}
