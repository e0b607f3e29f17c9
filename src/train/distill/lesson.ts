import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset, Example } from '../../data/dataset.js';
import { baseId, hasOwnId, type Paper, titleKey } from '../../data/paper.js';
import type { ReadProgress } from '../../data/rows.js';
import { unlabelledPapers } from '../../data/unlabelled.js';
import { ArxivNativeError } from '../../errors.js';
import { logitsOf } from '../../evaluate/score.js';
import { type LabelledBatch, TokenizedExamples } from '../../evaluate/tokenized-examples.js';
import { loadSavedModel, type PlacementOptions } from '../../model/load.js';
import { CONFIG, openSavedModel, WEIGHTS } from '../../model/saved-model.js';
import { WORD_WEIGHTS, WORDS } from '../../model/words.js';
import { fileError, hashFile, writeFileSynced, writeWhole } from '../../util/files.js';
import type { TrainHooks } from '../types.js';

const CALLER = 'distill';

/** How a model is taught by another. */
export interface DistillationOptions {
  /** The teacher's folder: a saved model of the same classes. */
  teacher: string;
  /** Files of papers whose labels, if they have any, are not looked at. */
  unlabelled?: string[] | undefined;
  /** Softens the probabilities of both; 2 if absent. */
  temperature?: number | undefined;
  /** How much the teacher counts beside the true label, 0 to 1; 0.7 if absent. */
  teacherWeight?: number | undefined;
}

/** What is taught: known before the teacher has spoken. */
export interface Lesson {
  teacher: string;
  temperature: number;
  teacherWeight: number;
  unlabelled: Example[];
  /** Of the unlabelled papers, those left out because the data has them, or one of them twice. */
  known: number;
  /** Whether the teacher learned from the very data that the student does, so that its test papers are new to both. */
  sameData: boolean;
  /** SHA-256 of each file by which the teacher answers, and of each file of unlabelled papers. */
  hashes: { teacher: string[]; unlabelled: string[] };
}

/** The numbers that count. Throws BAD_OPTION for one that is out of range. */
export function checkLesson({ temperature = 2, teacherWeight = 0.7 }: DistillationOptions): {
  temperature: number;
  teacherWeight: number;
} {
  requireRange(
    'temperature',
    temperature,
    temperature > 0 && temperature <= 100,
    'a number above 0, up to 100',
  );
  requireRange(
    'teacherWeight',
    teacherWeight,
    teacherWeight >= 0 && teacherWeight <= 1,
    'a number from 0 to 1',
  );
  return { temperature, teacherWeight };
}

/**
 * @throws BAD_OPTION (a temperature or weight out of range), BAD_MODEL (no teacher), BAD_INPUT (a teacher of other
 * classes, an unreadable file), IO, CANCELLED
 */
export async function prepareLesson(
  options: DistillationOptions,
  data: Dataset,
  { signal, onProgress }: TrainHooks,
): Promise<Lesson> {
  const { teacher, unlabelled: files = [] } = options;
  const { temperature, teacherWeight } = checkLesson(options);
  const { labels, training, folder, words } = await openSavedModel(teacher);
  if ([...labels].sort().join('\n') !== [...data.labels].sort().join('\n')) {
    throw new ArxivNativeError(
      'BAD_INPUT',
      `${teacher} knows the classes ${labels.join(', ')}; the data has ${data.labels.join(', ')}`,
      { remedy: 'Teach with a model of the same classes.' },
    );
  }
  const report = (progress: ReadProgress) => onProgress?.({ type: 'reading', ...progress });
  const read: Paper[] = [];
  for await (const paper of unlabelledPapers(files, { signal, onProgress: report })) read.push(paper);
  const fresh = strangers(read, data);
  const { data: taught } = training as { data?: { fingerprint?: string } };
  const answering = [CONFIG, WEIGHTS, ...(words ? [WORDS, WORD_WEIGHTS] : [])];
  return {
    teacher,
    temperature,
    teacherWeight,
    unlabelled: fresh.map(paper => ({ paper, label: -1 })),
    known: read.length - fresh.length,
    sameData: taught?.fingerprint === data.fingerprint,
    hashes: {
      teacher: await Promise.all(answering.map(name => hashFile(join(folder, name), signal))),
      unlabelled: await Promise.all(files.map(file => hashFile(file, signal))),
    },
  };
}

