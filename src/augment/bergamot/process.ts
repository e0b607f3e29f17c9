import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ArxivNativeError } from '../../errors.js';
import { serveTranslations } from '../processes.js';
import type { Translation } from '../translator.js';
import type { BergamotSetup } from './bergamot.js';

/** The part of it that is needed here; Node's types leave it to those of browsers. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: object }>;
};

/** What the engine's WebAssembly imports as a faster kernel of the browser's, by the name of its own. */
const KERNELS: Record<string, string> = {
  int8_prepare_a: 'int8PrepareAFallback',
  int8_prepare_b: 'int8PrepareBFallback',
  int8_prepare_b_from_transposed: 'int8PrepareBFromTransposedFallback',
  int8_prepare_b_from_quantized_transposed: 'int8PrepareBFromQuantizedTransposedFallback',
  int8_prepare_bias: 'int8PrepareBiasFallback',
  int8_multiply_and_add_bias: 'int8MultiplyAndAddBiasFallback',
  int8_select_columns_of_b: 'int8SelectColumnsOfBFallback',
};

/** Objects of C++, which no collector frees. */
interface Owned {
  delete(): void;
}
interface Vector<T> extends Owned {
  push_back(item: T): void;
  get(index: number): T;
}
interface Response extends Owned {
  /** Sentences that the text was taken for. */
  size(): number;
  getTranslatedText(): string;
}
interface Memory extends Owned {
  getByteArrayView(): Int8Array;
}
type Model = Owned;
interface Service {
  translate(model: Model, texts: Vector<string>, options: Vector<object>): Vector<Response>;
}
/** The engine's glue, once it is loaded. */
interface Engine {
  asm: Record<string, (...values: number[]) => number>;
  AlignedMemory: new (bytes: number, alignment: number) => Memory;
  AlignedMemoryList: new () => Vector<Memory>;
  BlockingService: new (options: { cacheSize: number }) => Service;
  TranslationModel: new (
    config: string,
    model: Memory,
    shortlist: Memory,
    vocabularies: Vector<Memory>,
    quality: null,
  ) => Model;
  VectorString: new () => Vector<string>;
  VectorResponseOptions: new () => Vector<object>;
}

/**
 * The package's own worker is a CommonJS file in a package of ES modules, which Node does not start. Its glue and its
 * WebAssembly are therefore loaded here. The glue keeps its state in globals: one engine a process.
 */
async function loadEngine(): Promise<Engine> {
  const require = createRequire(import.meta.url);
  const glue = require.resolve('@browsermt/bergamot-translator/worker/bergamot-translator-worker.js');
  const wasm = await readFile(glue.replace(/\.js$/, '.wasm'));
  const engine = {} as Engine;
  await new Promise<void>((resolve, reject) => {
    const instantiateWasm = (imports: object, accept: (instance: object) => void) => {
      const kernels = Object.entries(KERNELS).map(([name, own]) => [
        name,
        (...values: number[]) => engine.asm[own]!(...values),
      ]);
      WebAssembly.instantiate(wasm, { ...imports, wasm_gemm: Object.fromEntries(kernels) }).then(
        ({ instance }) => accept(instance),
        reject,
      );
      return {};
    };
    Object.assign(engine, { instantiateWasm, onRuntimeInitialized: resolve, onAbort: reject });
    new Function('Module', readFileSync(glue, 'utf8'))(engine);
  });
  return engine;
}

async function loadModel(engine: Engine, { files, config }: BergamotSetup) {
  const damaged = (cause: unknown) =>
    new ArxivNativeError('BAD_MODEL', `${dirname(files.model)}: the engine cannot load this model`, {
      remedy:
        'Its files must be those of one Firefox Translations model, unpacked, and whole: copy them again. If the folder lies in the cache, remove it, and it is fetched again.',
      cause,
    });
  const memory = async (file: string, alignment: number) => {
    const bytes = await readFile(file);
    const aligned = new engine.AlignedMemory(bytes.length, alignment);
    aligned.getByteArrayView().set(bytes);
    return aligned;
  };
  const vocabularies = new engine.AlignedMemoryList();
  for (const file of files.vocabularies) vocabularies.push_back(await memory(file, 64));
  const [model, shortlist] = [await memory(files.model, 256), await memory(files.shortlist, 64)];
  const settings = Object.entries(config).map(([key, value]) => `${key}: ${value}\n`);
  try {
    const loaded = new engine.TranslationModel(settings.join(''), model, shortlist, vocabularies, null);
    const service = new engine.BlockingService({ cacheSize: 0 });
    // The weights are read only now.
    translateText(engine, service, loaded, 'We.');
    return { model: loaded, service };
  } catch (error) {
    throw damaged(error);
  }
}

/** @returns also the sentences that the text was taken for */
function translateText(engine: Engine, service: Service, model: Model, text: string) {
  const texts = new engine.VectorString();
  texts.push_back(text);
  const options = new engine.VectorResponseOptions();
  options.push_back({ alignment: false, html: false, qualityScores: false });
  const responses = service.translate(model, texts, options);
  const response = responses.get(0);
  const result = { parts: response.size(), translation: response.getTranslatedText() };
  for (const each of [response, responses, options, texts]) each.delete();
  return result;
}

async function start(setup: BergamotSetup): Promise<(texts: readonly string[]) => Promise<Translation[]>> {
  const engine = await loadEngine();
  const { model, service } = await loadModel(engine, setup);
  const translate = (text: string): Translation => {
    const { parts, translation } = translateText(engine, service, model, text);
    if (parts > 1) return { failure: `a text of more than ${setup.config['max-length-break']} tokens` };
    return { text: translation };
  };
  // One by one: beside others a text comes out a little differently, and hardly sooner.
  return async texts => {
    const translations: Translation[] = [];
    for (const text of texts) {
      translations.push(translate(text));
      // Lets the end of whoever asked be noticed.
      await nextTurn();
    }
    return translations;
  };
}

serveTranslations(start);
