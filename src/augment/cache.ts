import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { inCache } from '../util/cache-folder.js';
import { fileError } from '../util/files.js';

/**
 * What one translator said before, on the disk: a file of lines that only grows. Each line stands for itself and
 * carries a checksum, so a process that is killed while it writes spoils its last line alone, and several processes
 * may write to one file.
 */
export class TranslationCache {
  private pending: Promise<void> = Promise.resolve();
  private failure: unknown;

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    private readonly known: Map<string, string>,
  ) {}

  /**
   * @param folder where all translators' files lie
   * @param identity of the translator: whatever its words depend on
   * @throws IO
   */
  static async open(folder: string, identity: string): Promise<TranslationCache> {
    const path = join(folder, `${digest(identity)}.jsonl`);
    try {
      await mkdir(dirname(path), { recursive: true });
      const file = await open(path, 'a+');
      try {
        const { size } = await file.stat();
        const known = await readLines(path);
        const { buffer } = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
        // A line that was cut must not swallow the next one.
        if (size === 0) await file.write(`${JSON.stringify({ identity })}\n`);
        else if (buffer.toString() !== '\n') await file.write('\n');
        return new TranslationCache(path, file, known);
      } catch (error) {
        await file.close();
        throw error;
      }
    } catch (error) {
      throw inCache(fileError(error, `opening ${path}`));
    }
  }

  get(text: string): string | undefined {
    return this.known.get(digest(text));
  }

  /** Keeps a translation; it is on its way to the file when this returns. @throws IO if an earlier one could not be written */
  add(text: string, translation: string): void {
    if (this.failure !== undefined) throw inCache(fileError(this.failure, `writing ${this.path}`));
    const key = digest(text);
    if (this.known.has(key)) return;
    this.known.set(key, translation);
    const line = `${JSON.stringify([key, translation, checksum(key, translation)])}\n`;
    this.pending = this.pending
      .then(() => this.file.appendFile(line))
      .catch(error => {
        this.failure ??= error;
      });
  }

  /** Waits for all that was added. @throws IO if some of it could not be written */
  async close(): Promise<void> {
    await this.pending;
    await this.file.close();
    if (this.failure !== undefined) throw inCache(fileError(this.failure, `writing ${this.path}`));
  }
}

async function readLines(path: string): Promise<Map<string, string>> {
  const known = new Map<string, string>();
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (!line.startsWith('[')) continue;
    try {
      const [key, translation, sum] = JSON.parse(line) as [string, string, string];
      if (sum === checksum(key, translation)) known.set(key, translation);
    } catch {
      // Cut short: the sentence is translated again.
    }
  }
  return known;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

function checksum(key: string, translation: string): string {
  return digest(`${key}\n${translation}`).slice(0, 8);
}
