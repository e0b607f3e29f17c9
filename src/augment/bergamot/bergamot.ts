import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { ArxivNativeError } from '../../errors.js';
import { cacheFolder, inCache } from '../../util/cache-folder.js';
import { processesFor, TranslatorProcesses } from '../processes.js';
import type { FetchHooks, Survey, Translator, TranslatorKind, TranslatorOptions } from '../translator.js';
import { contentOf, findModelFiles, type ModelFiles } from './model-files.js';
import { fetchModel, lookUp, type RegisteredModel } from './registry.js';

/** What a process is started with. */
export interface BergamotSetup {
  files: ModelFiles;
  /** Marian's, by its own names. */
  config: Record<string, string | number | boolean>;
}

const { version } = createRequire(import.meta.url)('@browsermt/bergamot-translator/package.json') as {
  version: string;
};

/** Raise it with every change that gives other words: what was translated before is then translated again. */
const METHOD = 1;

/** Measured on one thread, EN–PT. */
const WORDS_PER_SECOND = 600;
/** Texts that go to a process at once: about a second's work, which a kill loses. */
const BATCH = 16;
/** Of a process: somewhat more than was measured with a tiny model. */
const MEMORY = 400e6;
/** Longer texts would be cut in pieces. */
const MOST_TOKENS = 512;

/** Mozilla's Firefox Translations models on Bergamot's WebAssembly engine, a process a core. */
export const bergamot: TranslatorKind = {
  async survey(options: TranslatorOptions, hooks: FetchHooks): Promise<Survey> {
    const { from, to } = options;
    const found = await findOrLookUp(options, hooks);
    const kind = 'size' in found ? ` (${found.architecture})` : '';
    return {
      model: `Firefox Translations ${from}-${to}${kind}`,
      download: 'size' in found ? found.size : 0,
      wordsPerSecond: WORDS_PER_SECOND,
    };
  },

  async open(options: TranslatorOptions, hooks: FetchHooks): Promise<Translator> {
    const files = await getFiles(options, hooks);
    const config = {
      'beam-size': 1,
      normalize: '1.0',
      'word-penalty': 0,
      'max-length-break': MOST_TOKENS,
      'max-length-factor': '2.0',
      'mini-batch-words': 1024,
      workspace: 128,
      'gemm-precision': /\.alphas\./.test(basename(files.model)) ? 'int8shiftAlphaAll' : 'int8shiftAll',
      'skip-cost': true,
      alignment: 'soft',
      // A text is taken for one sentence: they were parted before.
      'ssplit-mode': 'sentence',
      'cpu-threads': 0,
      quiet: true,
      'quiet-translation': true,
    };
    const setup: BergamotSetup = { files, config };
    const content = createHash('sha256')
      .update(JSON.stringify([await contentOf(files, hooks.signal), config]))
      .digest('hex');
    const most = processesFor(options.threads, MEMORY);
    const processes = new TranslatorProcesses('bergamot/process.js', () => setup, most);
    return {
      identity: `bergamot ${version}, ${options.from}-${options.to} ${content.slice(0, 16)}, method ${METHOD}`,
      translate: (texts, deliver, signal) =>
        processes.translate(texts, batches(texts.length), deliver, signal),
      close: () => processes.close(),
    };
  },
};

function* batches(texts: number): Generator<number[]> {
  for (let first = 0; first < texts; first += BATCH) {
    yield Array.from({ length: Math.min(BATCH, texts - first) }, (_, i) => first + i);
  }
}

/** Files that are on the disk, or what is to be fetched for them. */
async function findOrLookUp(
  options: TranslatorOptions,
  hooks: FetchHooks,
): Promise<ModelFiles | RegisteredModel> {
  const { from, to, modelDir, offline, whole, beams = 1, temperature } = options;
  if (beams !== 1 || temperature !== undefined) {
    throw new ArxivNativeError(
      'BAD_OPTION',
      'bergamot translates greedily: it knows no beams and no temperature',
      {
        remedy: 'Leave --beams and --temperature out, or take --translator opus-mt.',
      },
    );
  }
  if (whole) {
    throw new ArxivNativeError('BAD_OPTION', 'bergamot translates sentences: it knows no --whole', {
      remedy: 'Leave --whole out, or take --translator opus-mt.',
    });
  }
  const folder = modelDir === undefined ? fetchedFolder(options) : join(modelDir, `${from}-${to}`);
  const found = await findModelFiles(folder);
  if (found !== undefined) return found;
  if (modelDir !== undefined) {
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${modelDir} holds no model from ${from} to ${to}: no folder ${from}-${to}`,
      {
        remedy: `Put the model's files there, or choose another language with --pivot.`,
      },
    );
  }
  if (offline) {
    throw new ArxivNativeError(
      'NETWORK',
      `the model from ${from} to ${to} was not fetched yet, and this is offline`,
      {
        remedy:
          'Run once without --offline, or make the copies of models of your own: `arxiv-native augment --model-dir FOLDER`.',
      },
    );
  }
  return lookUp(from, to, hooks);
}

async function getFiles(options: TranslatorOptions, hooks: FetchHooks): Promise<ModelFiles> {
  const found = await findOrLookUp(options, hooks);
  if (!('size' in found)) return found;
  const folder = fetchedFolder(options);
  await fetchModel(found, folder, hooks).catch(error => {
    throw inCache(error);
  });
  return (await findModelFiles(folder))!;
}

function fetchedFolder({ from, to }: TranslatorOptions): string {
  return join(cacheFolder(process.env, process.platform), 'translators', 'bergamot', `${from}-${to}`);
}
