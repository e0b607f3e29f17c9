import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ArxivNativeError } from '../../errors.js';
import { fileError, syncPath, writeFileSynced } from '../../util/files.js';
import { readJsonObject } from '../../util/json.js';
import { show } from '../../util/options.js';
import { hashOfLines } from '../../util/output.js';
import { paperFromFields, paperRecord } from '../paper.js';
import type { FetchRequest } from './options.js';
import type { Page } from './page.js';

const FORMAT = 1;
const REQUEST = 'request.json';
const DONE = 'done.json';
const OWN = /^(request|done|page-\d{6})\.json(\.part)?$/;

/**
 * The pages that have arrived, one file each, in a hidden folder beside the output. Each file is complete or absent.
 * Whoever asks for the same pages in the same order gets them from here first, so that a fetch that was killed goes on
 * by running again from its beginning. Without a page it is nobody's.
 */
export class Journal {
  /** How many pages were given. */
  private pages = 0;

  private constructor(
    readonly folder: string,
    /** When the fetch began, in ISO 8601: what was submitted later does not belong to it. */
    readonly begun: string,
    /** Whether it was begun by an earlier run. */
    readonly resumed: boolean,
  ) {}

  static folderOf(output: string): string {
    return join(dirname(output), `.${basename(output)}.fetch`);
  }

  /** Whether all pages have arrived: the output may be there, and be ours. */
  static isComplete(output: string): boolean {
    return [REQUEST, DONE].every(name => existsSync(join(Journal.folderOf(output), name)));
  }

  private static hasPages(folder: string): boolean {
    return existsSync(join(folder, pageName(1)));
  }

  /** @throws BAD_OPTION where the journal is another request's, BAD_INPUT where it is damaged, IO */
  static async open(output: string, request: FetchRequest): Promise<Journal> {
    const folder = Journal.folderOf(output);
    // Without a request it was just begun, or is almost removed.
    if (!existsSync(join(folder, REQUEST)) || !Journal.hasPages(folder)) {
      const begun = `${new Date().toISOString().slice(0, 19)}Z`;
      const journal = new Journal(folder, begun, false);
      await journal.onDisk(async () => {
        await removeOwn(folder);
        await mkdir(folder);
        await syncPath(dirname(folder));
      });
      await journal.write(REQUEST, { format: FORMAT, begun, request });
      return journal;
    }
    const header = await readJsonObject(join(folder, REQUEST), { code: 'BAD_INPUT', remedy: begin(folder) });
    if (header.format !== FORMAT || typeof header.begun !== 'string') {
      const message = `${folder} is the journal of another version of this program`;
      throw new ArxivNativeError('BAD_INPUT', message, { remedy: begin(folder) });
    }
    refuseOther(folder, header.request as FetchRequest, request);
    return new Journal(folder, header.begun, true);
  }

  /** The next page, if it has arrived before. */
  async next<P extends Page>(key: string): Promise<P | undefined> {
    const file = join(this.folder, pageName(this.pages + 1));
    if (!existsSync(file)) return undefined;
    const { key: found, page } = await this.read(file);
    if (found !== key) {
      const message = `${file} holds the page ${show(found)}; expected ${show(key)}`;
      throw new ArxivNativeError('BAD_INPUT', message, { remedy: begin(this.folder) });
    }
    this.pages++;
    const { papers, ...rest } = page as { papers: Record<string, unknown>[] };
    return {
      ...rest,
      papers: papers.map((fields, i) =>
        paperFromFields(fields, { source: file, line: i + 1 }, { labelled: false }),
      ),
    } as unknown as P;
  }

  /** Adds the page that `next` did not have, and gives next. It is on the disk when this returns. */
  async add(key: string, page: Page): Promise<void> {
    await this.write(pageName(this.pages + 1), {
      key,
      page: { ...page, papers: page.papers.map(paperRecord) },
    });
  }

  /** Notes what the output will be, before it takes its name. */
  async finish(sha256: string): Promise<void> {
    await this.write(DONE, { sha256 });
  }

  /** Whether the output is what this fetch has made: then it was killed at the very end. */
  async isFinished(output: string): Promise<boolean> {
    if (!Journal.isComplete(output) || !existsSync(output)) return false;
    return (await this.read(join(this.folder, DONE))).sha256 === (await hashOfLines(output));
  }

  /** Removes it if no page has arrived, and says whether that was so. */
  async removeIfEmpty(): Promise<boolean> {
    const isEmpty = !Journal.hasPages(this.folder);
    if (isEmpty) await this.remove();
    return isEmpty;
  }

  async remove(): Promise<void> {
    await this.onDisk(async () => {
      // Without it, what else may stay for a kill in between means nothing.
      await rm(join(this.folder, REQUEST), { force: true });
      await removeOwn(this.folder);
    });
  }

  private read(file: string): Promise<Record<string, unknown>> {
    return readJsonObject(file, { code: 'BAD_INPUT', remedy: begin(this.folder) });
  }

  private async write(name: string, content: unknown): Promise<void> {
    const file = join(this.folder, name);
    await this.onDisk(async () => {
      await writeFileSynced(`${file}.part`, JSON.stringify(content));
      await rename(`${file}.part`, file);
      await syncPath(this.folder);
    });
  }

  private async onDisk(work: () => Promise<void>): Promise<void> {
    await work().catch(error => {
      throw fileError(error, `writing ${this.folder}`);
    });
  }
}

/** What somebody else has put there stays, and is an error that says so. */
async function removeOwn(folder: string): Promise<void> {
  const names = existsSync(folder) ? await readdir(folder) : [];
  for (const name of names) if (OWN.test(name)) await rm(join(folder, name));
  if (existsSync(folder)) await rmdir(folder);
}

function pageName(number: number): string {
  return `page-${String(number).padStart(6, '0')}.json`;
}

function begin(folder: string): string {
  return `Remove what an earlier fetch has left and begin anew: rm -r ${folder}`;
}

const NAMES: Record<keyof FetchRequest, string> = {
  via: 'via',
  categories: 'categories',
  perCategory: 'papers per category',
  count: 'count',
  from: 'from',
  to: 'to',
};

function refuseOther(folder: string, theirs: FetchRequest, ours: FetchRequest): void {
  const told = (value: unknown) => (value === undefined ? 'none' : String(value));
  const differences = (Object.keys(NAMES) as (keyof FetchRequest)[])
    .filter(name => told(theirs[name]) !== told(ours[name]))
    .map(name => `${NAMES[name]} ${told(theirs[name])} there, ${told(ours[name])} here`);
  if (differences.length === 0) return;
  throw new ArxivNativeError(
    'BAD_OPTION',
    `${folder} holds what an unfinished fetch of another kind has got (${differences.join('; ')}), and is not mixed with this one`,
    { remedy: `Repeat that command to finish it, name another output, or give it up: rm -r ${folder}` },
  );
}
