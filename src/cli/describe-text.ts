import type { Description } from '../evaluate/describe.js';
import type { SamplePaper } from '../evaluate/describe-papers.js';
import { type Block, describedSections, headline, provenance } from '../evaluate/describe-sections.js';
import { printable } from '../util/format.js';
import { indent, table, WIDTH, wrap } from './table.js';

const INDENT = '  ';
/** Lines of an abstract that are shown. */
const ABSTRACT_LINES = 2;
const MORE = ' …';
/** What stands beside a long term has at least so much room. */
const NARROWEST = 24;

/** A description for a terminal of 80 columns. */
export function describeText(description: Description): string {
  return [
    description.source,
    indent(wrap(headline(description), WIDTH - INDENT.length)),
    indent(`${provenance(description).join(' ')}.`),
    ...describedSections(description).flatMap(({ title, blocks }) => ['', title, ...blocks.map(blockText)]),
    '',
  ].join('\n');
}

function blockText(block: Block): string {
  if ('table' in block) return indent(table(block.table.map(row => row.map(printable))));
  if ('note' in block) return indent(wrap(block.note, WIDTH - INDENT.length));
  if ('terms' in block) return indent(besideEachOther(block.terms, (term, width) => term.padEnd(width)));
  if ('figures' in block) {
    return indent(besideEachOther(block.figures, (figure, width) => figure.padStart(width)));
  }
  return block.papers
    .flatMap(([label, papers]) => [indent(printable(label)), ...papers.map(paperText)])
    .join('\n');
}

function paperText({ id, title, abstract }: SamplePaper): string {
  const lines = wrap(printable(abstract), WIDTH - 3 * INDENT.length - MORE.length).split('\n');
  const shown = lines.slice(0, ABSTRACT_LINES).join('\n') + (lines.length > ABSTRACT_LINES ? MORE : '');
  return indent(
    indent(
      [
        wrap(printable(title) || 'no title', WIDTH - 2 * INDENT.length),
        indent(shown),
        indent(printable(id)),
      ].join('\n'),
    ),
  );
}

/** Two columns, of which the second is wrapped. */
function besideEachOther(
  rows: readonly [string, string][],
  align: (text: string, width: number) => string,
): string {
  const first = rows.map(([name]) => printable(name));
  const width = Math.max(0, ...first.map(name => name.length));
  const rest = Math.max(NARROWEST, WIDTH - 2 * INDENT.length - width);
  return rows
    .map(([, text], row) =>
      wrap(text, rest)
        .split('\n')
        .map((line, i) => align(i === 0 ? first[row]! : '', width) + INDENT + line)
        .join('\n'),
    )
    .join('\n');
}
