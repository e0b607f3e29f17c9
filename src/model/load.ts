import { availableParallelism } from 'node:os';
import { loadEngine, type Placement, resolveDevice } from '../engine.js';
import type { EngineModel, Precision } from '../native.js';
import { checkWhole } from '../util/options.js';
import { openSavedModel, type SavedModel } from './saved-model.js';

/** Where and how the engine computes. */
export interface PlacementOptions {
  /** `auto` (the best there is), `cpu`, `cuda`, `cuda:1` or `mps`. */
  device?: string | undefined;
  /** `auto` (the fastest of the next three that the device computes natively), `bf16`, `fp16`, `fp32`, or `int8`. */
  precision?: 'auto' | Precision | undefined;
  /** CPU threads of the engine; by default as many as the process may use. */
  threads?: number | undefined;
}

/** A saved model in the engine. Whoever loads it disposes of `model`. */
export interface LoadedModel extends Placement {
  saved: SavedModel;
  model: EngineModel;
}

/**
 * Opens a saved model and gives it to the engine, to predict.
 *
 * @throws ArxivNativeError BAD_MODEL, BAD_OPTION (threads), UNSUPPORTED (device, precision), OUT_OF_MEMORY, ADDON
 */
export async function loadSavedModel(folder: string, options: PlacementOptions = {}): Promise<LoadedModel> {
  checkPlacement(options);
  return placeSavedModel(await openSavedModel(folder), options);
}

/** @throws BAD_OPTION */
export function checkPlacement({ threads }: PlacementOptions): void {
  checkWhole('threads', threads, 1, 'loading a model');
}

/** Gives an opened model to the engine; see {@link loadSavedModel}. */
export async function placeSavedModel(saved: SavedModel, options: PlacementOptions): Promise<LoadedModel> {
  const { threads = availableParallelism() } = options;
  const addon = loadEngine();
  const { device, precision } = resolveDevice(options.device ?? 'auto', options.precision ?? 'auto', addon);
  const model = await addon.createModel({
    encoder: saved.encoder,
    head: saved.head,
    device,
    precision,
    threads,
    seed: 0,
    deterministic: false,
    weights: saved.tensors,
    mayInitialize: [],
  });
  return { saved, model, device, precision };
}
