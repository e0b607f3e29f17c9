import { ArxivNativeError, asArxivNativeError } from '../../errors.js';
import { serveTranslations } from '../processes.js';
import type { Translation } from '../translator.js';
import type { MarianModel } from './model.js';
import { INSTALL } from './runtime.js';
import { MarianTokenizer } from './tokenizer.js';
import { translateBatch } from './translate.js';

/** What a process is started with. */
export interface MarianSetup {
  folder: string;
  /** That each operation is divided among. */
  threads: number;
  /** In place of the model's own. */
  beams: number | undefined;
  temperature: number | undefined;
  seed: number;
}

serveTranslations<MarianSetup>(async ({ folder, threads, beams, temperature, seed }) => {
  const tokenizer = await MarianTokenizer.open(folder);
  const model = await load(folder, threads);
  const generation = {
    ...model.generation,
    ...(beams !== undefined && { beams, temperature: undefined }),
    ...(temperature !== undefined && { temperature }),
  };
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
