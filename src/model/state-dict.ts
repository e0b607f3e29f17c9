import type { TensorSource } from '../native.js';
import type { ByteFile } from './byte-file.js';
import { NUMPY_SCALARS } from './numpy-pickle.js';
import { type PickleGlobal, unpickle } from './pickle.js';

/** What is in a weight file. */
export interface Checkpoint {
  tensors: TensorSource[];
  /** Numbers that stand beside the weights, by name: the epoch, figures of the validation. */
  stated: Record<string, number>;
}

/** A run of elements that tensors are views of, as PyTorch pickles it. */
class Storage {
  constructor(
    readonly key: string,
    readonly type: StorageType,
    /** Elements. */
    readonly length: number,
    /** Elements before this one in what `key` names: views in files of early PyTorch. */
    readonly start: number,
  ) {}
}

class Tensor {
  constructor(
    readonly storage: unknown,
    readonly offset: unknown,
    readonly shape: unknown,
    readonly strides: unknown,
  ) {}
}

/** A storage's element type. Only floating-point ones have a `dtype` of the engine's; the others are passed over. */
interface StorageType extends PickleGlobal {
  dtype?: TensorSource['dtype'];
  elementBytes: number;
}

const STORAGE_TYPES: Readonly<Record<string, StorageType>> = {
  'torch.DoubleStorage': { dtype: 'F64', elementBytes: 8 },
  'torch.FloatStorage': { dtype: 'F32', elementBytes: 4 },
  'torch.HalfStorage': { dtype: 'F16', elementBytes: 2 },
  'torch.BFloat16Storage': { dtype: 'BF16', elementBytes: 2 },
  'torch.LongStorage': { elementBytes: 8 },
  'torch.IntStorage': { elementBytes: 4 },
  'torch.ShortStorage': { elementBytes: 2 },
  'torch.CharStorage': { elementBytes: 1 },
  'torch.ByteStorage': { elementBytes: 1 },
  'torch.BoolStorage': { elementBytes: 1 },
};

const GLOBALS: Readonly<Record<string, PickleGlobal>> = {
  ...STORAGE_TYPES,
  // BUILD gives it `_metadata` (the modules' versions), which no weight depends on.
  'collections.OrderedDict': { call: (entries?: unknown) => orderedDict(entries), build: () => {} },
  'torch._utils._rebuild_tensor_v2': {
    call: (storage, offset, shape, strides) => new Tensor(storage, offset, shape, strides),
  },
  'torch._utils._rebuild_parameter': { call: data => data },
  ...NUMPY_SCALARS,
  // How protocol 2 writes sets and bytes.
  '__builtin__.set': { call: members => new Set(Array.isArray(members) ? members : []) },
  '_codecs.encode': { call: latin1 },
};

function latin1(text: unknown): Buffer {
  // String() of another value would take for ever on tuples of tuples that share their items.
  if (typeof text !== 'string') throw new RangeError('a text to encode that is none');
  return Buffer.from(text, 'latin1');
}

function orderedDict(entries: unknown): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  if (Array.isArray(entries)) for (const pair of entries) if (Array.isArray(pair)) map.set(pair[0], pair[1]);
  return map;
}

/** The keys under which training scripts wrap a state dict. */
const WRAPPERS = ['model_state_dict', 'state_dict', 'model'];

/** Where the elements of a storage lie in the file: byte offset and bytes. */
type Locate = (key: string, elementBytes: number) => Promise<{ offset: number; bytes: number }>;

/** What a checkpoint's pickle holds: its tensors, once `locate` can say where their storages are. */
interface PickledStateDict {
  /** Bytes of the pickle. */
  end: number;
  /** Bytes an element of each storage, by key. */
  storages: Map<string, number>;
  checkpoint(locate: Locate): Promise<Checkpoint>;
}

