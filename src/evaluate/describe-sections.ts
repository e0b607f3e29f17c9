import { basename } from 'node:path';
import { describeLeaks } from '../data/leaks.js';
import { outcomes } from '../data/outcomes.js';
import { SPLITS } from '../data/paper.js';
import { counted, grouped, percent } from '../util/format.js';
import type { Description, TokenLengths } from './describe.js';
import type { SamplePaper } from './describe-papers.js';
import type { Distribution } from './distribution.js';

/** A part of a description in words and figures, the same for a terminal and a page. */
export interface DescribedSection {
  name: 'classes' | 'lengths' | 'truncation' | 'overlap' | 'dates' | 'words' | 'faults' | 'examples';
  title: string;
  blocks: Block[];
}

/** Rows with headings first, a sentence, a list of terms, one of figures, or papers by class. */
export type Block =
  | { table: string[][] }
  | { note: string }
  | { terms: [term: string, text: string][] }
  | { figures: [figure: string, text: string][] }
  | { papers: [label: string, papers: SamplePaper[]][] };

/** Characters a row may take. */
const WIDEST_TABLE = 78;
/** More are shown by year. */
export const MOST_MONTHS = 24;
const MOST_PAIRS = 12;

export function describedSections(description: Description): DescribedSection[] {
  const d = description;
  return [
    { name: 'classes', title: 'Classes', blocks: classes(d) },
    { name: 'lengths', title: 'Lengths', blocks: lengths(d) },
    { name: 'truncation', title: 'What truncation cuts', blocks: truncations(d) },
    { name: 'overlap', title: 'Overlap of the classes', blocks: overlaps(d) },
    { name: 'dates', title: 'Dates', blocks: months(d) },
    { name: 'words', title: 'Most distinctive words', blocks: words(d) },
    { name: 'faults', title: 'Left out, repeated, missing', blocks: faults(d) },
    { name: 'examples', title: 'Examples', blocks: examples(d) },
  ];
}

/** By what a description's split was made, where that is known, and what its data are known by. */
export function provenance({ seed, fingerprint }: Description): [seed: string, fingerprint: string] {
  return [seed === undefined ? 'Fingerprint' : `Seed ${seed}, fingerprint`, fingerprint.slice(0, 16)];
}

/** Where a description's papers come from and how many there are, in one sentence. */
export function headline({ papers, labels }: Description): string {
  const parts = `${grouped(papers.train)} to train on, ${grouped(papers.validation)} to validate, ${grouped(papers.test)} to test`;
  return `${grouped(papers.total)} papers in ${labels.length} classes: ${parts}.`;
}

function classes({ labels, counts, papers }: Description): Block[] {
  const row = (name: string, of: readonly number[]) => {
    const total = sum(of);
    return [name, ...of.map(grouped), grouped(total), percent(total / papers.total)];
  };
  return [
    {
      table: [
        ['', ...SPLITS, 'papers', 'share'],
        ...labels.map((label, k) =>
          row(
            label,
            SPLITS.map(part => counts[part][k]!),
          ),
        ),
        row(
          'all',
          SPLITS.map(part => papers[part]),
        ),
      ],
    },
  ];
}

function lengths({ words, tokens, tokensOmitted }: Description): Block[] {
  const row = (name: string, d: Distribution) => [
    name,
    ...[d.min, d.p5, d.p25, d.median, d.p75, d.p95, d.p99, d.max].map(value => grouped(Math.round(value))),
    d.mean.toFixed(1),
  ];
  return [
    {
      table: [
        ['', 'min', '5 %', '25 %', 'median', '75 %', '95 %', '99 %', 'max', 'mean'],
        row('title, words', words.title),
        ...(tokens ? [row('title, tokens', tokens.title)] : []),
        row('abstract, words', words.abstract),
        ...(tokens ? [row('abstract, tokens', tokens.abstract)] : []),
      ],
    },
    {
      note: tokens
        ? `Words are parted by spaces; tokens are those of ${nameOf(tokens)}, with [CLS] and [SEP].`
        : `Words are parted by spaces. Tokens are not counted: ${tokensOmitted}.`,
    },
  ];
}

/** A page may be handed on: a folder's place on this machine is nobody's business. */
function nameOf({ encoder, revision }: TokenLengths): string {
  return revision === undefined ? basename(encoder) : encoder;
}

