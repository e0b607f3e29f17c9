import { ArxivNativeError } from '../errors.js';
import type { HeadShape, TensorSource } from '../native.js';
import type { Lengths } from '../text/pack.js';
import { printable } from '../util/format.js';
import { type EncoderDescription, engineName } from './encoder.js';
import { encoderTensors } from './families.js';
import { LARGEST } from './fit.js';
import { headTensors } from './head-tensors.js';

/** What stands before the encoder's names, whatever its family. */
const ENCODER_PREFIX = 'bert.';
const WORDS = 'embeddings.word_embeddings.weight';
/** Saved with the encoder, but never used by the predecessor. */
const POOLER = 'pooler.';

/** How one of the predecessor's programs named the tensors of a head, and what it computed with them. */
export interface CheckpointLayout {
  id: string;
  /** For people. */
  title: string;
  type: HeadShape['type'];
  /** Hidden layers of the classifier; their widths are read from the file. */
  hiddenLayers: number;
  activation: HeadShape['activation'];
  embeddingDropout: number;
  lengths: Lengths;
  /** Where its names begin otherwise than the engine's: the engine's beginning → its own. */
  renamings: Readonly<Record<string, string>>;
}

const TWO_SEQUENCES = { title: 32, abstract: 128 };
const POOLING = { title_pool_attn: 'title_attention', abstract_pool_attn: 'abstract_attention' };
/** What is common to all from V2 on. */
const FUSION = {
  hiddenLayers: 3,
  activation: 'gelu',
  embeddingDropout: 0.1,
  lengths: TWO_SEQUENCES,
} as const;

const LAYOUTS: readonly CheckpointLayout[] = [
  { id: 'v5-script', title: 'the V5 script', type: 'cross-attention', ...FUSION, renamings: {} },
  {
    id: 'v5-notebook',
    title: 'the V5 notebook',
    type: 'cross-attention',
    ...FUSION,
    renamings: {
      ...POOLING,
      norm_title: 'layer_norm1',
      norm_abstract: 'layer_norm2',
      'fusion.12': 'classifier',
    },
  },
  { id: 'v2-v4', title: 'V2 to V4', type: 'concat', ...FUSION, renamings: POOLING },
  {
    id: 'dual',
    title: 'the first dual model',
    type: 'concat',
    hiddenLayers: 2,
    activation: 'relu',
    embeddingDropout: 0,
    lengths: TWO_SEQUENCES,
    renamings: POOLING,
  },
  {
    id: 'light',
    title: 'the light model',
    type: 'cls',
    hiddenLayers: 1,
    activation: 'relu',
    embeddingDropout: 0,
    lengths: { joined: 160 },
    renamings: { fusion: 'classifier' },
  },
];

/** Of the predecessor's cross-attention; no weight depends on either. */
const CROSS_ATTENTION = { attentionHeads: 8, attentionDropout: 0.1 };

/**
 * Recognises a checkpoint's head by the names of its tensors, and reads its sizes from their shapes.
 *
 * @throws ArxivNativeError BAD_MODEL that says what is missing from the nearest layout, what has no place in it, or which
 * tensor contradicts the others
 */
export function recogniseHead(
  tensors: readonly TensorSource[],
  file: string,
): { layout: CheckpointLayout; head: HeadShape; sources: TensorSource[] } {
  const embeddings = tensors.find(({ name }) => name === ENCODER_PREFIX + WORDS);
  if (embeddings === undefined) throw refused(file, `there is no ${ENCODER_PREFIX}${WORDS}`);
  const found = new Map(
    tensors.filter(({ name }) => !name.startsWith(ENCODER_PREFIX)).map(source => [source.name, source]),
  );
  const layout = recognise([...found.keys()], file);
  const head = headShape(layout, name => found.get(storedName(name, layout))!.shape);
  const widths = [...head.hidden, head.classes];
  if (head.classes < 2 || widths.some(width => width < 1 || width > LARGEST.width)) {
    throw refused(file, `its head has impossible widths: ${widths.join(', ')}`);
  }
  const sources = [...headTensors(head, embeddings.shape[1] ?? 0)].map(([name, expected]) => {
    const source = found.get(storedName(name, layout))!;
    if (source.shape.join() === expected.join()) return { ...source, name };
    throw refused(
      file,
      `tensor "${source.name}" is ${dimensions(source.shape)}, expected ${dimensions(expected)}`,
    );
  });
  return { layout, head, sources };
}

