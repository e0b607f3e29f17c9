import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { ArxivNativeError } from './errors.js';
import type { EngineModel, ModelOptions, NativeAddon, Precision } from './native.js';
import { checkAddonFile, diagnose } from './setup/diagnose.js';
import { addonPath } from './setup/paths.js';
import { fileError } from './util/files.js';

let engine: NativeAddon | undefined;

/**
 * The engine, loaded at the first call (about 0.2 s). Every error that comes out of it is an ArxivNativeError.
 *
 * @throws ArxivNativeError ADDON, with a diagnosis, when the native addon is not built or does not load.
 */
export function loadEngine(): NativeAddon {
  engine ??= load();
  return engine;
}

/** LibTorch's libraries abort the process where the folder it runs in is gone. */
function requireWorkingFolder(): void {
  try {
    // Not process.cwd(), which remembers.
    realpathSync.native('.');
  } catch (error) {
    throw new ArxivNativeError('IO', 'the folder that this process runs in is gone', {
      remedy: 'Go to one that exists.',
      cause: error,
    });
  }
}

/**
 * How OpenMP's threads wait for work, where the environment does not say: 1,000 turns of libgomp's loop awake (tens of
 * microseconds), then asleep; at once asleep by other runtimes, which know no such number. To be woken takes as long as a
 * small operation; to spin for longer costs several times the work whenever two threads share a core (bench/README.md
 * has both).
 */
export function waitingOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  if (env.OMP_WAIT_POLICY || env.GOMP_SPINCOUNT) return {};
  return { OMP_WAIT_POLICY: 'PASSIVE', GOMP_SPINCOUNT: '1000' };
}

function load(): NativeAddon {
  requireWorkingFolder();
  // The OpenMP runtime and LibTorch read these when they load; operations that Apple's GPU lacks would otherwise be
  // errors. A worker's process.env is a copy that no library sees: load the engine on the main thread first.
  Object.assign(process.env, waitingOf(process.env));
  process.env.PYTORCH_ENABLE_MPS_FALLBACK ??= '1';
  checkAddonFile();
  let addon: NativeAddon;
  try {
    addon = createRequire(import.meta.url)(addonPath()) as NativeAddon;
  } catch (error) {
    throw diagnose(error);
  }
  if (addon.libtorchVersion !== addon.builtWith) {
    throw new ArxivNativeError(
      'ADDON',
      `the native addon was built with LibTorch ${addon.builtWith} and now finds ${addon.libtorchVersion}`,
      { remedy: 'Run `npx arxiv-native setup --force` to build it anew.' },
    );
  }
  // LibTorch's statics must not die under a running engine thread. A worker's end only drops the worker's own jobs.
  if (isMainThread) process.on('exit', () => addon.shutdown());
  return {
    libtorchVersion: addon.libtorchVersion,
    builtWith: addon.builtWith,
    devices: () => addon.devices(),
    createModel: async options => coded(await attempt(() => addon.createModel(options), options)),
    shutdown: () => addon.shutdown(),
  };

  function coded(model: EngineModel): EngineModel {
    return {
      parameters: () => model.parameters(),
      predict: (batch, cancel) => attempt(() => model.predict(batch, cancel)),
      trainStep: (batch, cancel) => attempt(() => model.trainStep(batch, cancel)),
      backward: batch => attempt(() => model.backward(batch)),
      pretrain: (purpose, batch, cancel) => attempt(() => model.pretrain(purpose, batch, cancel)),
      read: (kind, name) => attempt(() => model.read(kind, name)),
      save: (file, options) => attempt(() => model.save(file, options)),
      load: (sources, optimizerSteps) => attempt(() => model.load(sources, optimizerSteps)),
      dispose: () => model.dispose(),
    };
  }
}

async function attempt<T>(job: () => Promise<T>, options?: ModelOptions): Promise<T> {
  try {
    return await job();
  } catch (error) {
    const { code, errno, message } = error as Error & { code?: ArxivNativeError['code']; errno?: number };
    // A TypeError is the marshalling's: a mistake of ours, whose stack should be seen.
    if (code === undefined || error instanceof TypeError) throw error;
    if (errno) throw fileError({ code: getSystemErrorName(-errno), message: 'the system refused' }, message);
    const remedy = code === 'OUT_OF_MEMORY' ? memoryRemedy(options) : undefined;
    throw new ArxivNativeError(code, message, { ...(remedy && { remedy }), cause: error });
  }
}

function memoryRemedy(creation: ModelOptions | undefined): string {
  return creation === undefined
    ? 'Use a smaller batch (--batch-size, or --micro-batch to keep the batch and pass it in parts), or shorter texts.'
    : `Use a smaller encoder, or another device than ${creation.device}.`;
}

export interface Placement {
  /** `cpu`, `cuda:0`, `mps`. */
  device: string;
  precision: Precision;
}

/**
 * Chooses device and precision: `auto` is the first GPU, or else the CPU, and the fastest type that the device
 * computes in hardware (bf16, then fp16, then fp32).
 *
 * @throws ArxivNativeError UNSUPPORTED for a device that is not there or a precision it would have to emulate.
 */
export function resolveDevice(device: string, precision: string, addon: NativeAddon): Placement {
  const devices = addon.devices();
  const wanted = device === 'cuda' ? 'cuda:0' : device;
  const chosen =
    wanted === 'auto'
      ? (devices.find(({ name }) => name !== 'cpu') ?? devices[0]!)
      : devices.find(({ name }) => name === wanted);
  if (!chosen) {
    throw new ArxivNativeError('UNSUPPORTED', `there is no device ${device} here`, {
      remedy: `Choose among: ${['auto', ...devices.map(({ name }) => name)].join(', ')}.`,
    });
  }
  const fastest = (['bf16', 'fp16', 'fp32'] as const).find(p => chosen.precisions.includes(p)) ?? 'fp32';
  const picked = precision === 'auto' ? fastest : chosen.precisions.find(p => p === precision);
  if (!picked) {
    throw new ArxivNativeError('UNSUPPORTED', `${chosen.name} does not compute ${precision} in hardware`, {
      remedy: `Choose among: ${['auto', ...chosen.precisions].join(', ')}.`,
    });
  }
  return { device: chosen.name, precision: picked };
}
