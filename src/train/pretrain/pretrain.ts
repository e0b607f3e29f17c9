import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { loadEngine, resolveDevice } from '../../engine.js';
import { ArxivNativeError, asArxivNativeError } from '../../errors.js';
import { bertNames } from '../../model/encoder-folder.js';
import { hereFirst, shippedFolder } from '../../model/shipped.js';
import type { EngineModel, ModelOptions, PretrainingShape } from '../../native.js';
import { behindLink, hashFile } from '../../util/files.js';
import { contentHash, fingerprint, type Identity, TEACHER } from '../identity.js';
import { STORED_AS } from '../stored-as.js';
import { Batches } from './batches.js';
import { encoderCard } from './card.js';
import { TokenCorpus } from './corpus.js';
import { runSteps } from './loop.js';
import { checkPretrainOptions, encoderSizes, settingsOf } from './options.js';
import { PretrainFolder } from './pretrain-folder.js';
import {
  configOf,
  longest,
  maskingVocabulary,
  openNamed,
  readingHooks,
  requireLength,
  type Start,
  startOf,
} from './start.js';
import { newState, type PretrainState, totalSeconds } from './state.js';
import { type Teacher, TeacherStates } from './teacher.js';
import type {
  PretrainHooks,
  PretrainOptions,
  PretrainPlan,
  PretrainRecord,
  PretrainResult,
} from './types.js';

export type * from './types.js';

/** What sentence encoders were mostly trained on. */
const TEACHER_LENGTH = 128;

const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string };

/**
 * Pre-trains an encoder by masked words and, beside them, the papers' categories and a teacher's states: a new one with
 * a vocabulary of its own, or one that exists, on a corpus of its user's. The result is a folder that `train` and
 * Hugging Face's libraries read. It stands there from the first checkpoint on; until all steps are taken
 * `OUT.pretraining` holds what `resume` goes on from: bit for bit on a CPU, whatever ended the process.
 *
 * @throws ArxivNativeError BAD_OPTION, BAD_INPUT (corpus), BAD_MODEL and NETWORK (encoder), IO, UNSUPPORTED (device,
 * precision), OUT_OF_MEMORY, NON_FINITE, CANCELLED (before the first step), LIBTORCH, ADDON
 */
export async function pretrain(options: PretrainOptions, hooks: PretrainHooks = {}): Promise<PretrainResult> {
  checkPretrainOptions(options);
  const { out = join('runs', 'pretrained'), force = false, resume = false } = options;
  return PretrainFolder.use(out, { force, resume, signal: hooks.signal }, async (folder, signal) => {
    try {
      return await pretrainIn(folder, options, { ...hooks, signal });
    } catch (error) {
      throw explain(error, folder);
    }
  });
}

