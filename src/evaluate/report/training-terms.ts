import { basename } from 'node:path';
import { describeLeaks, type Leaks } from '../../data/leaks.js';
import { SPLITS } from '../../data/paper.js';
import { labelsText } from '../../data/prepare-options.js';
import { counted, grouped } from '../../util/format.js';
import { formatDuration } from '../../util/progress.js';
import { isNumber, type TrainingRecordReader } from './record.js';

export type Term = [term: string, text: string];

/** By what a model was trained; empty where its record says nothing of it, as of one that was imported. */
export function trainingTerms(record: TrainingRecordReader): Term[] {
  const [layers, frozen] = [record.number('encoder.layers'), record.number('frozenLayers')];
  const [trained, total] = [record.number('parameters.trainable'), record.number('parameters.total')];
  const weights = record.numbers('classWeights') ?? [];
  const features = record.number('words.features');
  const [best, epochs] = [record.number('bestEpoch'), record.objects('history').length];
  return present([
    ['recipe', record.text('recipe.name')],
    ['in words', record.text('recipe.resolved.description')],
    ['encoder', encoderName(record)],
    ['layers', layers && `${layers}${frozen === undefined ? '' : `, of them frozen: ${frozen}`}`],
    [
      'parameters',
      total && trained !== undefined && `${grouped(total)}, of them trained: ${grouped(trained)}`,
    ],
    ['class weights', weights.map(weight => weight.toPrecision(3)).join(', ')],
    ['words', features && `beside the encoder, ${grouped(features)} words and pairs of words`],
    ['epochs', best !== undefined && (best > 0 ? `${epochs}, the best was ${best}` : 'none was completed')],
    ['seed', record.number('seed')?.toString()],
    ['computed', machine(record)],
    ['time', time(record)],
    ['memory', megabytes(record.number('peakMemory'))],
    ['versions', versions(record)],
    ['finished', record.text('finishedAt')],
  ]);
}

/** What must be known before a figure of the model is believed. */
export function caveats(record: TrainingRecordReader): string[] {
  return [
    ...((record.number('data.leaks.seenTestRows') ?? 0) > 0
      ? ['Papers of the test stand in the training data too: its figures are too good.']
      : []),
    ...(record.value('encoder.random') === true
      ? ['Its encoder began with random weights and has read only these papers: its accuracy means nothing.']
      : []),
    ...(record.value('distillation.sameData') === false
      ? [
          'Its teacher learned from other data and may have seen the test papers: the figures may be too good.',
        ]
      : []),
    ...(record.value('interrupted') === true ? ['Training was interrupted before its end.'] : []),
  ];
}

/** What a model was trained on. */
export function dataTerms(record: TrainingRecordReader): Term[] {
  const ratios = record.numbers('data.rule.ratios');
  const perClass = record.number('data.rule.perClass');
  const splitSeed = record.number('data.splitSeed');
  const split = record.text('data.rule.split');
  const leftOut = (['duplicates', 'withdrawn', 'empty'] as const).flatMap(name => {
    const count = record.number(`data.${name}`);
    return count ? [name === 'empty' ? `${grouped(count)} without a text` : `${grouped(count)} ${name}`] : [];
  });
  const source = record.text('data.source');
  return present([
    ['data', source && basename(source)],
    ['fingerprint', record.text('data.fingerprint')],
    ['labels', labelsText(record.text('data.rule.labels'), record.text('data.rule.labelColumn'))],
    ['drawn', perClass && `${counted(perClass, 'paper')} a class`],
    [
      'split',
      split &&
        [split, ratios?.join('/'), splitSeed !== undefined && `seed ${splitSeed}`].filter(Boolean).join(', '),
    ],
    ['left out', leftOut.join(', ')],
    ['synthetic copies', copies(record)],
    ...leaks(record).map((line): [string, string] => {
      const [name = '', ...text] = line.split(': ');
      return [name, text.join(': ')];
    }),
  ]);
}

/** Papers by class and part, headings first; undefined where they are not known. */
export function partRows(record: TrainingRecordReader, labels: readonly string[]): string[][] | undefined {
  const counts = SPLITS.map(part => record.numbers(`data.splits.${part}`));
  if (!counts.every(each => each?.length === labels.length)) return undefined;
  const row = (name: string, of: (count: number[]) => number) => [
    name,
    ...counts.map(each => grouped(of(each!))),
  ];
  return [
    ['', ...SPLITS],
    ...labels.map((label, k) => row(label, each => each[k]!)),
    row('all', each => each.reduce((sum, count) => sum + count, 0)),
  ];
}

