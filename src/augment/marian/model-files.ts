import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ArxivNativeError } from '../../errors.js';

const EXPORT = 'optimum-cli export onnx --task text2text-generation-with-past';

/** Where the parts of a model may be, by preference: as on the Hub, or as an export leaves them; whole before quantized. */
export const PLACES = { encoder: places('encoder_model'), decoder: places('decoder_model_merged') };

function places(name: string): string[] {
  return [`onnx/${name}.onnx`, `${name}.onnx`, `onnx/${name}_quantized.onnx`, `${name}_quantized.onnx`];
}

/** @throws ArxivNativeError BAD_MODEL where the folder lacks it */
export function modelFile(folder: string, part: keyof typeof PLACES): string {
  const found = PLACES[part].map(name => join(folder, name)).find(existsSync);
  if (found !== undefined) return found;
  throw new ArxivNativeError('BAD_MODEL', `${folder}: no ${PLACES[part].join(', no ')}`, {
    remedy: `Export the model with ${EXPORT}.`,
  });
}
