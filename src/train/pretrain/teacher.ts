import { closeSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReadHooks } from '../../data/rows.js';
import { unlabelledPapers } from '../../data/unlabelled.js';
import { loadEngine } from '../../engine.js';
import { ArxivNativeError, isOutOfMemory } from '../../errors.js';
import type { EncoderFiles } from '../../model/encoder.js';
import type { EngineModel, Precision } from '../../native.js';
import { cancelFlag, isCancelled } from '../../util/cancel.js';
import { fileError, requireSpace, writeFileSynced } from '../../util/files.js';
import { isLost } from '../work-folder.js';

export const STATES = 'teacher-states.bin';
const MADE_OF = 'teacher-states.key';

/** The names of what a teacher's states consist of on the disk. */
export const TEACHER_FILES = /^teacher-states\.(bin|key)$/;

const PAPERS_AT_ONCE = 64;
const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;

/** Another encoder, and how it reads. */
export interface Teacher {
  encoder: EncoderFiles;
  /** Most tokens of a paper. */
  maxLength: number;
  device: string;
  precision: Precision;
  threads: number;
}

/** A corpus as a teacher reads it: from its sources anew. */
export interface Reading {
  sources: readonly string[];
  /** How many papers they hold. */
  papers: number;
}

interface TeachingHooks extends ReadHooks {
  onTaught: (done: number, total: number) => void;
}

/** What another encoder makes of each paper of a corpus: the mean of its last states, in a file of their own. */
export class TeacherStates {
  private constructor(
    private readonly descriptor: number,
    /** Values a paper. */
    readonly size: number,
  ) {}

  /**
   * The states of a corpus: those that lie in the folder, the missing ones added. They are written as they are made, so
   * that what ends this early loses a moment's work.
   *
   * @param key names all that decides them: the content of the sources, the teacher, how it reads
   * @throws BAD_INPUT if the sources hold other papers than before, IO, CANCELLED, OUT_OF_MEMORY, NON_FINITE
   */
  static async prepare(
    folder: string,
    key: string,
    teacher: Teacher,
    reading: Reading,
    hooks: TeachingHooks,
  ): Promise<TeacherStates> {
    const size = teacher.encoder.shape.hiddenSize;
    try {
      const handle = await openStates(folder, key);
      try {
        const whole = Math.floor((await handle.stat()).size / (size * FLOAT_BYTES));
        // Whole batches: in another company a paper's states differ in their last bits.
        const done = whole < reading.papers ? whole - (whole % PAPERS_AT_ONCE) : reading.papers;
        await requireSpace(
          folder,
          (reading.papers - done) * size * FLOAT_BYTES,
          "Free some space: each paper's state takes four bytes for each of the teacher's hidden values.",
        );
        await handle.truncate(done * size * FLOAT_BYTES);
        if (done < reading.papers) await addStates(handle, done, teacher, reading, hooks);
      } finally {
        await handle.close();
      }
      return new TeacherStates(openSync(join(folder, STATES), 'r'), size);
    } catch (error) {
      throw (error as NodeJS.ErrnoException).syscall ? fileError(error, `writing ${folder}`) : error;
    }
  }

