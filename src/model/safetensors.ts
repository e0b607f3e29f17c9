import type { TensorSource } from '../native.js';
import { ByteFile } from './byte-file.js';

const LARGEST_HEADER = 100_000_000;

/** Bytes an element. Dtypes that are not here are checked by their place in the file alone. */
const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
  C64: 8,
};

interface Entry {
  name: string;
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
}

/** What a safetensors file says of itself. */
interface Header {
  entries: Entry[];
  metadata: Record<string, string>;
  /** Byte offset in the file of what the entries count from. */
  base: number;
}

/** A tensor in memory. */
export interface RawTensor {
  /** As the format calls it: F32, I32, … */
  dtype: string;
  shape: number[];
  /** Row-major, little-endian. */
  bytes: Uint8Array;
}

/**
 * The tensors of a safetensors file (https://github.com/huggingface/safetensors#format) and its metadata. Strict:
 * the tensors must fill the file exactly, without gaps or overlaps. Integer tensors are passed over.
 *
 * @throws ArxivNativeError BAD_MODEL for a file that is truncated or contradicts itself.
 */
export function openSafetensors(
  path: string,
): Promise<{ tensors: TensorSource[]; metadata: Record<string, string> }> {
  return ByteFile.with(path, async file => {
    const { entries, metadata, base } = await readHeader(file);
    return {
      metadata,
      tensors: entries.flatMap(({ name, dtype, shape, begin }) =>
        isFloat(dtype) ? [{ name, dtype, shape, file: path, offset: base + begin }] : [],
      ),
    };
  });
}

/**
 * A safetensors file that holds just these tensors, read into memory: for what is not the engine's.
 *
 * @param expected their dtypes and shapes
 * @throws ArxivNativeError BAD_MODEL for a file that is truncated, contradicts itself or holds others.
 */
export function readSafetensors<Name extends string>(
  path: string,
  expected: Record<Name, Omit<RawTensor, 'bytes'>>,
): Promise<Record<Name, Uint8Array>> {
  return ByteFile.with(path, async file => {
    const { entries, base } = await readHeader(file);
    const text = ({ dtype, shape }: Omit<RawTensor, 'bytes'>) => `${dtype} [${shape}]`;
    const read: Partial<Record<Name, Uint8Array>> = {};
    for (const [name, wanted] of Object.entries(expected) as [Name, Omit<RawTensor, 'bytes'>][]) {
      const entry = entries.find(each => each.name === name);
      if (entry === undefined) throw file.malformed(`there is no tensor "${name}"`);
      if (text(entry) !== text(wanted)) {
        throw file.malformed(`tensor "${name}" is ${text(entry)}, expected ${text(wanted)}`);
      }
      read[name] = await file.read(base + entry.begin, entry.end - entry.begin);
    }
    const stranger = entries.find(({ name }) => !Object.hasOwn(expected, name));
    if (stranger) throw file.malformed(`there is no place for the tensor "${stranger.name}"`);
    return read as Record<Name, Uint8Array>;
  });
}

/** The bytes of a safetensors file with these tensors, in this order. */
export function safetensorsBytes(tensors: Record<string, RawTensor>): Buffer {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
    const begin = end;
    end += bytes.length;
    return [name, { dtype, shape, data_offsets: [begin, end] }];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  // Blanks after the header align the tensors.
  const padded = Buffer.alloc(8 * Math.ceil(header.length / 8), ' ');
  header.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, ...Object.values(tensors).map(({ bytes }) => bytes)]);
}

async function readHeader(file: ByteFile): Promise<Header> {
  const headerLength = Number((await file.read(0, 8)).readBigUInt64LE());
  if (headerLength > LARGEST_HEADER) throw file.malformed(`a header of ${headerLength} bytes`);
  const header = parseHeader(file, await file.read(8, headerLength));
  const { __metadata__: metadata = {}, ...tensors } = header;
  const entries = Object.entries(tensors).map(([name, value]) => parseEntry(file, name, value));
  const base = 8 + headerLength;
  requireCover(file, entries, file.size - base);
  return { entries, metadata: parseMetadata(file, metadata), base };
}

function parseHeader(file: ByteFile, bytes: Buffer): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof header === 'object' && header !== null && !Array.isArray(header)) return { ...header };
  } catch {
    // Reported below, as any other header that is no object.
  }
  throw file.malformed('the header is no JSON object');
}

function parseMetadata(file: ByteFile, metadata: unknown): Record<string, string> {
  const isTextMap =
    typeof metadata === 'object' &&
    metadata !== null &&
    Object.values(metadata).every(value => typeof value === 'string');
  if (!isTextMap) throw file.malformed('__metadata__ is no map of texts');
  return metadata as Record<string, string>;
}

function parseEntry(file: ByteFile, name: string, value: unknown): Entry {
  const { dtype, shape, data_offsets: range } = (value ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !isCounts(shape) || !isCounts(range) || range.length !== 2) {
    throw file.malformed(`tensor "${name}" needs dtype, shape and data_offsets`);
  }
  const [begin, end] = range as [number, number];
  const bytes = shape.reduce((product, size) => product * size, ELEMENT_BYTES[dtype] ?? 0);
  if (end < begin || (dtype in ELEMENT_BYTES && end - begin !== bytes)) {
    throw file.malformed(
      `tensor "${name}" of shape [${shape}] and dtype ${dtype} takes ${end - begin} bytes`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(item => Number.isSafeInteger(item) && item >= 0);
}

function isFloat(dtype: string): dtype is TensorSource['dtype'] {
  return dtype === 'F64' || dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
}

function requireCover(file: ByteFile, entries: Entry[], size: number): void {
  let covered = 0;
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) {
      throw file.malformed(
        `tensor "${name}" ${begin < covered ? 'overlaps another' : 'has a gap before it'}`,
      );
    }
    covered = end;
  }
  if (covered > size) throw file.truncated(`its header announces ${file.size - size + covered}`);
  if (covered < size) throw file.malformed(`${size - covered} bytes belong to no tensor`);
}