async function pretrainIn(
  folder: PretrainFolder,
  options: PretrainOptions,
  hooks: PretrainHooks,
): Promise<PretrainResult> {
  const addon = loadEngine();
  const settings = settingsOf(options);
  const { threads = availableParallelism(), saveAs = 'bf16' } = options;
  const { device, precision } = resolveDevice(options.device ?? 'auto', options.precision ?? 'auto', addon);
  for (const source of [options.encoder, options.teacher]) await requireOther(source, folder.target);
  const existing =
    options.encoder === undefined ? undefined : await openNamed(options.encoder, options, hooks);
  const teacher =
    options.teacher === undefined
      ? undefined
      : await openTeacher(options.teacher, options, { device, precision, threads }, hooks);
  const sizes = existing === undefined ? encoderSizes(options) : undefined;
  const files: PretrainPlan['corpus']['files'] = [];
  for (const file of options.corpus) {
    if (!(await stat(file).catch(() => undefined))?.isFile()) {
      throw new ArxivNativeError('BAD_INPUT', `${file}: there is no such file`, {
        remedy: 'A corpus is read more than once, so it must be files.',
      });
    }
    files.push({ name: basename(file), sha256: await hashFile(file, hooks.signal) });
  }
  const hashes = files.map(({ sha256 }) => sha256);
  const { steps, hours, ...others } = settings;
  const identity: Identity = {
    ...others,
    steps,
    hours,
    saveAs,
    device,
    precision,
    threads,
    'the corpus': hashes,
    'the encoder': existing === undefined ? sizes : await contentHash(existing),
    ...(teacher && {
      [TEACHER]: await contentHash(teacher.encoder),
      'teacherLength (--teacher-length)': teacher.maxLength,
    }),
    'the version of arxiv-native': version,
    'the version of LibTorch': addon.libtorchVersion,
  };
  const finished = await folder.finished(identity);
  if (finished !== undefined) return { folder: folder.target, record: finished };
  const checkpoint = await folder.begin(identity);

  const made = [version, hashes, settings.maxLength, identity['the encoder']];
  const key = createHash('sha256').update(JSON.stringify(made)).digest('hex');
  const start = await startOf(folder.path, existing, sizes, options.corpus, key, hooks);
  requireLength(settings.maxLength, start.shape);
  const vocabulary = maskingVocabulary(start.tokenizer);
  const corpus = await TokenCorpus.prepare(
    folder.path,
    key,
    options.corpus,
    start.tokenizer,
    settings.maxLength,
    readingHooks('tokens', hooks),
  );
  let states: TeacherStates | undefined;
  try {
    if (teacher !== undefined) {
      const read = [version, addon.libtorchVersion, hashes, identity[TEACHER], teacher.maxLength];
      const key = createHash('sha256').update(JSON.stringify([...read, device, precision, threads]));
      const reading = { sources: options.corpus, papers: corpus.length };
      states = await TeacherStates.prepare(folder.path, key.digest('hex'), teacher, reading, {
        signal: hooks.signal,
        onTaught: (done, total) => hooks.onProgress?.({ type: 'teaching', done, total }),
      });
    }
    const categories = settings.categoryWeight > 0 && corpus.categories.length > 1;
    const batches = new Batches({ ...settings, corpus, vocabulary, categories, teacher: states });
    const tasks = {
      classes: categories ? corpus.categories.length : 0,
      classWeight: settings.categoryWeight,
      teacherSize: states?.size ?? 0,
      teacherWeight: settings.teacherWeight ?? 0,
    };
    const modelOptions = engineOptions(start, settings, tasks);
    const model = await addon.createModel({ ...modelOptions, device, precision, threads }).catch(error => {
      throw withRemedy(error, options);
    });
    try {
      const plan: PretrainPlan = {
        fingerprint: fingerprint(identity),
        start: start.origin,
        shape: start.shape,
        parameters: countEncoder(model),
        corpus: {
          files,
          papers: corpus.length,
          tokens: corpus.tokens,
          heldOut: batches.heldOutPapers,
          categories: categories ? corpus.categories : [],
        },
        ...(teacher && { teacher: describeTeacher(teacher) }),
        settings,
        saveAs,
        device,
        precision,
        threads,
        versions: { package: version, libtorch: addon.libtorchVersion, node: process.versions.node },
      };
      hooks.onProgress?.({ type: 'plan', plan });
      if (checkpoint !== undefined) {
        await model.load(checkpoint.tensors, checkpoint.optimizerSteps);
        hooks.onProgress?.({ type: 'resume', step: checkpoint.state.steps });
      }
      const state = checkpoint?.state ?? newState(settings.steps);
      if (state.total !== undefined) hooks.onProgress?.({ type: 'steps', steps: state.total });
      return await learn({ folder, model, batches, plan, start, state }, options, hooks);
    } finally {
      model.dispose();
    }
  } finally {
    states?.close();
    corpus.close();
  }
}

/** An encoder that the first checkpoint would replace is not there any more to go on from. */
async function requireOther(source: string | undefined, target: string): Promise<void> {
  if (source === undefined) return;
  if ((await behindLink(resolve(shippedFolder(hereFirst(source)) ?? source))) !== target) return;
  throw new ArxivNativeError('BAD_OPTION', `${source} would be replaced by what comes of it`, {
    remedy: 'Choose another folder with --out.',
  });
}

async function openTeacher(
  name: string,
  { offline, teacherLength }: PretrainOptions,
  placement: Omit<Teacher, 'encoder' | 'maxLength'>,
  hooks: PretrainHooks,
): Promise<Teacher> {
  const encoder = await openNamed(name, { offline }, hooks);
  const maxLength = teacherLength ?? Math.min(TEACHER_LENGTH, longest(encoder.shape));
  requireLength(maxLength, encoder.shape, 'teacher');
  return { encoder, maxLength, ...placement };
}

function describeTeacher({ encoder: { id, revision, shape }, maxLength }: Teacher): PretrainPlan['teacher'] {
  return { id, ...(revision !== undefined && { revision }), hiddenSize: shape.hiddenSize, maxLength };
}

interface Run {
  folder: PretrainFolder;
  model: EngineModel;
  batches: Batches;
  plan: PretrainPlan;
  start: Start;
  state: PretrainState;
}

