import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import { fileError, writeFileSynced } from '../util/files.js';
import { readSafetensors, safetensorsBytes } from './safetensors.js';
import { SparseClassifier, type SparseModel } from './sparse-classifier.js';

/** The words themselves, and the numbers about them, in the folder of a saved model. */
export const WORDS = 'words.json';
export const WORD_WEIGHTS = 'words.safetensors';

/** What a model knows of words, beside its encoder. */
export interface Words {
  classifier: SparseClassifier;
  scales: Scales;
}

/** What the logits of encoder and words are multiplied by before they are added up to the model's; at least 0. */
export interface Scales {
  encoder: number;
  words: number;
}

/** What config.json says of the words. */
export interface WordsShape {
  words: number;
  /** Of neighbouring words. */
  pairs: number;
  scales: Scales;
}

/** What encoder and words count for beside each other. */
export function scalesText({ encoder, words }: Scales): string {
  return `the logits are ${encoder.toFixed(2)} times the encoder's plus ${words.toFixed(2)} times the words'`;
}

const REMEDY = 'Copy the whole folder again from where it was trained, or train again.';

export function wordsShape({ classifier, scales }: Words): WordsShape {
  const { words, pairs } = classifier.model.vocabulary;
  return { words: words.length, pairs: pairs.length / 2, scales };
}

/**
 * Writes WORDS and WORD_WEIGHTS into a folder. IDF and weights are stored as bfloat16: see {@link toBfloat16}.
 *
 * @throws Error of the file system
 */
export async function writeWords(folder: string, { classifier }: Words): Promise<void> {
  const { labels, vocabulary, idf, weights, bias } = classifier.model;
  const shapes = tensorShapes(vocabulary.words.length, vocabulary.pairs.length / 2, labels.length);
  const bytes = {
    pairs: bytesOf(vocabulary.pairs),
    bias: bytesOf(bias),
    idf: bytesOf(toBfloat16(idf)),
    weights: bytesOf(toBfloat16(weights)),
  };
  const tensors = Object.entries(shapes).map(([name, shape]) => [
    name,
    { ...shape, bytes: bytes[name as keyof typeof bytes] },
  ]);
  await writeFileSynced(join(folder, WORDS), `${JSON.stringify(vocabulary.words)}\n`);
  await writeFileSynced(join(folder, WORD_WEIGHTS), safetensorsBytes(Object.fromEntries(tensors)));
}

/**
 * Reads what writeWords wrote.
 *
 * @throws ArxivNativeError BAD_MODEL that names the file and what is wrong with it
 */
export async function readWords(
  folder: string,
  { words: count, pairs, scales }: WordsShape,
  labels: readonly string[],
): Promise<Words> {
  const file = join(folder, WORD_WEIGHTS);
  const words = checkWords(await readList(join(folder, WORDS)), count, join(folder, WORDS));
  const bytes = await readSafetensors(file, tensorShapes(count, pairs, labels.length));
  const model: SparseModel = {
    labels,
    vocabulary: { words, pairs: new Int32Array(bufferOf(bytes.pairs)) },
    bias: new Float32Array(bufferOf(bytes.bias)),
    idf: fromBfloat16(new Uint16Array(bufferOf(bytes.idf))),
    weights: fromBfloat16(new Uint16Array(bufferOf(bytes.weights))),
  };
  const refuse = (what: string, cause?: unknown) =>
    new ArxivNativeError('BAD_MODEL', `${file}: ${what}`, { remedy: REMEDY, cause });
  const fault = faultOf(model);
  if (fault !== undefined) throw refuse(fault);
  try {
    return { classifier: new SparseClassifier(model), scales };
  } catch (error) {
    if (error instanceof RangeError) throw refuse(error.message, error);
    throw error;
  }
}

/** Of the tensors of WORD_WEIGHTS: the larger elements first, so that all are aligned. */
function tensorShapes(words: number, pairs: number, classes: number) {
  const features = words + pairs;
  return {
    pairs: { dtype: 'I32', shape: [pairs, 2] },
    bias: { dtype: 'F32', shape: [classes] },
    idf: { dtype: 'BF16', shape: [features] },
    weights: { dtype: 'BF16', shape: [features, classes] },
  };
}

async function readList(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw fileError(error, `reading ${file}`);
    const what = `${file} is not valid JSON: ${error.message}`;
    throw new ArxivNativeError('BAD_MODEL', what, { remedy: REMEDY });
  }
}

function checkWords(found: unknown, count: number, file: string): string[] {
  const isList = Array.isArray(found) && found.every(word => typeof word === 'string' && word !== '');
  if (isList && found.length === count && new Set(found).size === count) return found;
  throw new ArxivNativeError('BAD_MODEL', `${file} must hold a list of ${count} different words`, {
    remedy: REMEDY,
  });
}

function faultOf({ vocabulary: { words, pairs }, idf, weights, bias }: SparseModel): string | undefined {
  if (pairs.some(word => word < 0 || word >= words.length)) return 'a pair is not of words that there are';
  if (idf.some(value => !(value > 0 && value < Infinity))) return 'its idf are not all numbers above 0';
  if (![weights, bias].every(values => values.every(Number.isFinite))) return 'its weights are not finite';
  return undefined;
}

/** The upper halves of the numbers, rounded to the nearest, of two the even one. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return new Uint16Array(bits.map(each => (each + 0x7fff + ((each >>> 16) & 1)) >>> 16));
}

export function fromBfloat16(halves: Uint16Array): Float32Array {
  // From an array at once, for a function in `from` takes tens of milliseconds.
  return new Float32Array(new Uint32Array(halves).map(half => half << 16).buffer);
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array | Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Of its own: a view into a larger one may be at an odd place. */
function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}
