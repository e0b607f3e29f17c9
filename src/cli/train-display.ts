import { describeLeaks } from '../data/leaks.js';
import type { Metrics } from '../evaluate/metrics.js';
import type { TrainEvent, TrainingRecord, TrainPlan, TrainResult } from '../train/types.js';
import { counted, percent } from '../util/format.js';
import { formatDuration, Progress } from '../util/progress.js';
import { table } from './table.js';

/** Shows a training on standard error as it goes. */
export class TrainDisplay {
  private progress: Progress | undefined;
  private transfer: string | undefined;
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
      case 'plan':
        this.stop();
        this.note(describePlan(event.plan));
        this.progress = new Progress('training', { unit: 'steps', total: event.plan.schedule.steps });
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
        this.note(describeEpoch(event));
        break;
    }
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

  private showTransfer(title: string, { received, total }: { received: number; total: number }): void {
    if (title !== this.transfer) {
      this.stop();
      this.transfer = title;
      this.progress = new Progress(title, { unit: 'bytes', ...(total > 0 && { total }) });
    }
    this.progress?.update(received);
  }
}

/** What stands on standard output when a training is over. */
export function summary({ folder, training }: TrainResult): string {
  const { test, validation, bestEpoch, history, interrupted, encoder } = training;
  const figures = test ?? validation;
  return [
    ...(figures === undefined
      ? []
      : [`On the ${test ? 'test' : 'validation'} papers:`, metricsTable(figures), '']),
    bestEpoch === 0
      ? 'No epoch was completed: these are the weights of the last step.'
      : `Best of ${counted(history.length, 'epoch')}: ${bestEpoch}, validation accuracy ${percent(validation!.accuracy)}.`,
    ...(interrupted ? ['Training was interrupted before its end.'] : []),
    ...(test === undefined && !interrupted ? ['The test was interrupted: its papers give no figures.'] : []),
    ...(encoder.random
      ? ['The encoder began with random weights and has read nothing else: its accuracy means nothing yet.']
      : []),
    cost(training),
    `Saved: ${folder}`,
    '',
  ].join('\n');
}

function cost({ secondsPerStep, peakMemory, trainingSeconds }: TrainingRecord): string {
  return `${formatDuration(trainingSeconds)} of training, ${secondsPerStep.toPrecision(3)} s a step, ${Math.round(peakMemory / 1e6)} MB of memory.`;
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
  const { labels, splits, duplicates, withdrawn, empty, leaks } = data;
  const total = (counts: number[]) => String(counts.reduce((sum, count) => sum + count, 0));
  const { train, validation, test } = splits;
  return [
    table([
      ['', 'train', 'validation', 'test'],
      ...labels.map((label, k) => [label, ...[train, validation, test].map(split => String(split[k]))]),
      ['papers', ...[train, validation, test].map(total)],
    ]),
    `${data.source}: ${counted(duplicates, 'duplicate')} left out${withdrawn > 0 ? `, ${withdrawn} withdrawn` : ''}${empty > 0 ? `, ${empty} without title or abstract` : ''}`,
    ...(leaks.contradictingRows + leaks.crossingPapers > 0 ? [describeLeaks(leaks)] : []),
    `recipe ${recipe.name}, encoder ${encoder.id}${encoder.revision === undefined ? '' : `@${encoder.revision}`}, ${frozenLayers} of ${counted(encoder.layers, 'layer')} frozen`,
    `${(parameters.total / 1e6).toFixed(1)} M parameters, ${(parameters.trainable / 1e6).toFixed(1)} M of them trained; at most ${counted(recipe.resolved.epochs, 'epoch')}, ${counted(schedule.steps, 'step')}`,
    `${device}, ${precision}, ${counted(threads, 'thread')}, seed ${plan.seed}`,
  ].join('\n');
}

function describeEpoch({ record, epochs }: Extract<TrainEvent, { type: 'epoch' }>): string {
  return [
    `epoch ${record.epoch}/${epochs}: loss ${record.trainLoss.toFixed(3)}`,
    `accuracy ${percent(record.trainAccuracy)}`,
    `validation loss ${record.validationLoss.toFixed(3)}`,
    `accuracy ${percent(record.validationAccuracy)}`,
    `macro-F1 ${percent(record.validationMacroF1)}`,
    `${formatDuration(record.seconds)}${record.best ? ' (best so far)' : ''}`,
  ].join(', ');
}
