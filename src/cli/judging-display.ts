import type { ReadProgress } from '../data/rows.js';
import type { BaselineEvent } from '../evaluate/baseline/ask-baseline.js';
import type { Stages } from '../util/progress.js';

/** What the commands that judge models tell of while they work. */
type JudgingEvent =
  | ({ type: 'reading' } & ReadProgress)
  | { type: 'predicting'; name?: string; split?: string; done: number; total: number }
  | BaselineEvent
  | { type: 'validating' | 'intervals'; done: number; total: number };

/** Shows the progress of a judgement; `intervals` is what their samples are counted by. */
export function showJudging(stages: Stages, event: JudgingEvent, intervals = 'sets'): void {
  if (event.type === 'reading') {
    stages.show(`reading ${event.source}`, 'bytes', event.received, event.total);
  } else if (event.type === 'baseline') {
    stages.show(`baseline: ${event.stage}`, event.unit, event.done, event.total);
  } else if (event.type === 'intervals') {
    stages.show('intervals', intervals, event.done, event.total);
  } else {
    const of = event.type === 'predicting' ? (event.name ?? event.split) : 'validation';
    stages.show(of === undefined ? 'predicting' : `predicting, ${of}`, 'papers', event.done, event.total);
  }
}
