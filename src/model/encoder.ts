import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import type { EncoderShape, TensorSource } from '../native.js';
import { Tokenizer } from '../text/tokenizer.js';
import { readEncoderConfig } from './encoder-config.js';
import { encoderTensors, type Family, wordHeadNames } from './families.js';
import { fetchEncoder, type HubOptions, isHubId, WEIGHT_FILES } from './hub.js';
import { shippedFolder } from './shipped.js';
import { openTensors } from './tensor-file.js';

/** What an encoder is, without its weights. */
export interface EncoderDescription {
  /** What was asked for: a folder, the name of the package's own, or an id of the Hub. */
  id: string;
  /** The Hub's commit. Absent for a folder. */
  revision?: string;
  family: Family;
  shape: EncoderShape;
  /** Its own; it has no more tokens than `shape.vocabSize`. */
  tokenizer: Tokenizer;
}

/** An encoder on this machine, ready for the engine. */
export interface EncoderFiles extends EncoderDescription {
  /** Where its config.json, weights and tokenizer lie. */
  folder: string;
  /** Every tensor of the encoder and nothing else, by the engine's names, in the shapes that `shape` asks for. */
  tensors: TensorSource[];
  /** The head that guesses masked words, by the engine's names; empty where the file has none of these sizes. */
  wordHead: TensorSource[];
  /** The engine's name of each tensor of encoder and word head → the family's, as a model of masked words stores it. */
  storedNames: ReadonlyMap<string, string>;
}

/**
 * Opens an encoder: a folder with config.json, tokenizer and weights; `arxiv-small`, which comes with the package; or an id
 * of the Hub, which is fetched into the Hub's cache unless it is there. A folder of an id's name
 * comes first, not one called `arxiv-small`: what a user names so goes through `hereFirst`.
 *
 * @throws ArxivNativeError BAD_MODEL if it is absent, of no known family, or its tokenizer or weights are missing, of an
 * unfit kind or shape, or malformed (before any weights are fetched, where config.json or tokenizer tell); NETWORK, IO and CANCELLED as fetchEncoder does.
 */
export async function openEncoder(idOrFolder: string, options: HubOptions = {}): Promise<EncoderFiles> {
  const { folder, fetched } = await locate(idOrFolder, options);
  const described = await describe(idOrFolder, folder, fetched?.revision);
  const { family, shape } = described;
  // What is small has said by now whether the encoder is fit: the weights are hundreds of megabytes.
  await fetched?.fetchWeights();
  const file = await weightFile(folder);
  const stored = await openTensors(file);
  const { tensors, names } = encoderSources(stored, family, shape, file);
  const wordHead = wordHeadSources(stored, family, shape);
  const storedNames = new Map([...names, ...wordHeadNames(family)]);
  return { ...described, folder, tensors, wordHead, storedNames };
}

/**
 * What an encoder is by its config.json and tokenizer: no weights are fetched, and a folder needs none.
 *
 * @throws ArxivNativeError as openEncoder does
 */
export async function openEncoderDescription(
  idOrFolder: string,
  options: HubOptions = {},
): Promise<EncoderDescription> {
  const { folder, fetched } = await locate(idOrFolder, options);
  return describe(idOrFolder, folder, fetched?.revision);
}

/**
 * Only the tokenizer of an encoder: no weights are fetched. A folder needs no more than Tokenizer.open does, so that of a
 * saved model will do.
 *
 * @throws ArxivNativeError as openEncoder does
 */
export async function openEncoderTokenizer(
  idOrFolder: string,
  options: HubOptions = {},
): Promise<{ tokenizer: Tokenizer; revision?: string }> {
  const { folder, fetched } = await locate(idOrFolder, options);
  return { tokenizer: await Tokenizer.open(folder), ...(fetched && { revision: fetched.revision }) };
}

async function describe(id: string, folder: string, revision?: string): Promise<EncoderDescription> {
  const { family, shape } = await readEncoderConfig(join(folder, 'config.json'));
  const tokenizer = await openTokenizer(id, folder, shape);
  return { id, ...(revision !== undefined && { revision }), family, shape, tokenizer };
}

/** The folder of an encoder, with at least its small files in it. */
async function locate(idOrFolder: string, options: HubOptions) {
  const shipped = shippedFolder(idOrFolder);
  if (shipped !== undefined) return { folder: shipped };
  const isFolder = (await stat(idOrFolder).catch(() => undefined))?.isDirectory() === true;
  if (isFolder) return { folder: idOrFolder };
  if (!isHubId(idOrFolder)) {
    throw new ArxivNativeError('BAD_MODEL', `encoder ${idOrFolder}: no such folder, and no id of the Hub`, {
      remedy:
        'Name a folder with config.json and weights, an id such as allenai/scibert_scivocab_uncased, or arxiv-small.',
    });
  }
  const fetched = await fetchEncoder(idOrFolder, options).catch(error => {
    throw orMissingFolder(error, idOrFolder);
  });
  return { folder: fetched.folder, fetched };
}

