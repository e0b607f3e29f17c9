import type { AugmentPlan } from '../augment/augment.js';
import { megabytes } from '../util/files.js';
import { counted } from '../util/format.js';
import { formatDuration } from '../util/progress.js';

/** What a person is told before anything is fetched or translated. */
export function augmentPlanText(plan: AugmentPlan): string {
  const { category, papers, words, translator, models, download, seconds } = plan;
  return [
    `augmenting ${category}: ${counted(papers, 'paper')}, ${counted(words, 'word')}, there and back by ${translator} (${[...new Set(models)].join('; ')})`,
    `${download === 0 ? 'nothing to download' : `${megabytes(download)} to download`}, then about ${formatDuration(seconds)} of translating`,
  ].join('\n');
}

/** What a person is told while another process puts copies there. */
export function waitingText(folder: string): string {
  return `waiting for another process that puts copies into ${folder}`;
}
