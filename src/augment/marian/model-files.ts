import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ArxivNativeError } from '../../errors.js';

const NAMES = { encoder: 'encoder_model', decoder: 'decoder_model_merged' };

/** Where a part of a model may be, by preference: as on the Hub, or as an export leaves it; whole before quantized. */
function places(part: keyof typeof NAMES): string[] {
  const name = NAMES[part];
  return [`onnx/${name}.onnx`, `${name}.onnx`, `onnx/${name}_quantized.onnx`, `${name}_quantized.onnx`];
}

/** @throws ArxivNativeError BAD_MODEL where the folder lacks it */
export function modelFile(folder: string, part: keyof typeof NAMES): string {
  const found = places(part)
    .map(name => join(folder, name))
    .find(existsSync);
  if (found !== undefined) return found;
  throw new ArxivNativeError('BAD_MODEL', `${folder}: no ${NAMES[part]}.onnx, at the top or in onnx/`, {
    remedy: 'Export the model with optimum-cli export onnx --task text2text-generation-with-past.',
  });
}
