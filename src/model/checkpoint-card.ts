import { basename } from 'node:path';
import { grouped, printable } from '../util/format.js';
import type { CheckpointLayout } from './checkpoint-layouts.js';
import type { ImportRecord } from './import-checkpoint.js';
import { USAGE } from './usage.js';

/** The README.md of an imported model: where it is from, and what is not known about it. */
export function checkpointCard(
  { imported, labels, lengths, encoder, versions, finishedAt }: ImportRecord,
  layout: CheckpointLayout,
): string {
  const names = labels.map(printable).join(', ');
  const { id, revision } = encoder;
  const stated = Object.entries(imported.stated).map(([name, value]) => `${name} ${value}`);
  const tokens = Object.entries(lengths).map(([text, length]) => `${text} ${length}`);
  return `${[
    `# A classifier of arXiv papers: ${names}`,
    `Given the title and the abstract of a paper it gives a probability for each of ${labels.length} categories. It was trained in PyTorch by other hands; arxiv-native ${versions.package} imported it.`,
    ...USAGE,
    '## Origin',
    [
      `- \`${printable(imported.file)}\`, ${grouped(imported.bytes)} bytes, SHA-256 \`${imported.sha256}\``,
      `- layout: ${layout.title} (\`${layout.id}\`): ${layout.type} head on ${encoder.layers} layers of ${encoder.hiddenSize}`,
      `- config.json and vocabulary: ${revision === undefined ? basename(id) : `${id} at revision ${revision}`}`,
      `- classes: ${imported.labelsFrom}`,
      `- arxiv-native ${versions.package}, LibTorch ${versions.libtorch}, Node ${versions.node}; ${finishedAt}`,
    ].join('\n'),
    '## Results',
    `${stated.length > 0 ? `Stated by the file: ${stated.join(', ')}. ` : ''}Nothing was measured here.`,
    '## Not in the file',
    `Most tokens (${tokens.join(', ')})${layout.type === 'cross-attention' ? ', the 8 heads of the cross-attention' : ''} and the activation are the predecessor's for this layout. Dropout after the hidden layers is unknown and stands as 0; it plays no part in predicting.`,
  ].join('\n\n')}\n`;
}
