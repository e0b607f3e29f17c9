import { basename, dirname, join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import type { TensorSource } from '../native.js';
import { readJsonObject } from '../util/json.js';
import { ByteFile } from './byte-file.js';
import { openPyTorchLegacy } from './pytorch-legacy.js';
import { openPyTorchZip } from './pytorch-zip.js';
import { openSafetensors } from './safetensors.js';
import type { Checkpoint } from './state-dict.js';

/**
 * The floating-point tensors of a weight file, by the names stored in it: safetensors, PyTorch's zip and first formats
 * (told apart by their first bytes), or an index (`….index.json`) of several such files in its folder. Nothing but
 * tables is read: a TensorSource says where in which file the engine finds the elements.
 *
 * @throws ArxivNativeError BAD_MODEL for a file that is absent, truncated, malformed or hostile, which it names.
 */
export async function openTensors(path: string): Promise<TensorSource[]> {
  return (await openCheckpoint(path)).tensors;
}

/** As openTensors, with the numbers that a training script left beside the weights. */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  if (path.endsWith('.json')) return { tensors: await openSharded(path), stated: {} };
  const first = await ByteFile.with(path, file => file.read(0, Math.min(file.size, 16)));
  if (first.subarray(0, 4).toString('latin1') === 'PK\x03\x04') return openPyTorchZip(path);
  if (first[0] === 0x80 && first[1]! >= 2 && first[1]! <= 5) return openPyTorchLegacy(path);
  if (first[8] === '{'.charCodeAt(0)) return { ...(await openSafetensors(path)), stated: {} };
  if (first.toString('latin1').startsWith('version https://')) {
    throw new ArxivNativeError('BAD_MODEL', `${path} is only a Git LFS pointer to the weights`, {
      remedy: 'Fetch the file itself, with `git lfs pull` in that folder.',
    });
  }
  throw new ArxivNativeError('BAD_MODEL', `${path} is neither a safetensors file nor a PyTorch checkpoint`, {
    remedy: 'Name a .safetensors, .bin or .pth file with the weights; if it is one, fetch or copy it again.',
  });
}

async function openSharded(index: string): Promise<TensorSource[]> {
  const shardOf = await readWeightMap(index);
  const shards = new Map<string, Map<string, TensorSource>>();
  for (const shard of new Set(shardOf.values())) {
    const tensors = await openTensors(join(dirname(index), shard));
    shards.set(shard, new Map(tensors.map(tensor => [tensor.name, tensor])));
  }
  // A name without a tensor is one that was passed over (an integer buffer), or a weight that its user will miss.
  return [...shardOf].flatMap(([name, shard]) => shards.get(shard)?.get(name) ?? []);
}

/** Which file of its folder an index puts each tensor in. @throws ArxivNativeError BAD_MODEL if it is none */
export async function readWeightMap(index: string): Promise<Map<string, string>> {
  const remedy = 'Fetch or copy it again.';
  const { weight_map: map } = await readJsonObject(index, { code: 'BAD_MODEL', remedy });
  const entries = Object.entries(map ?? {});
  // A shard lies beside its index: a path that leads elsewhere is no shard's.
  const isShard = (file: unknown): file is string =>
    typeof file === 'string' && basename(file) === file && !file.startsWith('.') && !file.endsWith('.json');
  if (entries.length > 0 && entries.every(([, file]) => isShard(file))) {
    return new Map(entries as [string, string][]);
  }
  throw new ArxivNativeError(
    'BAD_MODEL',
    `${index} is no index of weight files: it needs a weight_map of names to files`,
    { remedy },
  );
}
