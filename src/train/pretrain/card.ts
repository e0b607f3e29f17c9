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
      `- ${record.device}, ${record.precision}, ${counted(record.threads, 'thread')}, ${formatDuration(record.seconds)}${record.sessions.length > 1 ? ` in ${record.sessions.length} sessions` : ''}${teacher === undefined ? '' : ", without the teacher's reading"}; weights stored in ${record.saveAs}`,
      `- arxiv-native ${versions.package}, LibTorch ${versions.libtorch}, Node ${versions.node}; ${record.finishedAt}`,
    ].join('\n'),
    ...earlier(start.record),
    'The whole record is in pretraining.json.',
  ].join('\n\n')}\n`;
}

/**
 * How the encoder came about that was gone on with: of what its own record says, which may be of any version or hand,
 * what is there.
 */
function earlier(record: unknown): string[] {
  const phases: string[] = [];
  for (let of = record; isObject(of); of = new TrainingRecordReader(of).value('start.record')) {
    phases.push(...phaseText(new TrainingRecordReader(of)));
  }
  return phases.length > 0 ? ['## Before that', ...phases] : [];
}

function phaseText(reader: TrainingRecordReader): string[] {
  const said = (path: string, text: (value: number) => string) => {
    const value = reader.number(path);
    return value === undefined ? [] : [text(value)];
  };
  const facts = [
    ...said('steps', value => counted(value, 'step')),
    ...said('tokensSeen', value => counted(value, 'token')),
    ...said('epochs', value => `${value.toFixed(2)} times the corpus`),
    ...said('settings.batchTokens', value => `at least ${grouped(value)} tokens a step`),
    ...said('settings.maxLength', value => `texts of at most ${value}`),
    ...said('settings.learningRate', value => `learning rate ${value}`),
    ...said('settings.categoryWeight', value => `categories weigh ${value}`),
    ...said('settings.teacherWeight', value => `the teacher weighs ${value}`),
    ...said('settings.seed', value => `seed ${value}`),
    ...said('seconds', formatDuration),
  ];
  if (facts.length === 0) return [];
  const files = reader.objects('corpus.files').map(({ name }) => `\`${printable(String(name))}\``);
  const on = files.length > 0 ? ` on ${files.join(', ')}` : '';
  return [`The encoder was trained${beginning(reader)}${on}: ${facts.join('; ')}.`];
}

function beginning(reader: TrainingRecordReader): string {
  if (reader.value('start.random') === true) return ' from random weights';
  const id = reader.text('start.id');
  return id === undefined ? '' : ` further from ${printable(basename(id))}`;
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
