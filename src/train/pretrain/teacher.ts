import { closeSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ReadHooks } from '../../data/rows.js';
import { unlabelledPapers } from '../../data/unlabelled.js';
import { loadEngine, resolveDevice } from '../../engine.js';
import { ArxivNativeError, isOutOfMemory } from '../../errors.js';
import { checkFinite } from '../../evaluate/metrics.js';
import type { EncoderFiles } from '../../model/encoder.js';
import type { PlacementOptions } from '../../model/load.js';
import type { EngineModel } from '../../native.js';
import { cancelFlag, isCancelled } from '../../util/cancel.js';
import { fileError, writeFileSynced } from '../../util/files.js';

const STATES = 'teacher-states.bin';
const MADE_OF = 'teacher-states.key';

/** The names of what a teacher's states consist of on the disk. */
export const TEACHER_FILES = /^teacher-states\.(bin|key)$/;

const PAPERS_AT_ONCE = 64;
const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;

/** Another encoder, and how much of a paper it reads. */
export interface Teacher {
  encoder: EncoderFiles;
  /** Most tokens of a paper. */
  maxLength: number;
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
   * @param key names the papers and their order
   * @param papers how many there are
   * @throws BAD_INPUT, IO, CANCELLED, UNSUPPORTED, OUT_OF_MEMORY, NON_FINITE
   */
  static async prepare(
    folder: string,
    key: string,
    teacher: Teacher,
    sources: readonly string[],
    papers: number,
    placement: PlacementOptions,
    hooks: ReadHooks & { onTaught: (done: number, total: number) => void },
  ): Promise<TeacherStates> {
    const size = teacher.encoder.shape.hiddenSize;
    const file = join(folder, STATES);
    try {
      const handle = await openStates(folder, key);
      try {
        const whole = Math.floor((await handle.stat()).size / (size * FLOAT_BYTES));
        // Whole batches: in another company a paper's states differ in their last bits.
        const done = whole < papers ? whole - (whole % PAPERS_AT_ONCE) : papers;
        await handle.truncate(done * size * FLOAT_BYTES);
        if (done < papers) await addStates(handle, done, teacher, sources, papers, placement, hooks);
        await handle.sync();
      } finally {
        await handle.close();
      }
      return new TeacherStates(openSync(file, 'r'), size);
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
  if ((await readFile(madeOf, 'utf8').catch(() => undefined)) === key) return open(file, 'a+');
  await rm(madeOf, { force: true });
  await rm(file, { force: true });
  await writeFileSynced(madeOf, key);
  return open(file, 'a+');
}

async function addStates(
  handle: FileHandle,
  done: number,
  { encoder, maxLength }: Teacher,
  sources: readonly string[],
  papers: number,
  { device: asked = 'auto', precision: wanted = 'auto', threads = availableParallelism() }: PlacementOptions,
  { signal, onTaught }: ReadHooks & { onTaught: (done: number, total: number) => void },
): Promise<void> {
  const addon = loadEngine();
  const model = await addon.createModel({
    encoder: encoder.shape,
    ...resolveDevice(asked, wanted, addon),
    threads,
    seed: 0,
    deterministic: false,
    weights: encoder.tensors,
    mayInitialize: [],
  });
  const cancel = cancelFlag(signal);
  let taught = done;
  let running = Promise.resolve();
  try {
    const add = async (texts: number[][]) => {
      const states = await statesOf(model, texts, cancel.flag);
      await handle.appendFile(new Uint8Array(states.buffer));
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
  } catch (error) {
    if (!isCancelled(error)) throw error;
    const message = `stopped while the teacher was reading, after ${taught} of ${papers} papers`;
    throw new ArxivNativeError('CANCELLED', message, {
      cause: error,
      remedy: 'The same command goes on from there.',
    });
  } finally {
    await running.catch(() => {});
    cancel.release();
    model.dispose();
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
    checkFinite(states);
    return states;
  } catch (error) {
    if (!isOutOfMemory(error) || texts.length === 1) throw error;
    const half = Math.ceil(texts.length / 2);
    const first = await statesOf(model, texts.slice(0, half), cancel);
    const second = await statesOf(model, texts.slice(half), cancel);
    const states = new Float32Array(first.length + second.length);
    states.set(first);
    states.set(second, first.length);
    return states;
  }
}