function recognise(names: readonly string[], file: string): CheckpointLayout {
  const candidates = LAYOUTS.map(layout => {
    const expected = new Set(
      [...headTensors(headShape(layout), 1).keys()].map(name => storedName(name, layout)),
    );
    const missing = [...expected].filter(name => !names.includes(name));
    return { layout, missing, extra: names.filter(name => !expected.has(name)) };
  });
  const misfits = (each: (typeof candidates)[number]) => each.missing.length + each.extra.length;
  const nearest = candidates.reduce((best, each) => (misfits(each) < misfits(best) ? each : best));
  if (misfits(nearest) === 0) return nearest.layout;
  const { layout, missing, extra } = nearest;
  const faults = [
    ...(missing.length > 0 ? [`it lacks ${listed(missing)}`] : []),
    ...(extra.length > 0 ? [`it has no place for ${listed(extra)}`] : []),
  ];
  throw refused(
    file,
    `its head is none of the predecessor's; the nearest is that of ${layout.title}, but ${faults.join(' and ')}`,
  );
}

/** The head with the widths that `shapeOf` gives for the engine's names. */
function headShape(layout: CheckpointLayout, shapeOf = (_name: string): number[] => [1]): HeadShape {
  const { type, hiddenLayers, activation, embeddingDropout } = layout;
  const outputs = (layer: number) => shapeOf(`head.fusion.${4 * layer}.weight`)[0] ?? 1;
  const hidden = Array.from({ length: hiddenLayers }, (_, layer) => outputs(layer));
  // Not in the file, and only training would ask: the versions differ in it.
  const dropout = hidden.map(() => 0);
  const classes = outputs(hiddenLayers);
  return { type, classes, hidden, activation, dropout, embeddingDropout, ...CROSS_ATTENTION };
}

function storedName(engineName: string, { renamings }: CheckpointLayout): string {
  const name = engineName.slice('head.'.length);
  const [ours, theirs] = Object.entries(renamings).find(([from]) => name.startsWith(`${from}.`)) ?? ['', ''];
  return theirs + name.slice(ours.length);
}

/**
 * The encoder's tensors of a checkpoint under the engine's names, which must be exactly those that its config.json implies.
 *
 * @throws ArxivNativeError BAD_MODEL that names the tensor, and says what sizes the file has
 */
export function encoderOf(
  tensors: readonly TensorSource[],
  { id, family, shape }: EncoderDescription,
  file: string,
): TensorSource[] {
  const found = new Map(
    tensors
      .filter(({ name }) => name.startsWith(ENCODER_PREFIX) && !name.startsWith(ENCODER_PREFIX + POOLER))
      .map(source => [engineName(source.name.slice(ENCODER_PREFIX.length), family), source]),
  );
  const contradiction = (what: string) =>
    new ArxivNativeError('BAD_MODEL', `${file} does not fit the config.json of ${id}: ${what}`, {
      remedy: `Name the encoder that it was trained from by --encoder${sizesOf(found)}.`,
    });
  const expected = encoderTensors(shape);
  for (const [name, wanted] of expected) {
    const source = found.get(name);
    if (source === undefined || source.shape.join() === wanted.join()) continue;
    const shapes = `is ${dimensions(source.shape)}, expected ${dimensions(wanted)}`;
    throw contradiction(`tensor "${source.name}" ${shapes}`);
  }
  const extra = [...found].filter(([name]) => !expected.has(name)).map(([, source]) => source.name);
  if (extra.length > 0) throw contradiction(`there is no place for ${listed(extra)}`);
  const missing = [...expected.keys()].filter(name => !found.has(name));
  if (missing.length > 0) {
    throw contradiction(`it lacks ${listed(missing.map(name => ENCODER_PREFIX + name))}`);
  }
  return [...expected.keys()].map(name => ({ ...found.get(name)!, name }));
}

/** The sizes that tell encoders apart, as far as the shapes show them. */
function sizesOf(found: ReadonlyMap<string, TensorSource>): string {
  const [words, width] = found.get(WORDS)?.shape ?? [];
  const layers = new Set([...found.keys()].map(name => /^encoder\.layer\.(\d+)\./.exec(name)?.[1]));
  layers.delete(undefined);
  return `: one of ${layers.size} layers of ${width}, with a vocabulary of ${words}`;
}

function refused(file: string, what: string): ArxivNativeError {
  return new ArxivNativeError('BAD_MODEL', `${file}: ${what}`, {
    remedy: `The layouts that are known: ${LAYOUTS.map(({ title }) => title).join('; ')}.`,
  });
}

const MOST_NAMES = 3;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMES).map(printable).join(', ');
  return names.length > MOST_NAMES ? `${shown} and ${names.length - MOST_NAMES} more` : shown;
}

function dimensions(shape: readonly number[]): string {
  return shape.join(' × ') || 'a single number';
}
