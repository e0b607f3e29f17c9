import { ArxivNativeError, asArxivNativeError } from '../../errors.js';
import { serveTranslations } from '../processes.js';
import type { Translation } from '../translator.js';
import type { Generation } from './generation.js';
import type { MarianModel } from './model.js';
import { INSTALL } from './runtime.js';
import { MarianTokenizer } from './tokenizer.js';
import { translateBatch } from './translate.js';

/** What a process is started with. */
export interface MarianSetup {
  folder: string;
  /** That each operation is divided among. */
  threads: number;
  generation: Generation;
  seed: number;
}

serveTranslations<MarianSetup>(async ({ folder, threads, generation, seed }) => {
  const tokenizer = await MarianTokenizer.open(folder);
  const model = await load(folder, threads);
  return (texts): Promise<Translation[]> => translateBatch(model, tokenizer, texts, generation, seed);
});

/** onnxruntime itself is loaded only here. */
async function load(folder: string, threads: number): Promise<MarianModel> {
  const { MarianModel } = await import('./model.js').catch(error => {
    const { message } = asArxivNativeError(error, 'TRANSLATOR', 'onnxruntime-node does not load');
    throw new ArxivNativeError('TRANSLATOR', message, { remedy: `Install it again: ${INSTALL}` });
  });
  return MarianModel.load(folder, threads);
}