/** The Hub's refusal of what may have been meant as a folder. */
function orMissingFolder(error: unknown, id: string): unknown {
  if (!(error instanceof ArxivNativeError) || !['BAD_MODEL', 'NETWORK'].includes(error.code)) return error;
  return new ArxivNativeError(error.code, `${error.message}; nor is there a folder ${id} here`, {
    ...(error.remedy !== undefined && { remedy: `${error.remedy} Or name a folder that exists.` }),
    cause: error,
  });
}

async function openTokenizer(id: string, folder: string, { vocabSize }: EncoderShape): Promise<Tokenizer> {
  const tokenizer = await Tokenizer.open(folder);
  if (tokenizer.vocabSize <= vocabSize) return tokenizer;
  throw new ArxivNativeError(
    'BAD_MODEL',
    `${id}: its tokenizer has ${tokenizer.vocabSize} tokens, its config.json says ${vocabSize}`,
    { remedy: 'Use the tokenizer that belongs to this encoder.' },
  );
}

async function weightFile(folder: string): Promise<string> {
  for (const name of WEIGHT_FILES) {
    const path = join(folder, name);
    if (await stat(path).catch(() => undefined)) return path;
  }
  throw new ArxivNativeError('BAD_MODEL', `${folder} holds no weights`, {
    remedy: `Put one of these beside config.json: ${WEIGHT_FILES.join(', ')}.`,
  });
}

/** Picks the encoder's tensors out of a checkpoint's, under the engine's names, and checks that all are there. */
function encoderSources(
  stored: TensorSource[],
  family: Family,
  shape: EncoderShape,
  file: string,
): { tensors: TensorSource[]; names: [string, string][] } {
  // A whole model stores its encoder under the prefix, beside heads whose names must not be mistaken for the encoder's.
  const prefix = stored.some(source => source.name.startsWith(family.prefix)) ? family.prefix : '';
  const found = new Map(
    stored
      .filter(source => source.name.startsWith(prefix))
      .map(source => [engineName(source.name.slice(prefix.length), family), source]),
  );

  const expected = encoderTensors(shape);
  const missing = [...expected.keys()].filter(name => !found.has(name));
  if (missing.length > 0) {
    const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
    throw new ArxivNativeError('BAD_MODEL', `${file}: tensor "${missing[0]}"${more} is missing`, {
      remedy:
        'The weights belong to another model than config.json, or the file is incomplete: fetch both again.',
    });
  }
  const names: [string, string][] = [];
  const tensors = [...expected].map(([name, wanted]) => {
    const source = found.get(name)!;
    names.push([name, family.prefix + presentName(source.name.slice(prefix.length))]);
    if (source.shape.join() !== wanted.join()) {
      const shapes = `has shape [${source.shape.join(', ')}], config.json asks for [${wanted.join(', ')}]`;
      throw new ArxivNativeError('BAD_MODEL', `${source.file}: tensor "${source.name}" ${shapes}`, {
        remedy: 'The weights belong to another model than config.json: fetch both again.',
      });
    }
    return { ...source, name };
  });
  return { tensors, names };
}

/** The word head of a checkpoint, whole or not at all. */
function wordHeadSources(stored: TensorSource[], family: Family, shape: EncoderShape): TensorSource[] {
  const found = new Map(stored.map(source => [presentName(source.name), source]));
  const sources = [...wordHeadNames(family)].flatMap(([name, own]) => {
    const source = found.get(own);
    const fits = source?.shape[0] === (name === 'head.bias' ? shape.vocabSize : shape.hiddenSize);
    return fits ? [{ ...source, name }] : [];
  });
  return sources.length === wordHeadNames(family).size ? sources : [];
}

/** A name that TensorFlow gave, as it is today. */
function presentName(stored: string): string {
  return stored
    .replace(/\.LayerNorm\.gamma$/, '.LayerNorm.weight')
    .replace(/\.LayerNorm\.beta$/, '.LayerNorm.bias');
}

/** The engine's name of an encoder's tensor, by its stored one without a prefix. */
export function engineName(stored: string, family: Family): string {
  return family.renamings.reduce(
    (name, [pattern, replacement]) => name.replace(pattern, replacement),
    stored,
  );
}
