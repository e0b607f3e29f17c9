import { SingleBar } from 'cli-progress';

/** Without a terminal, progress is one line this often. */
const LINE_INTERVAL_MS = 30_000;

interface ProgressOptions {
  /** What is counted, e.g. `papers`; `bytes` are shown as MB. */
  unit: string;
  /** How much there is in all; absent where it is not known beforehand (a stream). */
  total?: number;
  /** How much was done before: it does not count for the rate. */
  done?: number;
  stream?: NodeJS.WriteStream;
}

/** A bar on a terminal, a line every 30 s elsewhere: on stderr, so that stdout stays for results. */
export class Progress {
  private readonly startedAt = performance.now();
  private readonly stream: NodeJS.WriteStream;
  private readonly bar: SingleBar | undefined;
  private lastLineAt = this.startedAt;

  constructor(
    private readonly title: string,
    private readonly options: ProgressOptions,
  ) {
    this.stream = options.stream ?? process.stderr;
    if (!this.stream.isTTY) return;
    const format = options.total === undefined ? `${title} {text}` : `${title} [{bar}] {percentage}% {text}`;
    this.bar = new SingleBar({
      format,
      stream: this.stream,
      barsize: 24,
      hideCursor: false,
      clearOnComplete: true,
      stopOnComplete: false,
      // Ctrl-C belongs to the command, which may have work to save.
      gracefulExit: false,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
    });
    this.bar.start(options.total ?? 0, 0, { text: '' });
  }

  /** `done` counts from the start; `details` stand after the numbers, e.g. the loss. */
  update(done: number, details = ''): void {
    if (this.bar !== undefined) {
      this.bar.update(done, { text: this.describe(done, details) });
      return;
    }
    const now = performance.now();
    if (now - this.lastLineAt < LINE_INTERVAL_MS) return;
    this.lastLineAt = now;
    this.stream.write(`${this.title}: ${this.describe(done, details)}\n`);
  }

  /** Writes a line of its own, above the bar where there is one. */
  note(line: string): void {
    if (this.bar === undefined) {
      this.stream.write(`${line}\n`);
      return;
    }
    // Return to the line's start and erase it: the bar draws itself again at its next update.
    this.stream.write(`\r\x1b[K${line}\n`);
  }

  /** Takes the bar off the screen. */
  stop(): void {
    this.bar?.stop();
  }

  private describe(done: number, details: string): string {
    const { unit, total, done: before = 0 } = this.options;
    const count = (n: number) => (unit === 'bytes' ? (n / 1e6).toFixed(1) : String(n));
    const name = unit === 'bytes' ? 'MB' : unit;
    const seconds = (performance.now() - this.startedAt) / 1000;
    const rate = (done - before) / Math.max(seconds, 1e-3);
    const parts = [total === undefined ? `${count(done)} ${name}` : `${count(done)}/${count(total)} ${name}`];
    if (details !== '') parts.push(details);
    if (done > before) {
      parts.push(formatRate(rate, unit));
      if (total !== undefined) parts.push(`${formatDuration((total - done) / rate)} left`);
    }
    return parts.join(', ');
  }
}

/** One progress after another on the same stream: the next begins when another title comes. */
export class Stages {
  private current: { title: string; progress: Progress } | undefined;

  constructor(private readonly stream: NodeJS.WriteStream = process.stderr) {}

  /**
   * @param done what a stage begins with does not count for its rate
   * @param total 0 where it is not known; once it is reached the stage is over
   * @param details stand after the numbers
   */
  show(title: string, unit: string, done: number, total: number, details = ''): void {
    if (this.current?.title !== title) this.stop();
    this.current ??= { title, progress: this.begin(title, unit, done, total) };
    this.current.progress.update(done, details);
    if (done === total) this.stop();
  }

  /** Writes a line of its own, above the bar where there is one. */
  note(line: string): void {
    if (this.current) this.current.progress.note(line);
    else this.stream.write(`${line}\n`);
  }

  stop(): void {
    this.current?.progress.stop();
    this.current = undefined;
  }

  private begin(title: string, unit: string, done: number, total: number): Progress {
    return new Progress(title, { unit, done, ...(total > 0 && { total }), stream: this.stream });
  }
}

/** 12 steps/s, 1.5 steps/s, 4.2 s/step; of bytes 1.5 MB/s, 80 kB/s. @param unit in the plural */
export function formatRate(rate: number, unit: string): string {
  const short = (value: number) => value.toFixed(value < 9.95 ? 1 : 0);
  if (unit === 'bytes') {
    const [size, name] = rate < 1e3 ? [1, 'B'] : rate < 1e5 ? [1e3, 'kB'] : [1e6, 'MB'];
    return `${short(rate / size)} ${name}/s`;
  }
  return rate < 1 ? `${short(1 / rate)} s/${unit.replace(/s$/, '')}` : `${short(rate)} ${unit}/s`;
}

/** 42 s, 3 min 20 s, 1 h 05 min. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}