  /** Of papers at these indices, in this order: papers × size. Throws IO. */
  batch(indices: readonly number[]): Float32Array {
    const states = new Float32Array(indices.length * this.size);
    const bytes = this.size * FLOAT_BYTES;
    indices.forEach((index, i) => {
      let read: number;
      try {
        read = readSync(this.descriptor, states, i * bytes, bytes, index * bytes);
      } catch (error) {
        throw fileError(error, "reading the teacher's states");
      }
      if (read !== bytes)
        throw new ArxivNativeError('IO', "the file of the teacher's states has become shorter");
    });
    return states;
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/** The file that states are added to: empty, unless the one that is there was made of the same. */
async function openStates(folder: string, key: string): Promise<FileHandle> {
  const [file, madeOf] = [join(folder, STATES), join(folder, MADE_OF)];
  if ((await readFile(madeOf, 'utf8').catch(() => undefined)) === key) {
    const found = await open(file, 'r+').catch(() => undefined);
    if (found !== undefined) return found;
  }
  await rm(madeOf, { force: true });
  await writeFileSynced(file, '');
  await writeFileSynced(madeOf, key);
  return open(file, 'r+');
}

async function addStates(
  handle: FileHandle,
  done: number,
  { encoder, maxLength, device, precision, threads }: Teacher,
  { sources, papers }: Reading,
  { signal, onTaught }: TeachingHooks,
): Promise<void> {
  let taught = done;
  let running = Promise.resolve();
  const cancel = cancelFlag(signal);
  let model: EngineModel | undefined;
  try {
    model = await loadEngine().createModel({
      ...{ encoder: encoder.shape, weights: encoder.tensors, mayInitialize: [] },
      ...{ device, precision, threads, seed: 0, deterministic: false },
    });
    const engine = model;
    const add = async (texts: number[][]) => {
      const states = await statesOf(engine, texts, cancel.flag);
      // At its own place, not at the end: a process that has lost the folder may still write its last batch.
      await writeAt(handle, new Uint8Array(states.buffer), taught * encoder.shape.hiddenSize * FLOAT_BYTES);
      taught += texts.length;
      onTaught(taught, papers);
    };
    let texts: number[][] = [];
    let index = 0;
    for await (const { title, abstract } of unlabelledPapers(sources, { signal })) {
      if (index++ < done) continue;
      texts.push(encoder.tokenizer.encodeJoined(title, abstract, maxLength));
      if (texts.length < PAPERS_AT_ONCE && index < papers) continue;
      // Tokenized while the engine worked on those before.
      await running;
      running = add(texts);
      // Should reading the next papers throw, the engine's failure must not count as unhandled.
      running.catch(() => {});
      texts = [];
    }
    await running;
    if (index === papers) return;
    await handle.truncate(0);
    throw new ArxivNativeError('BAD_INPUT', 'the corpus changed while it was read', {
      remedy: 'Leave its files as they are, and begin anew.',
    });
  } catch (error) {
    throw explain(error, signal, `after ${taught} of ${papers} papers`);
  } finally {
    await running.catch(() => {});
    cancel.release();
    model?.dispose();
  }
}

/** texts × hidden size; in halves where memory does not suffice. */
async function statesOf(model: EngineModel, texts: number[][], cancel: Uint8Array): Promise<Float32Array> {
  const offsets = new Int32Array(texts.length + 1);
  texts.forEach(({ length }, i) => {
    offsets[i + 1] = offsets[i]! + length;
  });
  try {
    const states = await model.predict({ ids: Int32Array.from(texts.flat()), offsets }, cancel);
    if (states.every(Number.isFinite)) return states;
    throw new ArxivNativeError('NON_FINITE', "the teacher's states are not finite");
  } catch (error) {
    if (!isOutOfMemory(error) || texts.length === 1) throw error;
    const half = Math.ceil(texts.length / 2);
    const first = await statesOf(model, texts.slice(0, half), cancel);
    const second = await statesOf(model, texts.slice(half), cancel);
    return Float32Array.of(...first, ...second);
  }
}

/** All of it, and on the disk: how much is there says how far the teacher has come. */
async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const left = bytes.length - written;
    written += (await handle.write(bytes, written, left, position + written)).bytesWritten;
  }
  await handle.datasync();
}

/** @param where reads like "after 64 of 1000 papers" */
function explain(error: unknown, signal: AbortSignal | undefined, where: string): unknown {
  if (isLost(signal)) return signal!.reason;
  if (!(error instanceof ArxivNativeError)) return error;
  const { code, message, cause } = error;
  if (isCancelled(error))
    return new ArxivNativeError('CANCELLED', `stopped while the teacher was reading, ${where}`, { cause });
  const remedies: Partial<Record<string, string>> = {
    NON_FINITE:
      'Try --precision fp32. If that changes nothing, the weights are broken: name another teacher.',
    OUT_OF_MEMORY: 'Use a smaller --teacher-length, or a smaller teacher.',
  };
  const remedy = remedies[code];
  if (remedy === undefined) return error;
  return new ArxivNativeError(code, `the teacher, ${where}: ${message}`, { cause, remedy });
}
