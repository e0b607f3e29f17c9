import { realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, relative, sep } from 'node:path';
import { loadEngine } from '../engine.js';
import { ArxivNativeError } from '../errors.js';
import type { EncoderShape, HeadShape, TensorSource } from '../native.js';
import { type Lengths, packPapers } from '../text/pack.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { throwIfCancelled } from '../util/cancel.js';
import { hashFile, requireSpace, type StagedFolder } from '../util/files.js';
import { checkOptions } from '../util/options.js';
import { checkpointCard } from './checkpoint-card.js';
import { encoderOf, recogniseHead } from './checkpoint-layouts.js';
import { openEncoderDescription } from './encoder.js';
import { misfitOfEncoder } from './fit.js';
import type { HubOptions } from './hub.js';
import { readLabelEncoder } from './label-encoder.js';
import { commitSavedModel, stageSavedModel, WEIGHTS } from './saved-model.js';
import { hereFirst } from './shipped.js';
import { openCheckpoint } from './tensor-file.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

export interface ImportCheckpointOptions {
  /** What torch.save wrote: a state dict, bare or wrapped. */
  file: string;
  /** The folder that will hold the model. */
  out: string;
  /** The pickled LabelEncoder that names the classes. */
  labels?: string | undefined;
  /** The classes by index, where there is no such pickle. Without either four classes are the predecessor's four. */
  classes?: readonly string[] | undefined;
  /** The encoder that it was trained from, a folder or an id of the Hub: only its config.json and vocabulary are read. */
  encoder?: string | undefined;
  /** Of an encoder on the Hub: a branch, tag or commit. */
  revision?: string | undefined;
  /** Use only what was downloaded before. */
  offline?: boolean | undefined;
  /** Replace a model that stands in `out`. */
  force?: boolean | undefined;
}

export interface ImportCheckpointHooks {
  /** Bytes of one file of the encoder, where it must be fetched. */
  onProgress?: HubOptions['onProgress'];
  signal?: AbortSignal | undefined;
}

/** What training.json of an imported model holds: nothing about its training is known but what the file states. */
export interface ImportRecord {
  imported: {
    file: string;
    bytes: number;
    sha256: string;
    /** How its tensors were named: `v5-script`, `v5-notebook`, `v2-v4`, `dual` or `light`. */
    layout: string;
    /** Figures that the file states (epoch, val_acc, val_f1), as they stand there: they were not measured here. */
    stated: Record<string, number>;
    /** Where the names of the classes are from. */
    labelsFrom: string;
  };
  labels: string[];
  lengths: Lengths;
  encoder: { id: string; revision?: string; layers: number; hiddenSize: number };
  versions: { package: string; libtorch: string; node: string };
  finishedAt: string;
}

export interface ImportCheckpointResult {
  /** Absolute. */
  folder: string;
  /** The layout, for people. */
  title: string;
  record: ImportRecord;
}

const DEFAULT_ENCODER = 'allenai/scibert_scivocab_uncased';
const PREDECESSORS_CLASSES = ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'];
const STATED = ['epoch', 'val_acc', 'val_f1'];
const DOING = 'importing the checkpoint';

/**
 * Makes a saved model of a checkpoint that one of the predecessor's programs left: its layout is recognised by the names
 * of its tensors, its sizes by their shapes. An optimiser's state is not read, and nothing of a pickle is executed.
 *
 * @throws ArxivNativeError BAD_OPTION, BAD_MODEL (a file of another layout, malformed or hostile, or one that contradicts
 * the encoder's config.json), NETWORK, IO, OUT_OF_MEMORY, CANCELLED, LIBTORCH, ADDON
 */
