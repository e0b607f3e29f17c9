import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { ArxivNativeError } from '../../errors.js';
import { findHubFiles, type HubFiles } from '../../model/hub.js';
import { hashFile } from '../../util/files.js';
import { processesFor, TranslatorProcesses } from '../processes.js';
import type { FetchHooks, Survey, Translator, TranslatorKind, TranslatorOptions } from '../translator.js';
import { type Generation, generationFor, readMarianConfig } from './generation.js';
import { modelFile, PLACES } from './model-files.js';
import type { MarianSetup } from './process.js';
import { RUNTIME_ENVIRONMENT, requireRuntime } from './runtime.js';

/** Raise it with every change that gives other words: what was translated before is then translated again. */
const METHOD = 1;

const DESCRIPTION = ['config.json', 'tokenizer.json'];
const OPTIONAL = ['generation_config.json', 'tokenizer_config.json'];

/** By what a model of opus-mt's size took of a server's processor (bench/README.md), at four beams and at one. */
const WORDS_PER_SECOND = { search: 80, walk: 230 };

/** Sentences in a batch: with their beams enough to keep the arithmetic busy, and few enough to lose to a kill. */
const MOST_TEXTS = 16;
/** Characters in a batch, which bound the memory of what was read and written. */
const MOST_CHARACTERS = 6000;

/** Of a process, in sizes of the model's files: the weights, those that onnxruntime re-orders, and the work. */
const MEMORY = 2.5;

/** Marian models of OPUS-MT, as Xenova's exports to ONNX, or any such export in a folder. */
export const opusMt: TranslatorKind = {
  async survey(options: TranslatorOptions, hooks: FetchHooks): Promise<Survey> {
    requireRuntime();
    const source = await locate(options, hooks);
    const isSearch = (options.beams ?? 4) > 1 && options.temperature === undefined;
    return {
      model: source.name,
      download: source.files?.missing ?? 0,
      wordsPerSecond: isSearch ? WORDS_PER_SECOND.search : WORDS_PER_SECOND.walk,
    };
  },

  async open(options: TranslatorOptions, hooks: FetchHooks): Promise<Translator> {
    const version = requireRuntime();
    const source = await locate(options, hooks);
    const folder = source.folder ?? (await source.files.fetch());
    const generation = generationFor((await readMarianConfig(folder)).generation, options, folder);
    const parts = [modelFile(folder, 'encoder'), modelFile(folder, 'decoder')];
    const { threads, seed } = options;
    // One a thread, because a process with several waits for the slowest at each operation.
    const most = processesFor(threads, MEMORY * (await sizeOf(parts)));
    const setup = (count: number): MarianSetup => ({
      folder,
      threads: Math.floor(threads / count),
      generation,
      seed,
    });
    const content =
      source.files?.revision ??
      (await contentOf(
        folder,
        [...DESCRIPTION, ...OPTIONAL].map(name => join(folder, name)).concat(parts),
        hooks,
      ));
    const precision = parts.some(part => part.endsWith('_quantized.onnx')) ? ' int8' : '';
    const processes = new TranslatorProcesses('marian/process.js', setup, most, RUNTIME_ENVIRONMENT);
    return {
      identity: `${source.name}${precision} ${content.slice(0, 16)}, ${settingsOf(generation, seed)}, onnxruntime ${version}, method ${METHOD}`,
      translate: (texts, deliver, signal) => processes.translate(texts, batches(texts), deliver, signal),
      close: () => processes.close(),
    };
  },
};

type Source =
  | { name: string; folder: string; files?: undefined }
  | { name: string; files: HubFiles; folder?: undefined };

async function locate(options: TranslatorOptions, hooks: FetchHooks): Promise<Source> {
  const { from, to, modelDir, offline } = options;
  if (modelDir !== undefined) {
    const folder = join(modelDir, `${from}-${to}`);
    if (existsSync(folder)) return { name: `opus-mt ${from}-${to}`, folder };
    throw new ArxivNativeError(
      'BAD_OPTION',
      `${modelDir} holds no model from ${from} to ${to}: no folder ${from}-${to}`,
      {
        remedy: 'Put a Marian model exported to ONNX there, or choose another language with --pivot.',
      },
    );
  }
  const id = `Xenova/opus-mt-${from}-${to}`;
  const wanted = {
    required: [...DESCRIPTION.map(name => [name]), PLACES.encoder, PLACES.decoder],
    optional: OPTIONAL,
  };
  const files = await findHubFiles(id, 'translator', wanted, { offline, ...hooks }).catch(error => {
    if (!(error instanceof ArxivNativeError) || error.code !== 'BAD_MODEL') throw error;
    throw new ArxivNativeError('BAD_OPTION', error.message, {
      remedy: `Choose another --pivot, or export a model from ${from} to ${to} and name the folder that its folder ${from}-${to} is in with --model-dir.`,
      cause: error,
    });
  });
  return { name: id, files };
}

function settingsOf({ temperature, beams }: Generation, seed: number): string {
  if (temperature !== undefined) return `temperature ${temperature}, seed ${seed}`;
  return beams === 1 ? 'greedy' : `${beams} beams`;
}

async function sizeOf(files: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const file of files) bytes += (await stat(file)).size;
  return bytes;
}

async function contentOf(folder: string, files: string[], { signal }: FetchHooks): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files.filter(existsSync)) {
    hash.update(`${relative(folder, file)} ${await hashFile(file, signal)}\n`);
  }
  return hash.digest('hex');
}

/** Texts of like length together, the longest first: what goes wrong for want of memory does so at once. */
function* batches(texts: readonly string[]): Generator<number[]> {
  const byLength = [...texts.keys()].sort((a, b) => texts[b]!.length - texts[a]!.length);
  for (let first = 0; first < byLength.length; ) {
    const longest = Math.max(1, texts[byLength[first]!]!.length);
    const size = Math.max(1, Math.min(MOST_TEXTS, Math.floor(MOST_CHARACTERS / longest)));
    yield byLength.slice(first, first + size);
    first += size;
  }
}
