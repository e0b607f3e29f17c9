import { existsSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ArxivNativeError } from '../errors.js';
import type { EncoderShape, HeadShape, TensorSource } from '../native.js';
import type { Lengths } from '../text/pack.js';
import { Tokenizer } from '../text/tokenizer.js';
import { fileError, StagedFolder, type StagingOptions, writeFileSynced, writeWhole } from '../util/files.js';
import { counted, printable } from '../util/format.js';
import { checkDecision, type Decision } from './decision.js';
import { encoderTensors } from './families.js';
import { headTensors } from './head-tensors.js';
import { checkModelConfig, formatVersion } from './model-config.js';
import { hereFirst, refuseShipped, shippedFolder } from './shipped.js';
import { openTensors } from './tensor-file.js';
import { readWords, WORD_WEIGHTS, WORDS, type Words, wordsShape, writeWords } from './words.js';

export const WEIGHTS = 'model.safetensors';
export const CONFIG = 'config.json';
const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json'] as const;
const LABELS = 'labels.json';
const THRESHOLDS = 'thresholds.json';
const TRAINING = 'training.json';
const CARD = 'README.md';
/** The training's log, in a model that was trained and not imported. */
export const METRICS = 'metrics.jsonl';

const INCOMPLETE = 'Copy the whole folder again from where it was trained, or train again.';

/** What a saved model holds beside its weights. */
export interface SavedModelParts {
  /** The categories by class index. */
  labels: string[];
  encoder: EncoderShape;
  head: HeadShape;
  lengths: Lengths;
  /** How a category is chosen. */
  thresholds: Decision;
  tokenizer: Tokenizer;
  /** What the encoder's answers are blended with; absent for an encoder alone. */
  words?: Words;
  /** How it was trained, for the record: recipe, data, seed, versions, figures. */
  training: object;
}

/** A saved model, opened: everything but the weights is in memory, `tensors` says where those lie. */
export interface SavedModel extends SavedModelParts {
  /** Absolute. */
  folder: string;
  tensors: TensorSource[];
}

/**
 * Opens a saved model: a folder, or `arxiv-classifier`, which comes with the package, unless a model of that name lies
 * here. Every file must be there and whole, and the weights must be exactly those that config.json implies.
 *
 * @throws ArxivNativeError BAD_MODEL that names the file and what is wrong with it
 */
export async function openSavedModel(folder: string): Promise<SavedModel> {
  const path = shippedFolder(hereFirst(folder)) ?? resolve(folder);
  requireFolder(path);
  refuseOtherFolder(path);
  requireFiles(path, [CONFIG]);
  const written = await readJson(path, CONFIG);
  refuseEncoder(written, path);
  requireFiles(path, [WEIGHTS, ...TOKENIZER, LABELS, THRESHOLDS, TRAINING]);
  const config = checkModelConfig(written, join(path, CONFIG));
  const labels = checkLabels(await readJson(path, LABELS), config.head.classes, join(path, LABELS));
  const tensors = await openTensors(join(path, WEIGHTS));
  checkTensors(tensors, config.encoder, config.head, path);
  const tokenizer = await Tokenizer.open(path);
  if (tokenizer.vocabSize > config.encoder.vocabSize) {
    throw new ArxivNativeError(
      'BAD_MODEL',
      `${join(path, TOKENIZER[0])} has ${tokenizer.vocabSize} tokens, ${CONFIG} says ${config.encoder.vocabSize}`,
      { remedy: INCOMPLETE },
    );
  }
  const { encoder, head, lengths } = config;
  const thresholds = checkDecision(await readJson(path, THRESHOLDS), labels, join(path, THRESHOLDS));
  const training = (await readJson(path, TRAINING)) as object;
  const opened = { folder: path, labels, encoder, head, lengths, thresholds, training, tensors, tokenizer };
  if (config.words === undefined) return opened;
  requireFiles(path, [WORDS, WORD_WEIGHTS]);
  return { ...opened, words: await readWords(path, config.words, labels) };
}

