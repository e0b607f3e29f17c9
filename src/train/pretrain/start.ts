import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReadHooks, ReadProgress } from '../../data/rows.js';
import { unlabelledPapers } from '../../data/unlabelled.js';
import { ArxivNativeError } from '../../errors.js';
import { type EncoderFiles, openEncoder } from '../../model/encoder.js';
import { bertConfig, pretrainingOf } from '../../model/encoder-folder.js';
import { hereFirst } from '../../model/shipped.js';
import type { EncoderShape } from '../../native.js';
import { Tokenizer } from '../../text/tokenizer.js';
import { fileError, writeFileSynced } from '../../util/files.js';
import { counted } from '../../util/format.js';
import { readJsonObject } from '../../util/json.js';
import { bertShape } from '../plan.js';
import type { RandomEncoder } from '../recipe.js';
import type { MaskingVocabulary } from './masking.js';
import type { PretrainHooks, PretrainOptions, PretrainPlan } from './types.js';

const MADE_OF = 'tokenizer.key';
/** The names of what a vocabulary consists of on the disk. */
export const VOCABULARY_FILES = /^tokenizer(_config\.json|\.json|\.key)$/;

/** What pre-training begins with. */
export interface Start {
  origin: PretrainPlan['start'];
  shape: EncoderShape;
  tokenizer: Tokenizer;
  files: EncoderFiles | undefined;
}

/** Opens (and if need be fetches) an encoder; a teacher is taken as its repository has it now. */
export async function openNamed(
  encoder: string,
  { offline, revision }: Pick<PretrainOptions, 'offline' | 'revision'>,
  { signal, onProgress }: PretrainHooks,
): Promise<EncoderFiles> {
  return openEncoder(hereFirst(encoder), {
    ...(offline !== undefined && { offline }),
    ...(revision !== undefined && { revision }),
    ...(signal && { signal }),
    onProgress: download => onProgress?.({ type: 'download', ...download }),
  });
}

/** @param key names what the vocabulary of a new encoder is made of */
export async function startOf(
  folder: string,
  existing: EncoderFiles | undefined,
  sizes: RandomEncoder | undefined,
  corpus: readonly string[],
  key: string,
  hooks: PretrainHooks,
): Promise<Start> {
  if (existing !== undefined) {
    const { id, revision, shape, tokenizer } = existing;
    const record = await pretrainingOf(existing.folder);
    const origin = {
      ...{ id, random: false },
      ...(revision !== undefined && { revision }),
      ...(record !== undefined && { record }),
    };
    return { origin, shape, tokenizer, files: existing };
  }
  const { vocabSize, layers, hiddenSize } = sizes!;
  const tokenizer = await vocabularyOf(folder, vocabSize, corpus, key, hooks);
  const origin = { id: `random BERT, ${counted(layers, 'layer')} of ${hiddenSize}`, random: true };
  return { origin, shape: bertShape(sizes!, tokenizer), tokenizer, files: undefined };
}

/** The vocabulary that the run's folder keeps; learnt anew unless it was made of the same. */
async function vocabularyOf(
  folder: string,
  size: number,
  corpus: readonly string[],
  key: string,
  hooks: PretrainHooks,
): Promise<Tokenizer> {
  const madeOf = join(folder, MADE_OF);
  if ((await readFile(madeOf, 'utf8').catch(() => undefined)) !== key) {
    const { read, learn } = Tokenizer.trainer();
    for await (const { title, abstract } of unlabelledPapers(corpus, readingHooks('vocabulary', hooks))) {
      read(`${title} ${abstract}`);
    }
    const { tokenizer, config } = learn(size).toJSON();
    try {
      await rm(madeOf, { force: true });
      await writeFileSynced(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
      await writeFileSynced(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
      // Last: it says that both are whole.
      await writeFileSynced(madeOf, key);
    } catch (error) {
      throw fileError(error, `writing ${folder}`);
    }
  }
  return Tokenizer.open(folder);
}

export function readingHooks(
  purpose: 'vocabulary' | 'tokens',
  { signal, onProgress }: PretrainHooks,
): ReadHooks {
  const report = (progress: ReadProgress) => onProgress?.({ type: 'reading', purpose, ...progress });
  return { signal, onProgress: report };
}

/** Most tokens that an encoder has positions for. */
export function longest({ maxPositions, positionOffset }: EncoderShape): number {
  return maxPositions - positionOffset;
}

/** @param whose `encoder` or `teacher` */
export function requireLength(
  maxLength: number,
  shape: EncoderShape,
  whose: 'encoder' | 'teacher' = 'encoder',
): void {
  const most = longest(shape);
  if (maxLength <= most) return;
  throw new ArxivNativeError(
    'BAD_OPTION',
    `the ${whose} has positions for ${most} tokens, not ${maxLength}`,
    {
      remedy: `Set --${whose === 'encoder' ? 'max' : whose}-length to at most ${most}.`,
    },
  );
}

export function maskingVocabulary({
  vocabSize: size,
  maskTokenId,
  specialIds,
}: Tokenizer): MaskingVocabulary {
  if (maskTokenId !== undefined && size > specialIds.size) return { size, maskTokenId, specialIds };
  throw new ArxivNativeError('BAD_MODEL', 'the tokenizer has no mask token, or no words', {
    remedy: 'Choose an encoder that was pre-trained by masked words.',
  });
}

export async function configOf({ files, shape }: Start): Promise<Record<string, unknown>> {
  if (files === undefined) return bertConfig(shape);
  return readJsonObject(join(files.folder, 'config.json'), { code: 'BAD_MODEL', remedy: 'Fetch it again.' });
}