export async function importCheckpoint(
  options: ImportCheckpointOptions,
  hooks: ImportCheckpointHooks = {},
): Promise<ImportCheckpointResult> {
  await checkImportOptions(options);
  const staged = await stageSavedModel(options.out, { force: options.force ?? false });
  try {
    return await importInto(staged, options, hooks);
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

async function importInto(
  staged: StagedFolder,
  options: ImportCheckpointOptions,
  { signal, onProgress }: ImportCheckpointHooks,
): Promise<ImportCheckpointResult> {
  const { file, revision, offline } = options;
  const id = hereFirst(options.encoder ?? DEFAULT_ENCODER);
  const { tensors, stated } = await openCheckpoint(file);
  const { layout, head, sources } = recogniseHead(tensors, file);
  const { labels, from: labelsFrom } = await labelsOf(head.classes, options);
  const encoder = await openEncoderDescription(id, { revision, offline, signal, onProgress });
  const { shape, tokenizer } = encoder;
  const { lengths } = layout;
  const weights = [...encoderOf(tensors, encoder, file), ...sources];
  const misfit = misfitOfEncoder(shape, head, lengths);
  if (misfit) {
    throw new ArxivNativeError('BAD_MODEL', `${file} does not fit the config.json of ${id}: ${misfit.what}`, {
      remedy: 'Name the encoder that it was trained from by --encoder.',
    });
  }
  throwIfCancelled(signal, DOING);
  const bytes = await requireHonestSizes(weights, file);
  const sha256 = await hashFile(file, signal);
  const libtorch = await writeWeights({ file, shape, head, lengths, weights, tokenizer }, staged);
  throwIfCancelled(signal, DOING);
  const { revision: commit } = encoder;
  const record: ImportRecord = {
    imported: {
      file: basename(file),
      bytes,
      sha256,
      layout: layout.id,
      stated: Object.fromEntries(Object.entries(stated).filter(([name]) => STATED.includes(name))),
      labelsFrom,
    },
    labels,
    lengths,
    encoder: {
      id,
      ...(commit !== undefined && { revision: commit }),
      layers: shape.layers,
      hiddenSize: shape.hiddenSize,
    },
    versions: { package: version, libtorch, node: process.versions.node },
    finishedAt: new Date().toISOString(),
  };
  const thresholds = { method: 'argmax' as const };
  const parts = { labels, encoder: shape, head, lengths, thresholds, tokenizer, training: record };
  await commitSavedModel(staged, parts, checkpointCard(record, layout));
  return { folder: staged.target, title: layout.title, record };
}

interface Contents {
  /** The checkpoint, for messages. */
  file: string;
  shape: EncoderShape;
  head: HeadShape;
  lengths: Lengths;
  weights: TensorSource[];
  tokenizer: Tokenizer;
}

/** Lets the engine copy the weights, once it has classified with them. @returns LibTorch's version */
async function writeWeights(
  { file, shape, head, lengths, weights, tokenizer }: Contents,
  { path, target }: StagedFolder,
): Promise<string> {
  const remedy = 'Free some space, or choose a folder on another disk with --out.';
  await requireSpace(dirname(target), 4 * elementsOf(weights), remedy);
  const addon = loadEngine();
  const model = await addon.createModel({
    encoder: shape,
    head,
    device: 'cpu',
    precision: 'fp32',
    threads: availableParallelism(),
    seed: 0,
    deterministic: false,
    weights,
    mayInitialize: [],
  });
  try {
    const paper = { title: 'Attention', abstract: 'We study attention.' };
    const logits = await model.predict(packPapers(tokenizer, [paper], lengths));
    if (!logits.every(Number.isFinite)) {
      throw new ArxivNativeError('BAD_MODEL', `${file}: its weights give no finite numbers`, {
        remedy: 'Its training had diverged: take an earlier checkpoint.',
      });
    }
    await model.save(join(path, WEIGHTS), { optimizer: false, metadata: {} });
  } finally {
    model.dispose();
  }
  return addon.libtorchVersion;
}

/** A tensor that repeats its elements can be larger than any memory. @returns the file's bytes */
async function requireHonestSizes(weights: readonly TensorSource[], file: string): Promise<number> {
  const { size } = await stat(file);
  if (elementsOf(weights) * 2 <= size) return size;
  throw new ArxivNativeError('BAD_MODEL', `${file}: its tensors are larger than the file`, {
    remedy: 'The file is damaged: fetch or copy it again.',
  });
}

function elementsOf(weights: readonly TensorSource[]): number {
  return weights.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

/** The classes by index, and where their names are from. */
async function labelsOf(
  count: number,
  { file, labels: pickle, classes }: ImportCheckpointOptions,
): Promise<{ labels: string[]; from: string }> {
  const remedy =
    'Name the pickle of its LabelEncoder by --labels, or the classes in the order of their numbers by --classes.';
  if (pickle === undefined && classes === undefined) {
    if (count === PREDECESSORS_CLASSES.length) {
      return { labels: PREDECESSORS_CLASSES, from: "the predecessor's four, in alphabetical order" };
    }
    throw new ArxivNativeError('BAD_OPTION', `${file} tells ${count} classes apart, and nothing says which`, {
      remedy,
    });
  }
  const labels = pickle === undefined ? [...classes!] : await readLabelEncoder(pickle);
  const isFit = labels.every(label => label !== '') && new Set(labels).size === labels.length;
  if (isFit && labels.length === count) {
    return {
      labels,
      from: pickle === undefined ? 'given by name' : `the LabelEncoder in ${basename(pickle)}`,
    };
  }
  const found = isFit ? `${labels.length}` : 'empty or equal ones';
  throw new ArxivNativeError(
    pickle === undefined ? 'BAD_OPTION' : 'BAD_MODEL',
    `${pickle ?? '--classes'} must give ${count} different classes, as many as ${file} has; it gives ${found}`,
    { remedy },
  );
}

async function checkImportOptions(options: ImportCheckpointOptions): Promise<void> {
  checkOptions(
    options,
    {
      file: 'string',
      out: 'string',
      labels: 'string',
      classes: 'any',
      encoder: 'string',
      revision: 'string',
      offline: 'boolean',
      force: 'boolean',
    },
    'importCheckpoint',
  );
  const { file, out, labels, classes, encoder } = options;
  const refuse = (what: string) => {
    throw new ArxivNativeError('BAD_OPTION', what);
  };
  if (file === undefined || out === undefined) refuse('importCheckpoint: "file" and "out" must be given');
  if (labels !== undefined && classes !== undefined) {
    refuse('the classes are either named or read from a pickle, not both');
  }
  const isList = Array.isArray(classes) && classes.every(label => typeof label === 'string');
  if (classes !== undefined && !isList) refuse('importCheckpoint: "classes" must be a list of strings');
  for (const input of [file, labels, encoder]) {
    if (input !== undefined && (await liesIn(input, out))) {
      throw new ArxivNativeError('BAD_OPTION', `${input} lies in ${out}, which would be replaced`, {
        remedy: 'Choose another folder with --out.',
      });
    }
  }
}

async function liesIn(path: string, folder: string): Promise<boolean> {
  const inner = await realpath(path).catch(() => undefined);
  const outer = await realpath(folder).catch(() => undefined);
  if (inner === undefined || outer === undefined) return false;
  const way = relative(outer, inner);
  return way !== '..' && !way.startsWith(`..${sep}`);
}