async function learn(run: Run, options: PretrainOptions, hooks: PretrainHooks): Promise<PretrainResult> {
  const { folder, model, batches, plan, start, state } = run;
  const { logEvery = 50, evaluateEvery = 500, checkpointEvery } = options;
  const config = await configOf(start);
  const names = Object.fromEntries(start.files?.storedNames ?? bertNames(start.shape));
  let record = recordOf(run);
  const save = async () => {
    record = recordOf(run);
    await folder.save(model, state);
    const weights = (file: string) =>
      model.save(file, { optimizer: false, metadata: {}, dtype: STORED_AS[plan.saveAs], names });
    await folder.give(weights, { config, tokenizer: start.tokenizer, record, card: encoderCard(record) });
  };
  const log = (line: object) => folder.log(line);
  const loop = { model, batches, settings: plan.settings, state, save, log };
  await runSteps({ ...loop, logEvery, evaluateEvery, checkpointEvery }, hooks).catch(error => {
    throw withRemedy(error, options);
  });
  if (!record.complete) return { folder: folder.target, record, unfinished: folder.path };
  await folder.done();
  return { folder: folder.target, record };
}

function recordOf({ plan, state, batches }: Run): PretrainRecord {
  const { steps, total, evaluation, sessions } = state;
  return {
    ...plan,
    complete: steps === total,
    steps,
    ...(total !== undefined && { totalSteps: total }),
    tokensSeen: state.tokens,
    epochs: state.papers / batches.papers,
    ...(evaluation !== undefined && { evaluation }),
    sessions,
    seconds: totalSeconds(state),
    finishedAt: new Date().toISOString(),
  };
}

function engineOptions(
  { shape, files }: Start,
  settings: PretrainPlan['settings'],
  pretraining: PretrainingShape,
): Omit<ModelOptions, 'device' | 'precision' | 'threads'> {
  const { learningRate, headLearningRateFactor, weightDecay, dropout, seed } = settings;
  return {
    encoder: {
      ...shape,
      hiddenDropout: dropout,
      attentionOutputDropout: shape.attentionOutputDropout === 0 ? 0 : dropout,
      attentionDropout: dropout,
    },
    pretraining,
    training: {
      frozenLayers: 0,
      freezeEmbeddings: false,
      grouping: 'encoder',
      learningRate,
      headLearningRate: learningRate * headLearningRateFactor,
      weightDecay,
      headWeightDecay: weightDecay,
      beta1: 0.9,
      beta2: 0.98,
      epsilon: 1e-6,
      clipNorm: 1,
      loss: 'cross-entropy',
      focalGamma: 0,
      labelSmoothing: 0,
      classWeights: [],
    },
    seed,
    deterministic: false,
    weights: files === undefined ? [] : [...files.tensors, ...files.wordHead],
    mayInitialize: [files === undefined ? '' : 'head.'],
  };
}

function countEncoder(model: EngineModel): number {
  return model
    .parameters()
    .filter(({ name }) => !name.startsWith('head.'))
    .reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

/** What the encoder itself failed at, with what can be done about it. */
function withRemedy(error: unknown, { batchTokens, learningRate }: PretrainOptions): ArxivNativeError {
  const { code, message, remedy, cause } = asArxivNativeError(error, 'ENGINE', 'pre-training failed');
  const remedies: Partial<Record<string, string>> = {
    NON_FINITE: `Try a lower --lr${learningRate ? ` (it was ${learningRate})` : ''}, or --precision fp32.`,
    OUT_OF_MEMORY: `Use a smaller --batch-tokens${batchTokens ? ` (it was ${batchTokens})` : ''}, or a smaller encoder.`,
  };
  const best = remedies[code] ?? remedy;
  return new ArxivNativeError(code, message, { cause, ...(best !== undefined && { remedy: best }) });
}

/** The failure, and where the same command would go on. */
function explain(error: unknown, run: PretrainFolder): ArxivNativeError {
  const { code, message, remedy, cause } = asArxivNativeError(error, 'ENGINE', 'pre-training failed');
  const all = [remedy, whereItGoesOn(code, run)].filter(each => each !== undefined).join('\n');
  return new ArxivNativeError(code, message, { cause, ...(all !== '' && { remedy: all }) });
}

function whereItGoesOn(code: string, run: PretrainFolder): string | undefined {
  if (code === 'BAD_OPTION') return undefined;
  if (run.resumable === undefined) {
    return run.keepsStates
      ? `What the teacher made of the papers stays in ${run.path}: the same command goes on from there.`
      : undefined;
  }
  return code === 'CANCELLED' || code === 'NON_FINITE'
    ? undefined
    : `The same command with --resume goes on after step ${run.resumable}.`;
}