function truncations({ tokens, labels }: Description): Block[] {
  if (tokens === undefined) {
    return [
      { note: 'Not known without tokens; --encoder FOLDER|HUB-ID names a tokenizer to count them by.' },
    ];
  }
  const { truncation } = tokens;
  const nouns = { title: 'titles', abstract: 'abstracts', joined: 'papers' };
  const row = (name: string, cuts: { cut: number; lost: number }[]) => [
    name,
    ...cuts.flatMap(({ cut, lost }) => [percent(cut), percent(lost)]),
  ];
  const limits = truncation.map(({ text, limit }) =>
    text === 'joined'
      ? `${limit} tokens a paper`
      : `${limit} tokens a${text === 'title' ? ' ' : 'n '}${text}`,
  );
  return [
    {
      table: [
        ['', ...truncation.flatMap(({ text }) => [`${nouns[text]} cut`, 'tokens lost'])],
        ...labels.map((label, k) =>
          row(
            label,
            truncation.map(({ perClass }) => perClass[k]!),
          ),
        ),
        row(
          'all',
          truncation.map(({ all }) => all),
        ),
      ],
    },
    { note: `The recipe reads ${limits.join(' and ')}, [CLS] and [SEP] included.` },
  ];
}

function overlaps(description: Description): Block[] {
  const { labels, overlap, papers } = description;
  const { matrix, several } = overlap;
  if (several === 0) return [{ note: 'No paper carries more than one of the classes.' }];
  const note = `${counted(several, 'paper')} (${percent(several / papers.total)}) carry more than one of the classes, as label or among their categories.`;
  const shares = overlapTable(description);
  if (shares) {
    return [
      { note: `${note} Of the papers of each row, the share that carries the column's class too:` },
      { table: shares },
    ];
  }
  const pairs = labels
    .flatMap((a, i) => labels.slice(i + 1).map((b, k) => ({ a, b, both: matrix[i]![i + 1 + k]! })))
    .filter(({ both }) => both > 0)
    .sort((x, y) => y.both - x.both)
    .slice(0, MOST_PAIRS);
  const table = pairs.map(({ a, b, both }) => [`${a}, ${b}`, grouped(both), percent(both / papers.total)]);
  return [{ note }, { table: [['most often together', 'papers', 'share'], ...table] }];
}

/** Of the papers of each row's class, the share that carries the column's; undefined for classes too many to show. */
export function overlapTable({ labels, overlap: { matrix } }: Description): string[][] | undefined {
  const table = [
    ['', ...labels],
    ...labels.map((label, i) => [
      label,
      ...labels.map((_, j) => (i === j ? '–' : percent(matrix[i]![j]! / Math.max(1, matrix[i]![i]!)))),
    ]),
  ];
  return widthOf(table) <= WIDEST_TABLE ? table : undefined;
}

function months({ dates: { months, unknown }, labels, papers }: Description): Block[] {
  const none = `${counted(unknown, 'paper')} without a date of publication.`;
  if (months.length === 0) return [{ note: none }];
  const byYear = months.length > MOST_MONTHS;
  const periods = new Map<string, number[]>();
  for (const { month, papers: ofMonth } of months) {
    const period = byYear ? month.slice(0, 4) : month;
    const before = periods.get(period) ?? ofMonth.map(() => 0);
    periods.set(
      period,
      ofMonth.map((count, k) => count + before[k]!),
    );
  }
  const rows = (columns: (counts: number[]) => number[]) =>
    [...periods].map(([period, counts]) => [period, ...[...columns(counts), sum(counts)].map(grouped)]);
  const full = [['', ...labels, 'papers'], ...rows(counts => counts)];
  const table = widthOf(full) <= WIDEST_TABLE ? full : [['', 'papers'], ...rows(() => [])];
  const share = percent(unknown / papers.total);
  return [{ table }, ...(unknown > 0 ? [{ note: `${none.slice(0, -1)} (${share}).` }] : [])];
}

function words({ labels, distinctiveWords }: Description): Block[] {
  const list = (k: number) =>
    distinctiveWords[k]!.map(({ word, share }) => `${word} ${Math.round(100 * share)}\u00a0%`).join(', ');
  return [
    { terms: labels.map((label, k) => [label, list(k) || 'none']) },
    { note: "Of the training papers; the share of the class's papers that have the word." },
  ];
}

function faults({ missing, counts, leaks, papers }: Description): Block[] {
  const never = Object.keys(missing).filter(field => missing[field] === papers.total);
  const partly = Object.entries(missing).filter(([field, count]) => count > 0 && !never.includes(field));
  return [
    { figures: outcomes(counts).map(([count, what]) => [grouped(count), what]) },
    ...describeLeaks(leaks)
      .split('\n')
      .map(note => ({ note })),
    ...(partly.length === 0
      ? []
      : [
          {
            table: [
              ['papers without', 'papers', 'share'],
              ...partly.map(([field, count]) => [field, grouped(count), percent(count / papers.total)]),
            ],
          },
        ]),
    ...(never.length === 0 ? [] : [{ note: `In no paper: ${never.join(', ')}.` }]),
  ];
}

function examples({ labels, examples }: Description): Block[] {
  return [{ papers: labels.map((label, k) => [label, examples[k]!]) }];
}

function widthOf(table: string[][]): number {
  const widths = table[0]!.map((_, column) => Math.max(...table.map(row => row[column]!.length)));
  return sum(widths) + 2 * (widths.length - 1);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