/** Papers that the data does not have, each once: one of its test papers must not be learned from. */
function strangers(papers: readonly Paper[], { train, validation, test }: Dataset): Paper[] {
  const seen = new Set<string>();
  const keys = (paper: Paper) => [
    ...(hasOwnId(paper) ? [`id ${baseId(paper.id)}`] : []),
    `title ${titleKey(paper.title)}`,
  ];
  const isNew = (paper: Paper) => {
    const own = keys(paper);
    const fresh = !own.some(key => seen.has(key));
    for (const key of own) seen.add(key);
    return fresh;
  };
  for (const { paper } of [...train, ...validation, ...test]) isNew(paper);
  return papers.filter(isNew);
}

/**
 * The teacher's probabilities of every example, softened: papers × classes, in the order of `labels`. They are computed
 * once and kept in the run's folder. A teacher's words know by heart the papers that they learnt from, and say little more
 * of them than the label; so of labelled papers its encoder alone is asked, by its own logits, unscaled.
 *
 * @param examples the labelled ones first
 * @throws ArxivNativeError as `logitsOf` and `loadSavedModel` do; IO
 */
export async function teach(
  lesson: Lesson,
  examples: readonly Example[],
  labels: readonly string[],
  folder: string,
  placement: PlacementOptions,
  { signal, onProgress }: TrainHooks,
): Promise<Float32Array> {
  const { hashes, teacher, temperature } = lesson;
  const classes = labels.length;
  const labelled = examples.filter(({ label }) => label >= 0).length;
  const asked = createHash('sha256');
  asked.update(JSON.stringify([hashes.teacher, labels, placement.precision, labelled]));
  for (const { paper } of examples) asked.update(`${paper.title}\n${paper.abstract}\n`);
  const key = asked.digest('hex').slice(0, 16);
  const file = join(folder, `teacher-${key}.bin`);
  const kept = await readFile(file).catch(() => undefined);
  if (kept?.length === 4 * examples.length * classes) {
    return soften(new Float32Array(Uint8Array.from(kept).buffer), classes, temperature);
  }
  const { saved, model } = await loadSavedModel(teacher, placement);
  try {
    const order = labels.map(label => saved.labels.indexOf(label));
    const logits = new Float32Array(examples.length * classes);
    for (const { start, end, words } of [
      { start: 0, end: labelled, words: undefined },
      { start: labelled, end: examples.length, words: saved.words },
    ]) {
      const papers = new TokenizedExamples(saved.tokenizer, examples.slice(start, end), saved.lengths);
      const onDone = (done: number) =>
        onProgress?.({ type: 'teaching', done: start + done, total: examples.length });
      const said = await logitsOf({ model, words }, papers, classes, { signal, onProgress: onDone });
      logits.set(
        said.map((_, i) => said[i - (i % classes) + order[i % classes]!]!),
        start * classes,
      );
    }
    await writeWhole(file, part => writeFileSynced(part, new Uint8Array(logits.buffer))).catch(error => {
      throw fileError(error, `writing ${folder}`);
    });
    return soften(logits, classes, temperature);
  } finally {
    model.dispose();
  }
}

/** Softmax of each row, divided by the temperature. */
export function soften(logits: Float32Array, classes: number, temperature: number): Float32Array {
  const result = new Float32Array(logits.length);
  for (let row = 0; row < logits.length; row += classes) {
    const scaled = logits.subarray(row, row + classes).map(logit => logit / temperature);
    const largest = Math.max(...scaled);
    const powers = Array.from(scaled, value => Math.exp(value - largest));
    const sum = powers.reduce((total, power) => total + power, 0);
    result.set(
      powers.map(power => power / sum),
      row,
    );
  }
  return result;
}

/** Training papers with what their teacher says of them. */
export class TaughtExamples {
  constructor(
    private readonly papers: TokenizedExamples,
    private readonly teacher: Float32Array,
    private readonly classes: number,
  ) {}

  get length(): number {
    return this.papers.length;
  }

  batch(indices: ArrayLike<number>): LabelledBatch & { teacher: Float32Array } {
    const { classes } = this;
    const teacher = new Float32Array(indices.length * classes);
    for (let i = 0; i < indices.length; i++) {
      const start = indices[i]! * classes;
      teacher.set(this.teacher.subarray(start, start + classes), i * classes);
    }
    return { ...this.papers.batch(indices), teacher };
  }
}

function requireRange(name: string, value: unknown, fits: boolean, expected: string): void {
  if (typeof value === 'number' && fits) return;
  throw new ArxivNativeError('BAD_OPTION', `${CALLER}: "${name}" must be ${expected}, not ${String(value)}`);
}
