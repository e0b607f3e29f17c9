import { describeLeaks } from '../data/leaks.js';
import type { Metrics } from '../evaluate/metrics.js';
import { scalesText } from '../model/words.js';
import { baselineText } from '../train/baseline-text.js';
import type { SeedsResult, Spread } from '../train/seeds.js';
import type { TrainEvent, TrainingRecord, TrainPlan, TrainResult } from '../train/types.js';
import { counted, percent } from '../util/format.js';
import { formatDuration, Progress } from '../util/progress.js';
import { augmentPlanText, fewKeptText, waitingText } from './augment-text.js';
import { table } from './table.js';

/** Shows a training on standard error as it goes. */
export class TrainDisplay {
  private progress: Progress | undefined;
  private transfer: string | undefined;
  private plan: TrainPlan | undefined;
  private step = 0;
  private details = '';

  show(event: TrainEvent): void {
    switch (event.type) {
      case 'reading':
        this.showTransfer(`reading ${event.source}`, event);
        break;
      case 'download':
        this.showTransfer(event.file, event);
        break;
      case 'teaching':
        this.showTransfer('asking the teacher', { received: event.done, total: event.total }, 'papers');
        break;
      case 'augment':
        this.stop();
        this.note(augmentPlanText(event.plan));
        break;
      case 'translating':
        this.showTranslation(event);
        break;
      case 'waiting':
        this.note(waitingText(event.folder));
        break;
      case 'plan':
        this.stop();
        this.note(describePlan(event.plan));
        this.plan = event.plan;
        this.begin(0);
        break;
      case 'words':
        this.progress?.update(this.step, `words: ${event.stage} ${event.done}`);
        break;
      case 'resume':
        this.note(`going on after step ${event.step}, in epoch ${event.epoch}`);
        this.begin(event.step);
        break;
      case 'anew':
        this.stop();
        this.note(`there is no checkpoint in ${event.folder}: training begins anew`);
        break;
      case 'seed':
        this.stop();
        this.plan = undefined;
        this.note(`${event.number > 1 ? '\n' : ''}seed ${event.seed}, ${event.number} of ${event.count}`);
        break;
      case 'memory':
        this.note(
          `memory did not suffice for step ${event.step}: from here on ${counted(event.microBatch, 'paper')} at once`,
        );
        break;
      case 'step':
        this.step = event.step;
        this.details = `epoch ${event.epoch}, loss ${event.meanLoss.toFixed(3)}`;
        this.progress?.update(event.step, this.details);
        break;
      case 'evaluation':
        this.progress?.update(this.step, `${event.split} ${event.done}/${event.total}`);
        break;
      case 'epoch':
        this.note(describeEpoch(event, (this.plan?.recipe.resolved.words ?? 'none') !== 'none'));
        break;
    }
  }

  /** @param done steps that were taken before */
  private begin(done: number): void {
    this.progress?.stop();
    this.step = done;
    this.progress = new Progress('training', { unit: 'steps', total: this.plan!.schedule.steps, done });
  }

  /** Says what Ctrl-C does: no step is waited for before there are any. */
  noteInterrupt(): void {
    this.note(`stopping${this.plan === undefined ? '' : ' after this step'}; once more ends at once`);
  }

  /** A line of its own. */
  note(text: string): void {
    if (this.progress === undefined) process.stderr.write(`${text}\n`);
    else this.progress.note(text);
  }

  stop(): void {
    this.progress?.stop();
    this.progress = undefined;
  }

  private showTranslation(event: Extract<TrainEvent, { type: 'translating' }>): void {
    const { from, to, words, ofWords, papers, ofPapers } = event;
    const title = `${from} to ${to}`;
    if (title !== this.transfer) {
      this.stop();
      this.transfer = title;
      this.progress = new Progress(title, { unit: 'words', total: ofWords, done: words });
    }
    this.progress?.update(words, `${papers}/${ofPapers} papers`);
  }

  private showTransfer(
    title: string,
    { received, total }: { received: number; total: number },
    unit = 'bytes',
  ): void {
    if (title !== this.transfer) {
      this.stop();
      this.transfer = title;
      this.progress = new Progress(title, { unit, ...(total > 0 && { total }) });
    }
    this.progress?.update(received);
  }
}

