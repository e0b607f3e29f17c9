import { ByteFile } from './byte-file.js';
import { LARGEST_PICKLE, unpickle } from './pickle.js';
import { type Checkpoint, readStateDict } from './state-dict.js';

const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn;
const PROTOCOL_VERSION = 1001;

/**
 * A checkpoint in PyTorch's first format (torch.save before 1.6): five pickles one after another (magic
 * number, protocol version, system, the state dict, the list of storage keys), then each storage in that order: its
 * number of elements in 8 bytes, and the elements.
 *
 * @throws ArxivNativeError BAD_MODEL for a truncated, big-endian or hostile file.
 */
export function openPyTorchLegacy(path: string): Promise<Checkpoint> {
  return ByteFile.with(path, async file => {
    const bytes = await file.read(0, Math.min(file.size, LARGEST_PICKLE));
    let position = 0;
    const next = (): unknown => {
      const { value, end } = unpickle(bytes.subarray(position), {
        file: path,
        globals: {},
        purpose: 'a state dict',
      });
      position += end;
      return value;
    };

    if (next() !== MAGIC_NUMBER) throw file.malformed('a pickle, but not one of torch.save');
    const version = next();
    if (version !== PROTOCOL_VERSION) {
      throw file.malformed(
        `${typeof version === 'number' ? `version ${version}` : 'no version'} of the format`,
      );
    }
    const system = next();
    if (!(system instanceof Map) || system.get('little_endian') !== true) {
      throw file.malformed('its numbers are not little-endian');
    }
    const stateDict = readStateDict(bytes.subarray(position), file);
    position += stateDict.end;
    const keys = next();
    if (!Array.isArray(keys)) throw file.malformed('the list of its storages is missing');

    const places = await locateStorages(file, position, keys, stateDict.storages);
    return stateDict.checkpoint(async key => {
      const place = places.get(key);
      if (!place) throw file.malformed(`storage "${key}" is missing`);
      return place;
    });
  });
}

async function locateStorages(
  file: ByteFile,
  start: number,
  keys: unknown[],
  elementBytes: Map<string, number>,
): Promise<Map<string, { offset: number; bytes: number }>> {
  const places = new Map<string, { offset: number; bytes: number }>();
  let position = start;
  for (const key of keys) {
    const width = typeof key === 'string' ? elementBytes.get(key) : undefined;
    if (width === undefined) throw file.malformed('it lists a storage that its state dict does not know');
    const bytes = Number((await file.read(position, 8)).readBigInt64LE()) * width;
    const offset = position + 8;
    if (bytes < 0 || offset + bytes > file.size)
      throw file.truncated(`storage "${key}" needs ${offset + bytes}`);
    places.set(key as string, { offset, bytes });
    position = offset + bytes;
  }
  return places;
}
