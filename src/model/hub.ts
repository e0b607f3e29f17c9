import { join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { HttpStatusError, request, withRetries } from '../util/http.js';
import { download } from '../util/transfer.js';
import { CachedModel, type HubSettings, hubSettings, isCommit } from './hub-cache.js';
import { readWeightMap } from './tensor-file.js';

export interface HubOptions {
  /** Never connect: take what the cache holds. HF_HUB_OFFLINE says the same. */
  offline?: boolean | undefined;
  /** A branch, tag or commit; `main` if absent. */
  revision?: string | undefined;
  /** Bytes of one file on disk so far. Not called for what the cache holds. */
  onProgress?: ((progress: { file: string; received: number; total: number }) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** The first pause before another attempt; it doubles each time. */
  retryDelayMs?: number | undefined;
}

/** Where a model keeps its weights, by preference. */
export const WEIGHT_FILES = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
];
/** One of these must be there: the tokenizer, or the vocabulary of one; with vocab.json its merges.txt too. */
const TOKENIZER_FILES = ['tokenizer.json', 'vocab.txt', 'vocab.json'];

const MOST_REDIRECTS = 5;

/** `name` or `organisation/name`, as the Hub allows them. */
export function isHubId(text: string): boolean {
  return text.length <= 96 && /^\w[\w.-]*(\/\w[\w.-]*)?$/.test(text) && !/--|\.\./.test(text);
}

/** An encoder in the Hub's cache. */
interface FetchedEncoder {
  folder: string;
  /** The commit that every file is from. */
  revision: string;
  /** Makes sure of the weights; until then only the small files that describe the encoder are sure to be there. */
  fetchWeights(): Promise<void>;
}

/**
 * Fetches what describes an encoder (config.json, tokenizer) and, by `fetchWeights`, its weights from the Hub into the
 * Hub's own cache, all from one commit. What is there already is not fetched again, and a commit that is there whole
 * needs no connection. HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE and HTTPS_PROXY are honoured.
 *
 * @throws ArxivNativeError BAD_MODEL for an unknown or unfit model, NETWORK for a failed, refused or forbidden
 * connection, IO for a full disk, CANCELLED
 */
export async function fetchEncoder(id: string, options: HubOptions = {}): Promise<FetchedEncoder> {
  const model = HubModel.of(id, 'encoder', options);
  await model.fetchRequired('config.json');
  const tokenizer = await model.fetchOneOf(TOKENIZER_FILES, 'tokenizer');
  if (tokenizer === 'vocab.json') await model.fetchRequired('merges.txt');
  await model.fetch('tokenizer_config.json');
  return { folder: model.folder(), revision: model.commit!, fetchWeights: () => fetchWeights(model) };
}

/** Of a model in the Hub's cache, or on the way into it. */
export interface HubFiles {
  /** The commit that every file is from. */
  revision: string;
  /** Bytes that are yet to be fetched. */
  missing: number;
  /** Fetches them. @returns the folder */
  fetch(): Promise<string>;
}

/**
 * Looks up files of a model of any kind on the Hub, which are then fetched as an encoder's are.
 *
 * @param what it is called in messages, as in `translator`
 * @param required of each list the first that the model has
 * @param optional fetched where the model has them
 * @throws as {@link fetchEncoder}
 */
export async function findHubFiles(
  id: string,
  what: string,
  { required, optional }: { required: readonly (readonly string[])[]; optional: readonly string[] },
  options: HubOptions = {},
): Promise<HubFiles> {
  const model = HubModel.of(id, what, options);
  const names: string[] = [];
  let missing = 0;
  const find = async (name: string): Promise<boolean> => {
    const bytes = await model.missing(name);
    if (bytes === undefined) return false;
    names.push(name);
    missing += bytes;
    return true;
  };
  for (const choices of required) {
    let isFound = false;
    for (const name of choices) if (!isFound) isFound = await find(name);
    if (!isFound) throw model.lacks(`no ${choices.join(', no ')}`);
  }
  for (const name of optional) await find(name);
  const fetch = async () => {
    for (const name of names) await model.fetchRequired(name);
    return model.folder();
  };
  return { revision: model.commit!, missing, fetch };
}

async function fetchWeights(model: HubModel): Promise<void> {
  const weights = await model.fetchOneOf(WEIGHT_FILES, 'weights');
  if (!weights.endsWith('.json')) return;
  const shards = new Set((await readWeightMap(join(model.folder(), weights))).values());
  for (const shard of shards) await model.fetchRequired(shard);
}

/** What the Hub says about a file before it is fetched. */
interface FileInfo {
  commit: string | undefined;
  etag: string;
  size: number;
  /** Of files in large-file storage, whose etag it is. */
  sha256: string | undefined;
}

class HubModel {
  /** All files are taken from one commit: the one that the first of them had. */
  commit: string | undefined;
  private readonly cache: CachedModel;
  /** Whether the Hub has answered anything. */
  private reached = false;
  /** Why it never did. What the cache holds is then taken as it is. */
  private unreachable: ArxivNativeError | undefined;

  private constructor(
    private readonly id: string,
    /** What it is, in messages. */
    private readonly what: string,
    private readonly revision: string,
    private readonly options: HubOptions,
    private readonly settings: HubSettings,
  ) {
    this.cache = new CachedModel(settings.cacheFolder, id);
    if (isCommit(revision)) this.commit = revision;
  }

  static of(id: string, what: string, options: HubOptions): HubModel {
    const { revision = 'main' } = options;
    if (!/^\w[\w.-]*(\/\w[\w.-]*)*$/.test(revision) || revision.includes('..')) {
      throw new ArxivNativeError(
        'BAD_OPTION',
        `revision ${JSON.stringify(revision)} is no branch, tag or commit`,
      );
    }
    const settings = hubSettings();
    const offline = settings.offline || options.offline === true;
    return new HubModel(id, what, revision, options, { ...settings, offline });
  }

  folder(): string {
    return this.cache.snapshot(this.commit!);
  }

  async fetchOneOf(names: string[], what: string): Promise<string> {
    for (const name of names) if (await this.fetch(name)) return name;
    throw this.lacks(`no ${what} (${names.join(', ')})`);
  }

  async fetchRequired(name: string): Promise<void> {
    if (!(await this.fetch(name))) throw this.lacks(`no ${name}`);
  }

  /** Makes sure of one file. @returns whether the model has it */
  async fetch(name: string): Promise<boolean> {
    const found = await this.find(name);
    if (typeof found === 'object') await this.store(name, found);
    return found !== 'absent';
  }

  /** @returns bytes of a file that are yet to be fetched; undefined where the model lacks it */
  async missing(name: string): Promise<number | undefined> {
    const found = await this.find(name);
    if (found === 'absent') return undefined;
    // The first answer of the Hub says which commit to look for.
    if (found === 'cached' || (await this.cache.has(this.commit!, name))) return 0;
    return found.size;
  }

  private async find(name: string): Promise<FileInfo | 'cached' | 'absent'> {
    const offline = this.settings.offline || this.unreachable !== undefined;
    if (offline) this.commit ??= await this.cachedCommit();
    if (this.commit !== undefined) {
      const known = await this.cache.has(this.commit, name);
      if (known !== undefined) return known ? 'cached' : 'absent';
      if (offline) return 'absent';
    }
    const info = await this.ask(name);
    if (info === 'unreachable') return this.find(name);
    this.reached = true;
    if (info === 'absent') {
      if (this.commit === undefined) throw this.lacks(`no ${name}`);
      await this.cache.recordAbsent(this.commit, name);
      return info;
    }
    const { commit = this.commit } = info;
    if (commit === undefined || !isCommit(commit)) {
      throw this.unusable(`it does not say which commit ${name} belongs to (X-Repo-Commit)`);
    }
    this.commit ??= commit;
    return info;
  }

  private async store(name: string, { etag, size, sha256 }: FileInfo): Promise<void> {
    const commit = this.commit!;
    const { onProgress, signal, retryDelayMs } = this.options;
    const blob = this.cache.blob(etag);
    await download(this.url(name, commit), blob, {
      part: `${blob}.incomplete`,
      headers: this.headers(),
      size,
      sha256,
      signal,
      retryDelayMs,
      name: `${this.id}/${name}`,
      onProgress: onProgress && (progress => onProgress({ file: name, ...progress })),
    });
    await this.cache.link(commit, name, etag);
    await this.cache.recordCommit(this.revision, commit);
  }

  private async cachedCommit(): Promise<string> {
    const commit = await this.cache.commitOf(this.revision);
    if (commit !== undefined) return commit;
    throw new ArxivNativeError(
      'NETWORK',
      `${this.what} ${this.id} (${this.revision}) is not in the cache, and this is offline`,
      {
        remedy: `Run once without --offline and HF_HUB_OFFLINE, or copy the model into ${this.settings.cacheFolder}.`,
      },
    );
  }

  /**
   * Asks about a file. `unreachable` only if the Hub has never answered and there is a commit to look for in the cache,
   * which is then chosen.
   */
  private async ask(name: string): Promise<FileInfo | 'absent' | 'unreachable'> {
    const { signal, retryDelayMs } = this.options;
    try {
      return await withRetries(`looking up ${this.id}/${name}`, () => this.head(name), {
        signal,
        retryDelayMs,
      });
    } catch (error) {
      if (error instanceof HttpStatusError) return this.refused(error);
      const isConnection = error instanceof ArxivNativeError && error.code === 'NETWORK';
      if (!isConnection || this.reached) throw error;
      this.commit ??= await this.cache.commitOf(this.revision);
      if (this.commit === undefined) throw error;
      this.unreachable = error;
      return 'unreachable';
    }
  }

  /**
   * The Hub's own headers stand on its first answer: a redirect to the storage is not followed, one to another address
   * of the Hub (a renamed model) is.
   */
  private async head(name: string): Promise<FileInfo> {
    let url = this.url(name, this.commit ?? this.revision);
    let commit: string | undefined;
    for (let hops = 0; hops < MOST_REDIRECTS; hops++) {
      const { headers, status } = await request(url, {
        method: 'HEAD',
        redirect: 'manual',
        headers: this.headers(),
        signal: this.options.signal ?? null,
      });
      commit ??= headers.get('x-repo-commit') ?? undefined;
      const location = status >= 300 ? headers.get('location') : null;
      const target = location === null ? undefined : new URL(location, url);
      const linked = headers.get('x-linked-etag');
      if (linked !== null) return this.fileInfo(name, commit, linked, headers.get('x-linked-size'));
      if (!target) return this.fileInfo(name, commit, headers.get('etag'), headers.get('content-length'));
      if (target.origin !== new URL(url).origin) break;
      url = target.href;
    }
    throw this.unusable(`it redirects ${name} without saying what it is (X-Linked-Etag)`);
  }

  private fileInfo(
    name: string,
    commit: string | undefined,
    quotedTag: string | null,
    length: string | null,
  ): FileInfo {
    const etag = (quotedTag ?? '').replace(/^W\//, '').replaceAll('"', '');
    // It becomes a file's name.
    if (!/^[\w-][\w.-]*$/.test(etag) || !/^\d+$/.test(length ?? '')) {
      throw this.unusable(`it gives no etag or no size of ${name}`);
    }
    return { commit, etag, size: Number(length), sha256: /^[0-9a-f]{64}$/.test(etag) ? etag : undefined };
  }

  /** What a status of the Hub means. @returns `absent` for a file that the model lacks */
  private refused(error: HttpStatusError): 'absent' {
    const { endpoint, token } = this.settings;
    const code = error.headers.get('x-error-code') ?? '';
    const failure = (kind: 'BAD_MODEL' | 'NETWORK', message: string, remedy: string): ArxivNativeError =>
      new ArxivNativeError(kind, `${this.what} ${this.id}${message}`, { remedy, cause: error });
    if (code === 'RevisionNotFound') {
      const remedy = `Choose a branch, tag or commit that ${endpoint}/${this.id} has.`;
      throw failure('BAD_MODEL', ` has no revision ${this.revision}`, remedy);
    }
    // A mirror without error codes cannot mean the model once a file of it was found.
    const foundBefore = code === '' && this.commit !== undefined;
    if (error.status === 404 && (code === 'EntryNotFound' || foundBefore)) return 'absent';
    // Without a token, the Hub answers 401 for models that do not exist, too.
    if (error.status === 404 || code === 'RepoNotFound') {
      const remedy = 'Check the spelling (organisation/name); if the model is private, set HF_TOKEN.';
      throw failure('BAD_MODEL', `: ${endpoint} knows no such model`, remedy);
    }
    if (error.status === 401 || error.status === 403) {
      const remedy = `Ask for access at ${endpoint}/${this.id}, then set HF_TOKEN to a token that may read it.`;
      const why = token === undefined ? 'no token is set' : 'the token does not allow it';
      throw failure('NETWORK', ` is gated or private, and ${why}`, remedy);
    }
    throw failure(
      'NETWORK',
      `: ${error.message}`,
      'Try again later; if HF_ENDPOINT is set, check that it is a Hub.',
    );
  }

  private url(name: string, revision: string): string {
    const path = name.split('/').map(encodeURIComponent).join('/');
    return `${this.settings.endpoint}/${this.id}/resolve/${encodeURIComponent(revision)}/${path}`;
  }

  private headers(): Record<string, string> {
    return this.settings.token === undefined ? {} : { authorization: `Bearer ${this.settings.token}` };
  }

  lacks(what: string): ArxivNativeError {
    if (this.unreachable) return this.unreachable;
    const where = this.settings.offline ? 'in the cache, and this is offline' : 'of a kind that is read';
    return new ArxivNativeError('BAD_MODEL', `${this.what} ${this.id} has ${what} ${where}`, {
      remedy: this.settings.offline
        ? 'Run once without --offline and HF_HUB_OFFLINE.'
        : `Choose another ${this.what}, or convert this one and name its folder.`,
    });
  }

  private unusable(what: string): ArxivNativeError {
    return new ArxivNativeError('NETWORK', `${this.settings.endpoint} is no usable Hub: ${what}`, {
      remedy: 'Check HF_ENDPOINT.',
    });
  }
}