/** What stands on standard output when a training is over. */
export function summary({ folder, training, unfinished }: TrainResult): string {
  const { test, baseline, validation, bestEpoch, history, interrupted, encoder, words } = training;
  const figures = test ?? validation;
  return [
    ...(figures === undefined
      ? []
      : [`On the ${test ? 'test' : 'validation'} papers:`, metricsTable(figures), '']),
    ...(baseline ? [baselineText(baseline)] : []),
    bestEpoch === 0
      ? 'No epoch was completed: these are the weights of the last step.'
      : `Best of ${counted(history.length, 'epoch')}: ${bestEpoch}, validation accuracy ${percent(validation!.accuracy)}.`,
    ...(words === undefined
      ? []
      : [
          `That is the encoder, alone ${percent(history[bestEpoch - 1]!.validationAccuracy)}, and words, alone ${percent(words.validationAccuracy)}: ${scalesText(words.scales)}.`,
        ]),
    ...(interrupted ? ['Training was interrupted before its end.'] : []),
    ...(test === undefined && !interrupted ? ['The test was interrupted: its papers give no figures.'] : []),
    ...(encoder.random
      ? ['The encoder began with random weights and has read nothing else: its accuracy means nothing yet.']
      : []),
    cost(training),
    `Saved: ${folder}`,
    ...(unfinished === undefined ? [] : [`The same command with --resume goes on, from ${unfinished}.`]),
    '',
  ].join('\n');
}

/** What stands on standard output when the trainings of several seeds are over. */
export function seedsSummary({ folder, seeds, models, figures }: SeedsResult): string {
  const last = models.at(-1)!;
  if (figures === undefined) {
    const complete = models.filter(({ unfinished }) => unfinished === undefined).length;
    return `${summary(last)}${complete} of ${counted(seeds.length, 'seed')} are complete; the same command with --resume goes on.\n`;
  }
  const row = (name: string, { mean, deviation, values }: Spread, show: (value: number) => string) => [
    name,
    show(mean),
    show(deviation),
    show(Math.min(...values)),
    show(Math.max(...values)),
  ];
  const { recall, logLoss, macroF1, accuracy, validationAccuracy } = figures;
  return [
    `On the test papers, over ${counted(seeds.length, 'seed')} (${seeds.join(', ')}):`,
    table([
      ['', 'mean', 'deviation', 'least', 'most'],
      row('accuracy', accuracy, percent),
      row('macro-F1', macroF1, percent),
      ...Object.entries(recall).map(([label, each]) => row(`${label} recall`, each, percent)),
      row('log loss', logLoss, value => value.toFixed(3)),
      row('validation accuracy', validationAccuracy, percent),
    ]),
    ...(last.training.baseline ? [baselineText(last.training.baseline)] : []),
    ...(last.training.encoder.random
      ? ['The encoder began with random weights and has read nothing else: its accuracy means nothing yet.']
      : []),
    `Saved: ${folder}`,
    '',
  ].join('\n');
}

function cost({ secondsPerStep, peakMemory, trainingSeconds, sessions }: TrainingRecord): string {
  const resumed = sessions.length > 1 ? ` in ${sessions.length} sessions` : '';
  return `${formatDuration(trainingSeconds)} of training${resumed}, ${secondsPerStep.toPrecision(3)} s a step, ${Math.round(peakMemory / 1e6)} MB of memory.`;
}

function metricsTable({ perClass, accuracy, macro, weighted, papers }: Metrics): string {
  const row = (name: string, p: number, r: number, f1: number, support: number) => [
    name,
    percent(p),
    percent(r),
    percent(f1),
    String(support),
  ];
  return table([
    ['', 'precision', 'recall', 'F1', 'papers'],
    ...perClass.map(each => row(each.label, each.precision, each.recall, each.f1, each.support)),
    row('macro', macro.precision, macro.recall, macro.f1, papers),
    row('weighted', weighted.precision, weighted.recall, weighted.f1, papers),
    ['accuracy', '', '', percent(accuracy), String(papers)],
  ]);
}

