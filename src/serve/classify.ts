import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readPapers } from '../data/read.js';
import { ArxivNativeError } from '../errors.js';
import { throwIfCancelled } from '../util/cancel.js';
import { writeLines } from '../util/output.js';
import type { Prediction, Predictor } from './predictor.js';

interface ClassifyOptions {
  /** Path of a .jsonl or .csv file (.gz or .zip of either), or `-` for `stdin`. */
  input: string;
  format?: 'jsonl' | 'csv' | undefined;
  /** Path of the file to write; without it the lines go to `stdout`. */
  output?: string | undefined;
  force: boolean;
  /**
   * How many probabilities a line holds, the largest first; all of them, in the order of the labels, without. A reader
   * should go by their names: JavaScript puts labels that are whole numbers ("0", "10") first, smallest first.
   */
  topK?: number | undefined;
  /** Called with the error of each bad line, which is then passed over; without it the first one is thrown. */
  onSkip?: ((error: ArxivNativeError) => void) | undefined;
  /** Called after each paper with the number of papers so far. */
  onProgress?: ((papers: number) => void) | undefined;
  signal: AbortSignal;
  stdin: Readable;
  stdout: Writable;
}

/**
 * Classifies the papers of a file, one JSON line each, in their order and in bounded memory. Resolves to how many
 * were classified and how many lines were passed over; no paper at all is a BAD_INPUT error.
 */
export async function classifyFile(
  predictor: Predictor,
  options: ClassifyOptions,
): Promise<{ papers: number; skipped: number }> {
  const { input, format, output, force, topK, onSkip, onProgress, signal, stdin, stdout } = options;
  const source = input === '-' ? 'stdin' : input;
  const counts = { papers: 0, skipped: 0 };
  const skip = (error: ArxivNativeError) => {
    counts.skipped++;
    onSkip?.(error);
  };
  const papers = readPapers(input, {
    labelled: false,
    input: stdin,
    ...(format && { format }),
    ...(onSkip && { onError: skip }),
  });

  async function* lines(): AsyncGenerator<string> {
    for await (const prediction of predictor.predictStream(papers, { signal })) {
      yield `${JSON.stringify(line(prediction, topK))}\n`;
      onProgress?.(++counts.papers);
    }
    if (counts.papers > 0) return;
    throw new ArxivNativeError('BAD_INPUT', `${source}: none of its ${counts.skipped} records is a paper`);
  }

  // A read from standard input can wait for ever; nothing but closing it ends that.
  const close = () => stdin.destroy();
  if (input === '-') signal.addEventListener('abort', close);
  try {
    if (output === undefined) await pipeline(lines(), stdout, { end: false });
    else await writeLines(output, lines(), { force, signal });
  } catch (error) {
    throwIfCancelled(signal, `classifying ${source}`);
    throw error;
  } finally {
    if (input === '-') close();
    signal.removeEventListener('abort', close);
  }
  return counts;
}

/** The document of one paper: its probabilities rounded to six places. */
export function line({ id, category, probabilities }: Prediction, topK?: number): Prediction {
  const all = Object.entries(probabilities).map(([label, p]) => [label, Math.round(p * 1e6) / 1e6] as const);
  const shown = topK === undefined ? all : all.sort(([, a], [, b]) => b - a).slice(0, topK);
  return { ...(id === undefined ? {} : { id }), category, probabilities: Object.fromEntries(shown) };
}
