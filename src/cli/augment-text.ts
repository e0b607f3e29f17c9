import type { AugmentPlan, AugmentResult } from '../augment/augment.js';
import type { CopiesRecord } from '../data/copies.js';
import { megabytes } from '../util/files.js';
import { counted, grouped } from '../util/format.js';
import { formatDuration } from '../util/progress.js';

/** What a person is told before anything is fetched or translated. */
export function augmentPlanText(plan: AugmentPlan): string {
  const { category, papers, words, translator, models, download, seconds } = plan;
  return [
    `augmenting ${category}: ${counted(papers, 'paper')}, ${counted(words, 'word')}, there and back by ${translator} (${[...new Set(models)].join('; ')})`,
    `${download === 0 ? 'nothing to download' : `${megabytes(download)} to download`}, then about ${formatDuration(seconds)} of translating`,
  ].join('\n');
}

/** A warning where fewer than half of the copies were kept. */
export function fewKeptText({ copies, dropped }: Pick<CopiesRecord, 'copies' | 'dropped'>): string[] {
  const made = copies + Object.values(dropped).reduce((sum, count) => sum + count, 0);
  if (copies >= made / 2) return [];
  return [
    `warning: only ${grouped(copies)} of ${counted(made, 'copy', 'copies')} were worth keeping; another translator or --pivot may do better`,
  ];
}

/** What a person is told while another process puts copies there. */
export function waitingText(folder: string): string {
  return `waiting for another process that puts copies into ${folder}`;
}

/** What became of the papers that were drawn. */
export function augmentSummaryText({
  drawn,
  samples,
  category,
  copies,
  pivots,
  dropped,
  file,
}: AugmentResult): string {
  return [
    `${counted(drawn.length, 'paper')} of ${category} drawn${drawn.length < samples ? ', all there are' : ''}: ${counted(copies, 'copy', 'copies')} through ${pivots.join(', ')}`,
    ...Object.entries(dropped).map(([defect, count]) => `${grouped(count)} dropped: ${defect}`),
    ...fewKeptText({ copies, dropped }),
    `Saved: ${file}`,
  ].join('\n');
}
