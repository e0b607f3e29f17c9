import { createHash } from 'node:crypto';
import { ArxivNativeError } from '../../errors.js';
import { isCancelled } from '../../util/cancel.js';
import { counted, grouped } from '../../util/format.js';
import { withLock } from '../../util/lock.js';
import { checkOutput, writeLines } from '../../util/output.js';
import { formatDuration } from '../../util/progress.js';
import { type Paper, paperRecord } from '../paper.js';
import { apiPages } from './api.js';
import { Client } from './client.js';
import { Journal } from './journal.js';
import { type CategoryCount, Newest } from './newest.js';
import { oaiPages } from './oai.js';
import { checkFetchOptions, type FetchOptions, type FetchRequest, type Manners } from './options.js';
import type { Ask, Page, Window } from './page.js';

/** Before arXiv began. */
const EARLIEST = '1991-01-01';

export interface FetchProgress {
  category: string;
  /** Papers that count so far, and how many are wanted. */
  papers: number;
  wanted: number;
  /** Records that OAI-PMH has given of the category's list, and the list's length where it tells it. */
  records: number;
  listSize?: number | undefined;
}

export interface FetchHooks {
  signal?: AbortSignal | undefined;
  /** Before and after each request; not for what the journal holds. */
  onProgress?: ((progress: FetchProgress) => void) | undefined;
  /** Lines for a person: where the journal is, what is tried again, what was not found. */
  onNote?: ((line: string) => void) | undefined;
}

export interface FetchSummary {
  output: string;
  /** In the output. */
  papers: number;
  categories: CategoryCount[];
  /** Entries that had come before, in the same list or another. */
  duplicates: number;
  /** Entries without an id, a version, a date, a category or a text, which are left out. */
  partial: number;
  /** Of this call; what an earlier one had asked came from the journal. */
  requests: number;
  retries: number;
  seconds: number;
}

/**
 * Fetches the newest papers of some of arXiv's categories into a file of JSON lines, the newest first. Each line has
 * the paper's id, version, title, abstract, categories (the primary one first), times and DOI, and in `queries` the
 * categories in whose lists it was found.
 *
 * What arrives is kept page by page in a folder beside the output: the same call goes on from there, after a kill too,
 * and gives the file that it would have given undisturbed. Fewer papers than asked for are no error.
 *
 * @throws ArxivNativeError BAD_OPTION (also where nothing at all was found), BAD_INPUT for a damaged journal, NETWORK, IO,
 * CANCELLED on `signal`
 */
export async function fetchPapers(options: FetchOptions, hooks: FetchHooks = {}): Promise<FetchSummary> {
  const { request, manners } = checkFetchOptions(options);
  const { output, force = false } = options;
  if (!Journal.isComplete(output)) await checkOutput(output, { force });
  return withLock(
    Journal.folderOf(output),
    async signal => {
      const fetch = new Fetch(request, manners, { ...hooks, signal });
      return fetch.run(output, force);
    },
    {
      signal: hooks.signal,
      named: true,
      onWait: () => {
        throw new ArxivNativeError('BAD_OPTION', `another fetch is at work on ${output}`, {
          remedy: 'Wait for its end, or name another output.',
        });
      },
    },
  );
}

class Fetch {
  private readonly startedAt = performance.now();
  private readonly client: Client;
  private readonly newest: Newest;
  private journal!: Journal;
  private partial = 0;

  constructor(
    private readonly request: FetchRequest,
    private readonly manners: Manners,
    private readonly hooks: FetchHooks & { signal: AbortSignal },
  ) {
    this.newest = new Newest(request.categories, request.perCategory, request.count);
    this.client = new Client({
      pauseMs: manners.pauseMs,
      signal: hooks.signal,
      onRetry: ({ reason, delayMs }) => {
        // The whole query would fill three lines of a terminal.
        const said = reason.replace(/(https?:[^\s?]+)\?\S+/, '$1');
        hooks.onNote?.(`${said}; again in ${formatDuration(Math.ceil(delayMs / 1000))}`);
      },
    });
  }