function describePlan(plan: TrainPlan): string {
  const { recipe, encoder, data, device, precision, threads, parameters, schedule, frozenLayers } = plan;
  const { labels, splits, duplicates, withdrawn, empty, synthetic, leaks } = data;
  const total = (counts: number[]) => String(counts.reduce((sum, count) => sum + count, 0));
  const { train, validation, test } = splits;
  return [
    table([
      ['', 'train', 'validation', 'test'],
      ...labels.map((label, k) => [label, ...[train, validation, test].map(split => String(split[k]))]),
      ['papers', ...[train, validation, test].map(total)],
    ]),
    `${data.source}: ${counted(duplicates, 'duplicate')} left out${withdrawn > 0 ? `, ${withdrawn} withdrawn` : ''}${empty > 0 ? `, ${empty} without title or abstract` : ''}${synthetic?.leftOut ? `, ${synthetic.leftOut} synthetic without a parent in training` : ''}`,
    ...describeCopies(plan),
    ...(leaks.contradictingRows + leaks.crossingPapers > 0 ? [describeLeaks(leaks)] : []),
    `recipe ${recipe.name}, encoder ${encoder.id}${encoder.revision === undefined ? '' : `@${encoder.revision}`}, ${frozenLayers} of ${counted(encoder.layers, 'layer')} frozen`,
    `${(parameters.total / 1e6).toFixed(1)} M parameters, ${(parameters.trainable / 1e6).toFixed(1)} M of them trained; at most ${counted(recipe.resolved.epochs, 'epoch')}, ${counted(schedule.steps, 'step')}`,
    ...(plan.distillation ? [describeTeacher(plan.distillation)] : []),
    ...(recipe.resolved.words === 'none' ? [] : ['TF-IDF of words beside the encoder']),
    `${device}, ${precision}, ${counted(threads, 'thread')}, ${describeBatch(plan)}, seed ${plan.seed}`,
  ].join('\n');
}

function describeBatch({ recipe, microBatch }: TrainPlan): string {
  const { batchSize } = recipe.resolved;
  return `batches of ${batchSize}${microBatch < batchSize ? `, ${microBatch} at once` : ''}`;
}

function describeTeacher(lesson: NonNullable<TrainPlan['distillation']>): string {
  const { teacher, teacherWeight, temperature, unlabelled, sameData } = lesson;
  return [
    `taught by ${teacher}: weight ${teacherWeight}, temperature ${temperature}, ${counted(unlabelled, 'paper')} without labels beside`,
    ...(sameData ? [] : ['warning: the teacher learned from other data and may have seen these test papers']),
  ].join('\n');
}

/** Which copies train beside the papers, or why none do although there are some or the recipe asks for them. */
function describeCopies({ recipe, data }: TrainPlan): string[] {
  const { copies, labels, synthetic } = data;
  const { augment } = recipe.resolved;
  const among = synthetic?.train ? [`synthetic copies among the training papers: ${synthetic.train}`] : [];
  if (copies !== undefined) {
    const classes = labels.flatMap((label, k) =>
      copies.papers[k]! > 0 ? `${copies.papers[k]} of ${label}` : [],
    );
    return [
      ...among,
      `synthetic copies that train beside them: ${classes.join(', ')}`,
      ...(copies.record ? fewKeptText(copies.record) : []),
    ];
  }
  if (data.copiesLeftOut) {
    return [...among, 'left out: the synthetic copies that lie beside them (--augment takes them)'];
  }
  if (augment === 'none' || among.length > 0) return among;
  const why = labels.includes(augment.category) ? '' : `: there is no class ${augment.category}`;
  return [`no synthetic copies train beside them${why}`];
}

function describeEpoch(
  { record, epochs }: Extract<TrainEvent, { type: 'epoch' }>,
  hasWords: boolean,
): string {
  return [
    `epoch ${record.epoch}/${epochs}${hasWords ? ', the encoder alone' : ''}: loss ${record.trainLoss.toFixed(3)}`,
    `accuracy ${percent(record.trainAccuracy)}`,
    `validation loss ${record.validationLoss.toFixed(3)}`,
    `accuracy ${percent(record.validationAccuracy)}`,
    `macro-F1 ${percent(record.validationMacroF1)}`,
    `${formatDuration(record.seconds)}${record.best ? ' (best so far)' : ''}`,
  ].join(', ');
}
