import type { PickleGlobal } from './pickle.js';

const LAST_CODE_POINT = 0x10ffff;

/** An element type, as far as numbers and texts need it. */
class DType {
  /** numpy's letter: `f` float, `i` and `u` integers, `b` bool, `U` text, `O` anything of Python's. */
  readonly kind: string;
  /** Of one element; of a text four for each character. */
  readonly bytes: number;
  littleEndian = true;

  constructor(code: unknown) {
    const parts = isText(code) ? /^[<>=|]?([a-zA-Z])(\d{0,9})$/.exec(code) : null;
    const [, kind = '', size = ''] = parts ?? [];
    this.kind = kind;
    this.bytes = Number(size) * (kind === 'U' ? 4 : 1);
  }
}

/** An array of numpy's, with its elements as the file has them. */
export class NumpyArray {
  constructor(
    public shape: unknown = undefined,
    public dtype: unknown = undefined,
    /** Bytes or, of Python's objects, a list. */
    public data: unknown = undefined,
  ) {}

  /** The elements of a list of texts; undefined if the array is anything else. */
  texts(): string[] | undefined {
    const { shape, dtype, data } = this;
    if (!Array.isArray(shape) || shape.length !== 1 || !(dtype instanceof DType)) return undefined;
    const [count] = shape as [unknown];
    const texts =
      dtype.kind === 'O' && Array.isArray(data)
        ? data
        : dtype.kind === 'U' && data instanceof Uint8Array
          ? fixedTexts(data, dtype)
          : undefined;
    return texts?.length === count && texts?.every(isText) ? texts : undefined;
  }
}

/** Code points in four bytes each; a text that is shorter than the longest is filled up with zeros. */
function fixedTexts(data: Uint8Array, { bytes, littleEndian }: DType): string[] | undefined {
  if (bytes === 0 || data.length % bytes !== 0) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const characters = Array.from({ length: data.length / 4 }, (_, i) =>
    String.fromCodePoint(Math.min(view.getUint32(4 * i, littleEndian), LAST_CODE_POINT)),
  );
  const each = bytes / 4;
  return Array.from({ length: characters.length / each }, (_, i) =>
    characters
      .slice(i * each, (i + 1) * each)
      .join('')
      .replace(/\0+$/, ''),
  );
}

/** A number of numpy's; null where it is no number, or one that JavaScript does not have. */
function scalar(dtype: unknown, data: unknown): number | boolean | null {
  if (!(dtype instanceof DType) || !(data instanceof Uint8Array) || data.length !== dtype.bytes) return null;
  const { kind, littleEndian } = dtype;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const read: Record<string, () => number | bigint | boolean> = {
    f4: () => view.getFloat32(0, littleEndian),
    f8: () => view.getFloat64(0, littleEndian),
    i4: () => view.getInt32(0, littleEndian),
    i8: () => view.getBigInt64(0, littleEndian),
    b1: () => view.getUint8(0) !== 0,
  };
  const value = read[kind + dtype.bytes]?.() ?? null;
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : null;
}

const DTYPE: PickleGlobal = {
  call: code => new DType(code),
  build: (dtype, state) => {
    if (dtype instanceof DType && Array.isArray(state)) dtype.littleEndian = state[1] !== '>';
  },
};

/** What a pickle names for a number of numpy's. The values are numbers, booleans or null. */
export const NUMPY_SCALARS: Readonly<Record<string, PickleGlobal>> = {
  'numpy.dtype': DTYPE,
  ...ofBothVersions('multiarray.scalar', { call: scalar }),
};

/** What a pickle names for a NumpyArray. */
export const NUMPY_ARRAYS: Readonly<Record<string, PickleGlobal>> = {
  'numpy.dtype': DTYPE,
  'numpy.ndarray': {},
  ...ofBothVersions('multiarray._reconstruct', {
    call: () => new NumpyArray(),
    build: (array, state) => {
      if (!(array instanceof NumpyArray) || !Array.isArray(state)) return;
      [, array.shape, array.dtype, , array.data] = state;
    },
  }),
  // How protocol 5 writes them.
  ...ofBothVersions('numeric._frombuffer', {
    call: (data, dtype, shape) => new NumpyArray(shape, dtype, data),
  }),
};

/** numpy 2 renamed the package that its pickles name. */
function ofBothVersions(name: string, global: PickleGlobal): Record<string, PickleGlobal> {
  return { [`numpy.core.${name}`]: global, [`numpy._core.${name}`]: global };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
