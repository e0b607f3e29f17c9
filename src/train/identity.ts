import { createHash } from 'node:crypto';
import { ArxivNativeError } from '../errors.js';
import { hashFile } from '../util/files.js';
import { show } from '../util/options.js';
import type { Lesson } from './distill/lesson.js';
import type { StartingEncoder } from './plan.js';
import { optionName } from './recipe.js';
import type { TrainPlan } from './types.js';

/**
 * All that decides a run's weights on a CPU, by its name in messages. Equal identities give equal models, but where the
 * parts of a batch depend on the memory of the day: by `auto`, and after a step that ran out of it.
 */
export type Identity = Record<string, unknown>;

/** The keys of a recipe that an option sets. */
const OPTIONS = ['epochs', 'batchSize', 'learningRate', 'patience', 'classWeights', 'words'];

const DATA = 'the data';
const COPIES = 'the copies';
const ENCODER = 'the encoder';
/** Of an encoder that is pre-trained. */
export const TEACHER = 'the teacher';

/** What of a plan decides its weights, and is known before any copies are made. */
type Terms = Pick<
  TrainPlan,
  'recipe' | 'seed' | 'device' | 'precision' | 'saveAs' | 'threads' | 'deterministic' | 'versions'
>;

/**
 * The identity of a training without copies; {@link withCopies} adds them.
 *
 * @param data the data set's fingerprint
 * @param microBatch as asked for: `auto`, or a number of papers
 */
export async function identify(
  plan: Terms,
  data: string,
  encoder: StartingEncoder,
  microBatch: number | 'auto',
  lesson?: Lesson,
): Promise<Identity> {
  // The copies that it asked for are known themselves.
  const { description, encoder: _, augment: __, ...recipe } = plan.recipe.resolved;
  const { seed, device, precision, saveAs, threads, deterministic, versions } = plan;
  return {
    ...named(recipe, key => (OPTIONS.includes(key) ? optionName(key) : `the recipe's "${key}"`)),
    ...named({ microBatch, seed, device, precision, saveAs, threads, deterministic }, optionName),
    [DATA]: data,
    [ENCODER]: await contentHash(encoder),
    ...(lesson && {
      temperature: lesson.temperature,
      'the weight of the teacher': lesson.teacherWeight,
      'the teacher and the unlabelled papers': lesson.hashes,
    }),
    'the version of arxiv-native': versions.package,
    'the version of LibTorch': versions.libtorch,
  };
}

/** @param copies their fingerprint; undefined for none */
export function withCopies(identity: Identity, copies: string | undefined): Identity {
  return { ...identity, [COPIES]: copies };
}

function named(values: object, name: (key: string) => string): Identity {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [name(key), value]));
}

/** SHA-256, equal for equal identities. */
export function fingerprint(identity: Identity): string {
  return createHash('sha256').update(canonical(identity)).digest('hex');
}

/**
 * Refuses to go on with a run as another than it was begun as.
 *
 * @param folder where the run lies
 * @throws BAD_OPTION that names each difference
 */
export function requireSame(begun: Identity, now: Identity, folder: string): void {
  const names = [...new Set([...Object.keys(begun), ...Object.keys(now)])];
  const different = names.filter(name => canonical(begun[name]) !== canonical(now[name]));
  if (different.length === 0) return;
  const differences = different.map(name => {
    if (name === DATA || name === COPIES) return `${name} were others`;
    if (name === ENCODER || name === TEACHER) return `${name} was another`;
    return `${name} was ${show(begun[name])}, is now ${show(now[name])}`;
  });
  throw new ArxivNativeError('BAD_OPTION', `${folder} holds another run: ${differences.join('; ')}`, {
    remedy:
      'To go on with it, give what it was begun with. To discard it and begin anew, use --force without --resume.',
  });
}

/** As {@link requireSame}, whatever the copies: they are yet to be made. */
export function requireSameButCopies(begun: Identity, now: Identity, folder: string): void {
  requireSame(withCopies(begun, undefined), withCopies(now, undefined), folder);
}

/** JSON whose keys are in order, so that equal values have equal texts. */
function canonical(value: unknown): string {
  const ordered = (_: string, each: unknown) =>
    each !== null && typeof each === 'object' && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each;
  return JSON.stringify(value, ordered) ?? '';
}

/** Of what the encoder is, not of where: a folder may have been moved, or its weights replaced. */
export async function contentHash({
  shape,
  tokenizer,
  tensors,
}: Pick<StartingEncoder, 'shape' | 'tokenizer' | 'tensors'>): Promise<string> {
  const hash = createHash('sha256').update(canonical([shape, tokenizer.toJSON()]));
  for (const file of new Set(tensors.map(tensor => tensor.file))) hash.update(await hashFile(file));
  return hash.digest('hex');
}