/** Every setting of the recipe. */
export function settingTerms(record: TrainingRecordReader): Term[] {
  return record
    .entries('recipe.resolved')
    .filter(([key]) => !['description', 'encoder'].includes(key))
    .map(([key, value]) => [key, typeof value === 'string' ? value : spaced(value)]);
}

/** JSON that can be broken into lines. */
function spaced(value: unknown): string {
  return JSON.stringify(value, null, 1).replace(/\s+/g, ' ');
}

/** Where an imported model is from, as its file stated it; empty for one that was trained here. */
export function importTerms(record: TrainingRecordReader): Term[] {
  const stated = record.entries('imported.stated').filter(([, value]) => isNumber(value));
  return present([
    ['file', record.text('imported.file')],
    ['size', megabytes(record.number('imported.bytes'))],
    ['SHA-256', record.text('imported.sha256')],
    ['layout', record.text('imported.layout')],
    ['it states', stated.map(([name, value]) => `${name} ${value}`).join(', ')],
    ['names of the classes', record.text('imported.labelsFrom')],
  ]);
}

/** A page may be handed on: a folder's place on this machine is nobody's business. */
function encoderName(record: TrainingRecordReader): string | undefined {
  const [id, revision] = [record.text('encoder.id'), record.text('encoder.revision')];
  if (id === undefined || record.value('encoder.random') === true) return id;
  return revision === undefined ? basename(id) : `${id} at revision ${revision}`;
}

/** Nothing for weights that are stored as they were trained. */
function storedAs(record: TrainingRecordReader): string | undefined {
  const type = record.text('saveAs');
  return type === undefined || type === 'fp32' ? undefined : `stored in ${type}`;
}

function machine(record: TrainingRecordReader): string {
  const threads = record.number('threads');
  return [
    record.text('device'),
    record.text('precision'),
    storedAs(record),
    threads && counted(threads, 'thread'),
    record.value('deterministic') === true && 'deterministic',
  ]
    .filter(Boolean)
    .join(', ');
}

function time(record: TrainingRecordReader): string {
  const [seconds, perStep, steps] = ['trainingSeconds', 'secondsPerStep', 'steps'].map(key =>
    record.number(key),
  );
  const sessions = record.objects('sessions').length;
  return [
    seconds !== undefined && `${formatDuration(seconds)} without validation`,
    steps && counted(steps, 'step'),
    perStep && `${perStep.toPrecision(3)} s a step`,
    sessions > 1 && `${sessions} sessions`,
  ]
    .filter(Boolean)
    .join(', ');
}

function versions(record: TrainingRecordReader): string {
  const names: [string, string][] = [
    ['arxiv-native', 'package'],
    ['LibTorch', 'libtorch'],
    ['Node', 'node'],
  ];
  return names
    .flatMap(([name, key]) => {
      const version = record.text(`versions.${key}`);
      return version === undefined ? [] : [`${name} ${version}`];
    })
    .join(', ');
}

/** What trained beside the papers, and is in no other count. */
function copies(record: TrainingRecordReader): string {
  const papers = record.numbers('data.copies.papers') ?? [];
  const total = papers.reduce((sum, count) => sum + count, 0);
  if (total === 0) return '';
  const made = record.entries('data.copies.record.translators').map(([pivot, by]) => `${pivot} (${by})`);
  return `${grouped(total)} to train on${made.length > 0 ? `, back-translated through ${made.join(', ')}` : ''}`;
}

function leaks(record: TrainingRecordReader): string[] {
  const figures = Object.fromEntries(LEAKS.map(name => [name, record.number(`data.leaks.${name}`)]));
  return Object.values(figures).every(isNumber) ? describeLeaks(figures as unknown as Leaks).split('\n') : [];
}

const LEAKS = [
  'rows',
  'contradictingRows',
  'crossingPapers',
  'seenTestRows',
  'bestAccuracy',
  'bestTestAccuracy',
] as const satisfies (keyof Leaks)[];

function megabytes(bytes: number | undefined): string | undefined {
  return bytes === undefined ? undefined : `${grouped(Math.round(bytes / 1e6))} MB`;
}

function present(terms: [string, string | number | false | undefined][]): Term[] {
  return terms.filter((term): term is Term => typeof term[1] === 'string' && term[1] !== '');
}