/**
 * Reads the pickle of a PyTorch checkpoint: a state dict, bare or wrapped among other things. Of these only numbers are
 * taken (epoch, metrics); an optimizer's state is passed over, as are integer tensors.
 *
 * @throws ArxivNativeError BAD_MODEL if it asks for what a state dict has no need of, or holds none.
 */
export function readStateDict(bytes: Uint8Array, file: ByteFile): PickledStateDict {
  const storages = new Map<string, number>();
  const persistentLoad = (id: unknown): Storage => {
    const [tag, type, key, , length, view] = Array.isArray(id) ? id : [];
    const known = Object.values(STORAGE_TYPES).find(candidate => candidate === type);
    if (tag !== 'storage' || !known || typeof key !== 'string' || !isCount(length)) {
      throw file.malformed('a reference to what is no storage');
    }
    storages.set(key, known.elementBytes);
    if (view === undefined || view === null) return new Storage(key, known, length, 0);
    const [, start, viewLength] = Array.isArray(view) ? view : [];
    if (!isCount(start) || !isCount(viewLength))
      throw file.malformed(`storage "${key}" has an impossible view`);
    return new Storage(key, known, viewLength, start);
  };
  const { value, end } = unpickle(bytes, {
    file: file.path,
    globals: GLOBALS,
    purpose: 'a state dict',
    persistentLoad,
  });
  const named = namedTensors(value);
  if (named.length === 0) throw file.malformed('no state dict is in it');
  const stated = statedNumbers(value);
  return {
    end,
    storages,
    checkpoint: async locate => ({ tensors: await locateAll(named, locate, file), stated }),
  };
}

function statedNumbers(root: unknown): Record<string, number> {
  const entries = root instanceof Map ? [...root] : [];
  return Object.fromEntries(
    entries.filter(
      (entry): entry is [string, number] => typeof entry[0] === 'string' && Number.isFinite(entry[1]),
    ),
  );
}

function namedTensors(root: unknown): [string, Tensor][] {
  if (!(root instanceof Map)) return [];
  for (const wrapper of WRAPPERS) {
    const wrapped = tensorsOf(root.get(wrapper));
    if (wrapped.length > 0) return wrapped;
  }
  return tensorsOf(root);
}

function tensorsOf(map: unknown): [string, Tensor][] {
  if (!(map instanceof Map)) return [];
  return [...map].filter(
    (entry): entry is [string, Tensor] => typeof entry[0] === 'string' && entry[1] instanceof Tensor,
  );
}

async function locateAll(named: [string, Tensor][], locate: Locate, file: ByteFile): Promise<TensorSource[]> {
  const sources: TensorSource[] = [];
  for (const [name, { storage, offset, shape, strides }] of named) {
    if (!(storage instanceof Storage) || !isCount(offset) || !isCounts(shape) || !isCounts(strides)) {
      throw file.malformed(`tensor "${name}" is no tensor`);
    }
    if (shape.length !== strides.length)
      throw file.malformed(`tensor "${name}" has ${shape.length} sizes and ${strides.length} strides`);
    const { dtype, elementBytes } = storage.type;
    if (dtype === undefined) continue;
    const needed = offset + extent(shape, strides);
    const place = await locate(storage.key, elementBytes);
    if (needed > storage.length || (storage.start + storage.length) * elementBytes > place.bytes) {
      throw file.malformed(`tensor "${name}" reaches beyond its storage "${storage.key}"`);
    }
    const source: TensorSource = {
      name,
      dtype,
      shape,
      file: file.path,
      offset: place.offset + (storage.start + offset) * elementBytes,
    };
    sources.push(isContiguous(shape, strides) ? source : { ...source, strides });
  }
  return sources;
}

/** Elements from the first to the last that the tensor reaches; 0 for an empty one. */
function extent(shape: number[], strides: number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((last, size, i) => last + (size - 1) * strides[i]!, 1);
}

function isContiguous(shape: number[], strides: number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return shape.includes(0);
    expected *= shape[i]!;
  }
  return true;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 16 && value.every(isCount);
}