interface SavingOptions {
  /** Replace any saved model. */
  force: boolean;
  /** Whether the model with this training.json may be replaced, though not forced. */
  replaces?: (training: Record<string, unknown>) => boolean;
  /** Where it is put together; see StagingOptions. */
  place?: string;
}

/** Where a saved model may be written: throws BAD_OPTION if `folder` is taken, IO if it cannot be written. */
export async function stageSavedModel(folder: string, options: SavingOptions): Promise<StagedFolder> {
  refuseShipped(folder);
  return StagedFolder.create(folder, staging(options));
}

/** Throws BAD_OPTION if a model may not be written there, and gives the place's absolute name. */
export async function checkSavedModelPlace(folder: string, options: SavingOptions): Promise<string> {
  refuseShipped(folder);
  return StagedFolder.check(folder, staging(options));
}

function staging({ force, replaces, place }: SavingOptions): StagingOptions {
  const isReplaceable = async (folder: string) => {
    const training = await savedTraining(folder);
    return training !== undefined && replaces?.(training) === true;
  };
  return {
    replace: force || replaces !== undefined,
    isOurs: force ? isSavedModel : isReplaceable,
    holds: [CONFIG, WEIGHTS, ...TOKENIZER, LABELS, THRESHOLDS, TRAINING, CARD, METRICS, WORDS, WORD_WEIGHTS],
    what: 'a model that was trained here',
    name: 'model',
    ...(place !== undefined && { place }),
  };
}

/** What a saved model's training.json holds; undefined if the folder is none, or broken. */
export async function savedTraining(folder: string): Promise<Record<string, unknown> | undefined> {
  if (!(await isSavedModel(folder))) return undefined;
  return (await readJson(folder, TRAINING).catch(() => undefined)) as Record<string, unknown> | undefined;
}

/** By more than one name: an encoder's folder holds a config.json and a model.safetensors too. */
async function isSavedModel(folder: string): Promise<boolean> {
  if (![LABELS, TRAINING].every(name => existsSync(join(folder, name)))) return false;
  const config = await readJson(folder, CONFIG).catch(() => undefined);
  return (config as { format_version?: unknown } | null | undefined)?.format_version !== undefined;
}

/**
 * Completes a staged folder that already holds WEIGHTS, and gives it its final name.
 *
 * @param card the model card: Markdown
 * @throws ArxivNativeError IO; the staged folder, with the weights, is then kept and named in the remedy
 */
export async function commitSavedModel(
  staged: StagedFolder,
  parts: SavedModelParts,
  card: string,
): Promise<void> {
  const { encoder, head, lengths, labels, thresholds, training } = parts;
  const words = parts.words && wordsShape(parts.words);
  const { tokenizer, config: tokenizerConfig } = parts.tokenizer.toJSON();
  const files: Record<string, string> = {
    [CONFIG]: json({ format_version: formatVersion(words), encoder, head, lengths, words }),
    [TOKENIZER[0]]: json(tokenizer),
    [TOKENIZER[1]]: json(tokenizerConfig),
    [LABELS]: json(labels),
    [THRESHOLDS]: json(thresholds),
    [TRAINING]: json(training),
    [CARD]: card,
  };
  try {
    for (const [name, content] of Object.entries(files)) {
      await writeFileSynced(join(staged.path, name), content);
    }
    if (parts.words) await writeWords(staged.path, parts.words);
    await staged.commit();
  } catch (error) {
    staged.keep();
    const { code, message } = fileError(error, `writing ${staged.target}`);
    throw new ArxivNativeError(code, message, {
      cause: error,
      remedy: `The trained weights are safe in ${join(staged.path, WEIGHTS)}.`,
    });
  }
}

/**
 * Lets a saved model choose by another rule from now on: the file is replaced as a whole or not at all.
 *
 * @throws ArxivNativeError IO
 */
export async function saveDecision({ folder }: SavedModel, decision: Decision): Promise<void> {
  const file = join(folder, THRESHOLDS);
  try {
    await writeWhole(file, part => writeFileSynced(part, json(decision)));
  } catch (error) {
    throw fileError(error, `writing ${file}`);
  }
}

