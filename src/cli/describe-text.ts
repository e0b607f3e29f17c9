import type { Description } from '../evaluate/describe.js';
import { type Block, describedSections, headline } from '../evaluate/describe-sections.js';
import { printable } from '../util/format.js';
import { table } from './table.js';

const WIDTH = 80;
const INDENT = '  ';
/** Lines of an abstract that are shown. */
const ABSTRACT_LINES = 2;

/** A description for a terminal of 80 columns. */
export function describeText(description: Description): string {
  const { source, seed, fingerprint } = description;
  return [
    source,
    indent(headline(description)),
    indent(`Seed ${seed}, fingerprint ${fingerprint.slice(0, 16)}.`),
    ...describedSections(description).flatMap(({ title, blocks }) => ['', title, ...blocks.map(blockText)]),
    '',
  ].join('\n');
}

function blockText(block: Block): string {
  if ('table' in block) return indent(table(block.table.map(row => row.map(printable))));
  if ('note' in block) return indent(wrap(block.note, WIDTH - INDENT.length).join('\n'));
  if ('terms' in block)
    return indent(block.terms.map(([term, text]) => hanging(term, text, block.terms)).join('\n'));
  return block.papers
    .map(([label, papers]) =>
      [
        indent(printable(label)),
        ...papers.map(({ id, title, abstract }) =>
          indent(
            indent(
              [
                ...wrap(printable(title) || 'no title', WIDTH - 2 * INDENT.length),
                ...clip(wrap(printable(abstract), WIDTH - 3 * INDENT.length)).map(line => INDENT + line),
                `${INDENT}${printable(id)}`,
              ].join('\n'),
            ),
          ),
        ),
      ].join('\n'),
    )
    .join('\n');
}

/** The term, and its text beside it in a column of its own. */
function hanging(term: string, text: string, all: readonly [string, string][]): string {
  const column = Math.max(...all.map(([name]) => printable(name).length)) + 2;
  const lines = wrap(text, Math.max(20, WIDTH - INDENT.length - column));
  return lines.map((line, i) => (i === 0 ? printable(term) : '').padEnd(column) + line).join('\n');
}

function clip(lines: string[]): string[] {
  if (lines.length <= ABSTRACT_LINES) return lines;
  return [...lines.slice(0, ABSTRACT_LINES - 1), `${lines[ABSTRACT_LINES - 1]} …`];
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function indent(text: string): string {
  return text.replace(/^/gm, INDENT);
}
