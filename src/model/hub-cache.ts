import { readFileSync } from 'node:fs';
import { mkdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { beside, fileError } from '../util/files.js';
import { HUB } from '../util/hosts.js';
import { hubFolder, hubHome } from '../util/hub-folder.js';

/** What the environment says about the Hub; the variables are huggingface_hub's own. */
export interface HubSettings {
  endpoint: string;
  cacheFolder: string;
  token: string | undefined;
  offline: boolean;
}

export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  return {
    endpoint: (env.HF_ENDPOINT || HUB).replace(/\/+$/, ''),
    cacheFolder: hubFolder(env),
    token: env.HF_TOKEN?.trim() || readToken(env.HF_TOKEN_PATH || join(hubHome(env), 'token')),
    offline: /^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? ''),
  };
}

/** What `huggingface-cli login` left. */
function readToken(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * One model in the Hub's cache: blobs/ETAG holds the files, snapshots/COMMIT/NAME are relative links to them,
 * refs/NAME the commit of a branch, .no_exist/COMMIT/NAME marks a file that the commit lacks.
 */
export class CachedModel {
  readonly folder: string;

  constructor(cacheFolder: string, id: string) {
    this.folder = join(cacheFolder, `models--${id.replaceAll('/', '--')}`);
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  blob(etag: string): string {
    return join(this.folder, 'blobs', etag);
  }

  /** The commit that a branch or tag had when it was last looked up. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const commit = await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => '');
    return isCommit(commit.trim()) ? commit.trim() : undefined;
  }

  async recordCommit(revision: string, commit: string): Promise<void> {
    if (revision !== commit)
      await this.place(join(this.folder, 'refs', revision), part => writeFile(part, commit));
  }

  /** Whether a snapshot has the file; undefined where that was never asked of the Hub. */
  async has(commit: string, name: string): Promise<boolean | undefined> {
    if (await exists(join(this.snapshot(commit), name))) return true;
    return (await exists(join(this.folder, '.no_exist', commit, name))) ? false : undefined;
  }

  async recordAbsent(commit: string, name: string): Promise<void> {
    await this.place(join(this.folder, '.no_exist', commit, name), part => writeFile(part, ''));
  }

  /** Puts a blob into a snapshot under its name. */
  async link(commit: string, name: string, etag: string): Promise<void> {
    const path = join(this.snapshot(commit), name);
    await this.place(path, part => symlink(relative(dirname(path), this.blob(etag)), part));
  }

  /** Several processes may do the same at once: each makes its own and renames it. */
  private async place(path: string, make: (part: string) => Promise<void>): Promise<void> {
    try {
      await mkdir(dirname(path), { recursive: true });
      const part = beside(path);
      await make(part);
      await rename(part, path);
    } catch (error) {
      throw fileError(error, `writing ${path}`);
    }
  }
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
