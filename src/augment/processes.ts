import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ArxivNativeError, asArxivNativeError, type ErrorCode } from '../errors.js';
import { orCancelled } from '../util/cancel.js';
import type { Deliver, Translation } from './translator.js';

/** What goes to a process: first its setup, then one batch after the other. */
type Order = { setup: unknown } | { texts: string[] };
/** What comes back for each order. */
type Answer =
  | { ready: true }
  | { translations: Translation[] }
  | { error: { code: ErrorCode; message: string; remedy?: string | undefined } };

/** Of what a process wrote to standard error, so much is quoted when it breaks down. */
const LAST_WORDS = 2000;

/** One a thread, fewer where half of the memory that is free would not hold so many of these bytes; at least one. */
export function processesFor(threads: number, bytes: number): number {
  return Math.max(1, Math.min(threads, Math.floor(process.availableMemory() / 2 / bytes)));
}

/**
 * Translates batches in processes of their own, one batch each at a time. They are started by the first texts, as many
 * as there is work for, and end with the process that started them, however that ends.
 */
export class TranslatorProcesses {
  private readonly processes: TranslatorProcess[] = [];

  /**
   * @param script below src/augment, as in `bergamot/process.js`; it calls {@link serveTranslations}
   * @param setup what each of so many processes is started with, as JSON can carry it
   * @param most how many there may be
   * @param environment beside this process's own
   */
  constructor(
    private readonly script: string,
    private readonly setup: (count: number) => unknown,
    private readonly most: number,
    private readonly environment: Record<string, string> = {},
  ) {}

  /**
   * @param batches indices into `texts`, taken up in this order
   * @throws what the script's start throws; TRANSLATOR, CANCELLED; what was delivered by then stands
   */
  async translate(
    texts: readonly string[],
    batches: Iterable<readonly number[]>,
    deliver: Deliver,
    signal?: AbortSignal,
  ): Promise<void> {
    const work = [...batches];
    await this.start(Math.min(this.most, work.length), signal);
    const queue = work.values();
    let ended = false;
    const serve = async (each: TranslatorProcess) => {
      for (let next = queue.next(); !next.done && !ended && !signal?.aborted; next = queue.next()) {
        const batch = next.value;
        const answer = await each.ask({ texts: batch.map(i => texts[i]!) });
        if (ended || !('translations' in answer)) return;
        for (const [k, i] of batch.entries()) deliver(i, answer.translations[k]!);
      }
    };
    try {
      const all = Promise.all(this.processes.map(serve));
      await (signal ? orCancelled(all, signal, 'translating') : all);
    } finally {
      ended = true;
    }
  }

  /** Starts those that lack. */
  private async start(count: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.processes.length >= count) return;
    const setup = this.setup(count);
    const before = this.processes.length;
    while (this.processes.length < count) {
      this.processes.push(new TranslatorProcess(this.script, this.environment));
    }
    const started = Promise.all(this.processes.slice(before).map(each => each.ask({ setup })));
    await (signal ? orCancelled(started, signal, 'starting the translator') : started);
  }

  /** Ends those that were started, also where one did not start. */
  async close(): Promise<void> {
    await Promise.all(this.processes.map(each => each.end()));
  }
}

class TranslatorProcess {
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private lastWords = '';
  private pending: { resolve: (answer: Answer) => void; reject: (error: unknown) => void } | undefined;
  private failure: ArxivNativeError | undefined;

  constructor(script: string, environment: Record<string, string>) {
    // A process runs what was compiled, from wherever this file runs.
    const file = fileURLToPath(new URL(`../../dist/augment/${script}`, import.meta.url));
    this.child = fork(file, {
      env: { ...process.env, ...environment },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.lastWords = (this.lastWords + text).slice(-LAST_WORDS);
    });
    this.child.on('message', (answer: Answer) => this.settle(answer));
    this.ended = new Promise(resolve => {
      const end = (how: string) => {
        this.breakDown(how);
        resolve();
      };
      this.child.on('error', error => end(error.message));
      this.child.on('close', (exitCode, signal) => end(signal ?? `exit code ${exitCode}`));
    });
  }

  ask(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure);
      this.pending = { resolve, reject };
      this.child.send(order, error => {
        if (error) this.breakDown(error.message);
      });
    });
  }

  end(): Promise<void> {
    // It may be in the middle of a batch, deaf to anything gentler.
    this.child.kill('SIGKILL');
    return this.ended;
  }

  private settle(answer: Answer): void {
    const { pending } = this;
    this.pending = undefined;
    if ('error' in answer) {
      const { code, message, remedy } = answer.error;
      pending?.reject(new ArxivNativeError(code, message, remedy === undefined ? {} : { remedy }));
    } else pending?.resolve(answer);
  }

  private breakDown(how: string): void {
    const words = this.lastWords.trim();
    this.failure ??= new ArxivNativeError(
      'TRANSLATOR',
      `the translator's process ended (${how})${words === '' ? '' : `: ${words}`}`,
      {
        remedy:
          'What was translated before is kept: the same command goes on. Fewer --threads take less memory.',
      },
    );
    this.pending?.reject(this.failure);
    this.pending = undefined;
  }
}

/**
 * What a translator's process runs: loads by the setup, then translates what comes.
 *
 * @param start loads, and returns what translates a batch: one result for each text, in order
 */
export function serveTranslations<Setup>(
  start: (setup: Setup) => Promise<(texts: readonly string[]) => Promise<Translation[]>>,
): void {
  let translate: ((texts: readonly string[]) => Promise<Translation[]>) | undefined;
  const obey = async (order: { setup: Setup } | { texts: string[] }): Promise<Answer> => {
    if ('texts' in order) return { translations: await translate!(order.texts) };
    translate = await start(order.setup);
    return { ready: true };
  };
  process.on('message', async (order: { setup: Setup } | { texts: string[] }) => {
    const answer = await obey(order).catch((error: unknown): Answer => {
      const { code, message, remedy } = asArxivNativeError(error, 'TRANSLATOR', 'translating failed');
      return { error: { code, message, remedy } };
    });
    process.send!(answer);
  });
  process.on('disconnect', () => process.exit());
  // A terminal interrupts the whole group; the process that asks decides when this one ends.
  process.on('SIGINT', () => {});
}
