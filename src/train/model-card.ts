import { basename } from 'node:path';
import { describeLeaks } from '../data/leaks.js';
import { labelsText } from '../data/prepare-options.js';
import type { Metrics } from '../evaluate/metrics.js';
import { TrainingRecordReader } from '../evaluate/report/record.js';
import { caveats } from '../evaluate/report/training-terms.js';
import { USAGE } from '../model/usage.js';
import { scalesText } from '../model/words.js';
import { counted, percent } from '../util/format.js';
import { formatDuration } from '../util/progress.js';
import { baselineText } from './baseline-text.js';
import type { TrainingRecord } from './types.js';

/** The README.md of a saved model: what it is, how good it is on what, and how it is used. */
export function modelCard(training: TrainingRecord): string {
  const { recipe, encoder, data, words } = training;
  const { labels } = data;
  // An encoder from a folder has no revision, and its path means nothing elsewhere.
  const encoderName =
    encoder.revision !== undefined
      ? `${encoder.id} at revision ${encoder.revision}`
      : encoder.random
        ? encoder.id
        : basename(encoder.id);
  return `${[
    `# A classifier of arXiv papers: ${labels.join(', ')}`,
    `Given the title and the abstract of a paper it gives a probability for each of ${labels.length} categories. Trained with arxiv-native ${training.versions.package}, recipe \`${recipe.name}\`, on ${encoderName}.`,
    ...caveats(new TrainingRecordReader(training)).map(caveat => `**${caveat}**`),
    ...(training.test === undefined && !training.interrupted
      ? ['**The test was interrupted: its papers give no figures.**']
      : []),
    ...USAGE,
    '## Results',
    ...(training.test === undefined ? [] : results('Test', training.test)),
    ...(training.baseline ? [baselineText(training.baseline)] : []),
    ...(training.validation === undefined ? [] : results('Validation', training.validation)),
    training.test === undefined && training.validation === undefined ? 'None: no epoch was completed.' : '',
    '## Training data',
    `\`${basename(data.source)}\`, fingerprint \`${data.fingerprint}\`; labels: ${labelsText(data.rule.labels, data.rule.labelColumn)}; split: ${data.rule.split}; ${counted(data.duplicates, 'duplicate')} left out.`,
    ...(data.leaks.contradictingRows + data.leaks.crossingPapers === 0 ? [] : [describeLeaks(data.leaks)]),
    table(
      ['category', 'train', 'validation', 'test'],
      labels.map((label, k) => [
        label,
        data.splits.train[k]!,
        data.splits.validation[k]!,
        data.splits.test[k]!,
      ]),
    ),
    ...copiesText(training),
    '## Training',
    recipe.resolved.description,
    [
      `- ${training.bestEpoch === 0 ? 'no epoch was completed' : `best of ${counted(training.history.length, 'epoch')} by validation accuracy: ${training.bestEpoch}`}; seed ${training.seed}`,
      `- batch ${recipe.resolved.batchSize}, learning rate ${recipe.resolved.learningRate}, ${training.frozenLayers} of ${encoder.layers} layers frozen, ${training.parameters.trainable.toLocaleString('en')} of ${training.parameters.total.toLocaleString('en')} parameters trained`,
      ...(words === undefined
        ? []
        : [
            `- beside the encoder TF-IDF and logistic regression of ${words.features.toLocaleString('en')} words and pairs of words; ${scalesText(words.scales)}; accuracy on the validation papers ${percent(words.validationAccuracy)} by words alone, by the encoder alone ${percent(training.history[training.bestEpoch - 1]!.validationAccuracy)}, together ${percent(training.validation!.accuracy)}`,
          ]),
      `- ${training.device}, ${training.precision}, ${counted(training.threads, 'thread')}; ${training.secondsPerStep.toPrecision(3)} s a step, ${formatDuration(training.trainingSeconds)} in all without validation${training.sessions.length > 1 ? `, in ${training.sessions.length} sessions` : ''}, ${Math.round(training.peakMemory / 1e6)} MB at most${training.saveAs === 'fp32' ? '' : `; weights stored in ${training.saveAs}`}`,
      `- arxiv-native ${training.versions.package}, LibTorch ${training.versions.libtorch}, Node ${training.versions.node}; ${training.finishedAt}`,
    ].join('\n'),
    ...(training.distillation ? [taught(training.distillation)] : []),
    'The whole record, each setting included, is in training.json.',
  ]
    .filter(Boolean)
    .join('\n\n')}\n`;
}

/** Synthetic papers, if any were trained on. */
function copiesText({ data: { copies, labels, synthetic } }: TrainingRecord): string[] {
  const among = synthetic?.train ? [`Synthetic copies among the training papers: ${synthetic.train}.`] : [];
  if (copies === undefined) return among;
  const { papers, record, fingerprint } = copies;
  const classes = labels.flatMap((label, k) => (papers[k]! > 0 ? `${papers[k]} of ${label}` : []));
  const made =
    record === undefined
      ? ''
      : `, back-translated through ${record.pivots.join(', ')} (${Object.values(record.translators).join('; ')}), drawn from the training papers by seed ${record.seed}`;
  return [
    ...among,
    `Beside these, synthetic copies were trained on: ${classes.join(', ')}${made}; fingerprint \`${fingerprint}\`.`,
  ];
}

/** Figures of one split as Markdown. */
function results(split: string, metrics: Metrics): string[] {
  const { accuracy, logLoss, macro, perClass, papers } = metrics;
  return [
    `${split}, ${papers} papers: accuracy ${percent(accuracy)}, macro-F1 ${percent(macro.f1)}, log loss ${logLoss.toFixed(3)}.`,
    table(
      ['category', 'precision', 'recall', 'F1', 'papers'],
      perClass.map(each => [
        each.label,
        percent(each.precision),
        percent(each.recall),
        percent(each.f1),
        each.support,
      ]),
    ),
  ];
}

function taught(lesson: NonNullable<TrainingRecord['distillation']>): string {
  const { teacher, temperature, teacherWeight, unlabelled } = lesson;
  return `Taught by \`${teacher}\` (weight ${teacherWeight} beside the true labels, temperature ${temperature}), also on ${counted(unlabelled, 'paper')} without labels.`;
}

function table(head: string[], rows: (string | number)[][]): string {
  const cell = (content: string | number) => String(content).replaceAll('|', '\\|');
  const line = (cells: (string | number)[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
