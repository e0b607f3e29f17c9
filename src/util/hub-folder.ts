import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where the Hub's own programs keep their token and, below hub/, their models: HF_HOME or the place for caches. */
export function hubHome(env: Readonly<Record<string, string | undefined>>): string {
  return env.HF_HOME || join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'huggingface');
}

/** The cache of models that every program of the Hub shares. */
export function hubFolder(env: Readonly<Record<string, string | undefined>>): string {
  return env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(hubHome(env), 'hub');
}