function requireFolder(folder: string): void {
  if (!existsSync(folder)) {
    throw new ArxivNativeError('BAD_MODEL', `there is no model folder ${folder}`, {
      remedy: 'Name the folder that `arxiv-native train --out` wrote.',
    });
  }
  if (!statSync(folder).isDirectory()) {
    throw new ArxivNativeError('BAD_MODEL', `${folder} is a file; a saved model is a folder`, {
      remedy: 'Name the folder that `arxiv-native train --out` wrote.',
    });
  }
}

/** Folders that training leaves beside models: one that has not ended, and one of several seeds. */
function refuseOtherFolder(folder: string): void {
  if (existsSync(join(folder, CONFIG))) return;
  const names = readdirSync(folder);
  if (names.includes('checkpoint.safetensors')) {
    throw new ArxivNativeError('BAD_MODEL', `${folder} is a training that has not ended, not a model`, {
      remedy: 'Go on with it: the same `arxiv-native train` command with --resume.',
    });
  }
  const models = names.filter(name => existsSync(join(folder, name, CONFIG))).sort();
  if (models.length > 0) {
    throw new ArxivNativeError(
      'BAD_MODEL',
      `${folder} holds ${counted(models.length, 'model')}, and is none`,
      {
        remedy: `Name one of them, as ${join(folder, models[0]!)}.`,
      },
    );
  }
}

/** An encoder's folder has a config.json too: that of transformers. */
function refuseEncoder(config: unknown, folder: string): void {
  const { model_type: type, format_version: version } = Object(config) as Record<string, unknown>;
  if (type === undefined || version !== undefined) return;
  throw new ArxivNativeError('BAD_MODEL', `${folder} is an encoder, not a trained model`, {
    remedy: `Train a model from it: \`arxiv-native train --data papers.jsonl --encoder ${folder}\`.`,
  });
}

function requireFiles(folder: string, names: readonly string[]): void {
  for (const name of names) {
    if (existsSync(join(folder, name))) continue;
    throw new ArxivNativeError('BAD_MODEL', `${join(folder, name)} is missing`, { remedy: INCOMPLETE });
  }
}

async function readJson(folder: string, name: string): Promise<unknown> {
  const file = join(folder, name);
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw fileError(error, `reading ${file}`);
    throw new ArxivNativeError('BAD_MODEL', `${file} is not valid JSON: ${error.message}`, {
      remedy: INCOMPLETE,
    });
  }
}

function checkLabels(labels: unknown, classes: number, file: string): string[] {
  const fit =
    Array.isArray(labels) &&
    labels.every(label => typeof label === 'string' && label !== '') &&
    new Set(labels).size === labels.length;
  if (fit && labels.length === classes) return labels as string[];
  const found = fit ? `${labels.length} labels` : 'something else';
  throw new ArxivNativeError(
    'BAD_MODEL',
    `${file} must hold a list of ${classes} different labels, as ${CONFIG} says; it holds ${found}`,
    { remedy: INCOMPLETE },
  );
}

function checkTensors(tensors: TensorSource[], encoder: EncoderShape, head: HeadShape, folder: string): void {
  const file = join(folder, WEIGHTS);
  const refuse = (what: string) =>
    new ArxivNativeError('BAD_MODEL', `${file} does not fit ${CONFIG}: ${what}`, {
      remedy: `Put back the ${CONFIG} that was saved with these weights, or train again.`,
    });
  const expected = new Map([...encoderTensors(encoder), ...headTensors(head, encoder.hiddenSize)]);
  const found = new Map(tensors.map(tensor => [tensor.name, tensor.shape]));
  for (const [name, shape] of expected) {
    const actual = found.get(name);
    if (actual === undefined) throw refuse(`there is no tensor ${name}`);
    if (actual.join() !== shape.join()) {
      throw refuse(`${name} is ${actual.join(' × ')}, expected ${shape.join(' × ')}`);
    }
  }
  for (const name of found.keys()) {
    if (!expected.has(name)) throw refuse(`there is no place for the tensor ${printable(name)}`);
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
