import { basename } from 'node:path';
import { isObject, TrainingRecordReader } from '../../evaluate/report/record.js';
import { counted, grouped, percent, printable } from '../../util/format.js';
import { formatDuration } from '../../util/progress.js';
import type { Figures, PretrainRecord } from './types.js';

/** The README.md of a pre-trained encoder: what it is and exactly how it was made. */
export function encoderCard(record: PretrainRecord): string {
  const { shape, corpus, settings, start, teacher, versions } = record;
  const guessed = settings.categoryWeight > 0 && corpus.categories.length > 0;
  return `${[
    `# An encoder of papers: ${counted(shape.layers, 'layer')} of ${shape.hiddenSize}, ${(record.parameters / 1e6).toFixed(1)} million parameters`,
    `${start.random ? 'Trained from random weights' : `Pre-trained further from ${named(start)}`} with arxiv-native ${versions.package} by ${tasksOf(record, guessed)}. It gives states of words, not answers: a classifier is to be trained from it.`,
    ...(record.complete ? [] : [`**Not complete: ${progress(record)}.**`]),
    '## Use',
    '```sh\nnpx arxiv-native train --data papers.jsonl --encoder .\n```',
    `In Python \`transformers.AutoModelForMaskedLM.from_pretrained('.')\` reads it, and \`AutoModel\` without the head that guesses words.`,
    '## Results',
    record.evaluation === undefined
      ? 'None: no paper was held out, or none was looked at yet.'
      : `On ${counted(corpus.heldOut, 'paper')} held out of the corpus, after step ${grouped(record.evaluation.step)}: ${describeFigures(record.evaluation)}. The whole course is in metrics.jsonl.`,
    '## Corpus',
    `${grouped(corpus.papers)} papers, title and abstract as one text, ${grouped(corpus.tokens)} tokens of a vocabulary of ${grouped(shape.vocabSize)}${start.random ? ' learnt from the same texts' : ''}; ${grouped(corpus.heldOut)} of the papers were held out.`,
    corpus.files.map(({ name, sha256 }) => `- \`${name}\`, SHA-256 \`${sha256}\``).join('\n'),
    ...(guessed
      ? [
          `The ${corpus.categories.length} categories: ${corpus.categories.join(', ')}. What guessed them is not part of the encoder.`,
        ]
      : []),
    ...(teacher === undefined
      ? []
      : [
          `The teacher, ${named(teacher)}, read the first ${teacher.maxLength} tokens of each paper. A linear projection of this encoder's mean state was to point where the teacher's does (1 - cosine); it is not part of the encoder, nor are any of the teacher's weights.`,
        ]),
    '## Training',
    [
      `- ${progress(record)}: ${grouped(record.tokensSeen)} tokens, ${record.epochs.toFixed(2)} times the corpus`,
      `- at least ${grouped(settings.batchTokens)} tokens a step, texts of at most ${settings.maxLength}; ${percent(settings.maskRate)} of the words masked (80 % by the mask, 10 % by any word, 10 % left)`,
      `- AdamW, learning rate ${settings.learningRate} after ${settings.warmup} steps of warm-up (at most a tenth of all), falling to 0 (${settings.headLearningRateFactor} times that for what reads the mean of a paper); weight decay ${settings.weightDecay}; dropout ${settings.dropout}; categories weigh ${settings.categoryWeight}${teacher === undefined ? '' : `, the teacher ${settings.teacherWeight}`}; seed ${settings.seed}`,
      `- ${record.device}, ${record.precision}, ${record.threads} threads, ${formatDuration(record.seconds)}${record.sessions.length > 1 ? ` in ${record.sessions.length} sessions` : ''}${teacher === undefined ? '' : ", without the teacher's reading"}; weights stored in ${record.saveAs}`,
      `- arxiv-native ${versions.package}, LibTorch ${versions.libtorch}, Node ${versions.node}; ${record.finishedAt}`,
    ].join('\n'),
    ...earlier(start.record),
    'The whole record is in pretraining.json.',
  ].join('\n\n')}\n`;
}

/** Of what an encoder's own record says, which may be of any version or hand, what is there. */
function earlier(record: Record<string, unknown> | undefined): string[] {
  if (record === undefined) return [];
  const reader = new TrainingRecordReader(record);
  const said = (before: string, path: string, after: string, form: (value: number) => string = String) => {
    const value = reader.number(path);
    return value === undefined ? [] : [`${before}${form(value)}${after}`];
  };
  const start = reader.value('start.random') === true ? undefined : reader.text('start.id');
  const before = reader.value('start.record');
  const facts = [
    ...said('', 'steps', ' steps', grouped),
    ...said('', 'tokensSeen', ' tokens', grouped),
    ...said('', 'epochs', ' times the corpus', value => value.toFixed(2)),
    ...said('at least ', 'settings.batchTokens', ' tokens a step', grouped),
    ...said('texts of at most ', 'settings.maxLength', ''),
    ...said('learning rate ', 'settings.learningRate', ''),
    ...said('categories weigh ', 'settings.categoryWeight', ''),
    ...said('the teacher weighs ', 'settings.teacherWeight', ''),
    ...said('seed ', 'settings.seed', ''),
    ...said('', 'seconds', '', formatDuration),
  ];
  const files = reader.objects('corpus.files').map(({ name }) => `\`${printable(String(name))}\``);
  return [
    '## Before that',
    `The encoder was trained ${start === undefined ? 'from random weights' : `further from ${printable(basename(start))}`}${files.length > 0 ? ` on ${files.join(', ')}` : ''}: ${facts.join('; ')}.`,
    ...(isObject(before) ? earlier(before).slice(1) : []),
  ];
}

function tasksOf({ teacher }: PretrainRecord, guessed: boolean): string {
  const others = [
    ...(guessed ? ["guessing each paper's category"] : []),
    ...(teacher === undefined ? [] : [`matching what ${named(teacher)} makes of each paper`]),
  ];
  return `guessing masked words${others.length > 0 ? ` and, beside them, ${others.join(' and ')}` : ''}`;
}

/** An encoder from a folder has no revision, and its path means nothing elsewhere. */
function named({ id, revision }: { id: string; revision?: string }): string {
  return revision === undefined ? basename(id) : `${id} at revision ${revision}`;
}

/** One line. */
export function describeFigures(figures: Figures): string {
  const { wordLoss, wordAccuracy, categoryLoss, categoryAccuracy, teacherLoss } = figures;
  return [
    `masked words: loss ${wordLoss.toFixed(3)}, ${percent(wordAccuracy)} right`,
    ...(categoryLoss === undefined
      ? []
      : [`categories: loss ${categoryLoss.toFixed(3)}, ${percent(categoryAccuracy!)} right`]),
    ...(teacherLoss === undefined ? [] : [`teacher: cosine ${(1 - teacherLoss).toFixed(3)}`]),
  ].join('; ');
}

function progress({ steps, totalSteps }: PretrainRecord): string {
  if (totalSteps === steps) return counted(steps, 'step');
  return totalSteps === undefined
    ? `${counted(steps, 'step')}, then stopped`
    : `${grouped(steps)} of ${counted(totalSteps, 'step')}`;
}