  async run(output: string, force: boolean): Promise<FetchSummary> {
    this.journal = await Journal.open(output, this.request);
    const finished = await this.journal.isFinished(output);
    const { folder, begun, resumed } = this.journal;
    this.hooks.onNote?.(
      resumed ? `going on with the fetch of ${begun}, from ${folder}` : `journal: ${folder}`,
    );
    // The run that was killed may have asked a moment ago.
    if (resumed) this.client.rest();
    try {
      for (const category of this.request.categories) await this.collect(category);
    } catch (error) {
      const nothing = await this.journal.removeIfEmpty();
      throw isCancelled(error) ? this.interrupted(error, nothing) : error;
    }
    const { papers, categories } = this.newest.result();
    this.warn(categories);
    if (papers.length === 0) await this.refuseNothing();
    if (!finished) await this.write(papers, output, force);
    await this.journal.remove();
    return {
      output,
      papers: papers.length,
      categories,
      duplicates: this.newest.duplicates,
      partial: this.partial,
      requests: this.client.requests,
      retries: this.client.retries,
      seconds: Math.round((performance.now() - this.startedAt) / 100) / 10,
    };
  }

  private async collect(category: string): Promise<void> {
    const { via, perCategory } = this.request;
    let [records, listSize]: [number, number | undefined] = [0, undefined];
    const show = () =>
      this.hooks.onProgress?.({
        category,
        papers: this.newest.counted(category),
        wanted: perCategory,
        records,
        listSize,
      });
    let live = false;
    const ask: Ask = async (key, url, parse) => {
      const name = `${category} ${key}`;
      const next = () => this.journal.next<ReturnType<typeof parse>>(name);
      const known = await next();
      if (known !== undefined) return known;
      live = true;
      show();
      await this.journal.add(name, await this.client.get(`fetching ${category}`, url, parse));
      // Read back, the texts are no longer parts of the whole answer, which they would keep in memory.
      return (await next())!;
    };
    for await (const page of this.pages(category, ask)) {
      this.newest.add(category, page.papers);
      this.partial += page.partial;
      records += page.entries;
      listSize = page.listSize;
      if (via === 'api' && this.newest.counted(category) >= perCategory) break;
    }
    if (live) show();
  }

  private pages(category: string, ask: Ask): AsyncGenerator<Page & { listSize?: number | undefined }> {
    const { via } = this.request;
    const window = this.window();
    return via === 'api'
      ? apiPages(category, window, this.manners, ask)
      : oaiPages(category, window, this.manners, ask);
  }

  /** What appears after the beginning would push the pages of the API along. */
  private window(): Window {
    const { from, to } = this.request;
    const { begun } = this.journal;
    const end = `${to}T23:59:59Z`;
    return {
      from: `${from ?? EARLIEST}T00:00:00Z`,
      until: to !== undefined && end < begun ? end : begun,
    };
  }

  private async write(papers: Paper[], output: string, force: boolean): Promise<void> {
    const hash = createHash('sha256');
    for (const paper of papers) hash.update(lineOf(paper));
    await this.journal.finish(hash.digest('hex'));
    async function* lines() {
      for (const paper of papers) yield lineOf(paper);
    }
    await writeLines(output, lines(), { force, signal: this.hooks.signal });
  }

  private warn(categories: CategoryCount[]): void {
    const { perCategory } = this.request;
    for (const { category, papers } of categories) {
      if (papers < perCategory) {
        this.hooks.onNote?.(
          `warning: ${category}: there are only ${grouped(papers)} of ${counted(perCategory, 'paper')}`,
        );
      }
    }
  }

  private async refuseNothing(): Promise<never> {
    const { from, until } = this.window();
    await this.journal.remove();
    throw new ArxivNativeError(
      'BAD_OPTION',
      `there is no paper of ${this.request.categories.join(', ')} from ${from} to ${until}`,
      { remedy: 'Check the categories and the dates.' },
    );
  }

  private interrupted(cause: unknown, nothing: boolean): ArxivNativeError {
    if (nothing) {
      return new ArxivNativeError('CANCELLED', 'the fetch was interrupted before anything arrived', {
        cause,
      });
    }
    return new ArxivNativeError(
      'CANCELLED',
      `the fetch was interrupted; what has arrived is in ${this.journal.folder}`,
      {
        remedy: 'The same command goes on from there.',
        cause,
      },
    );
  }
}

function lineOf(paper: Paper): string {
  return `${JSON.stringify(paperRecord(paper))}\n`;
}
