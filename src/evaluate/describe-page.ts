import { basename } from 'node:path';
import { type Chart, COLORS, columnsOf, fitInto, legendOf } from './charts.js';
import type { Description } from './describe.js';
import {
  type Block,
  type DescribedSection,
  describedSections,
  headline,
  MOST_MONTHS,
  overlapTable,
  provenance,
} from './describe-sections.js';
import type { Distribution } from './distribution.js';
import { type Html, html, page, shorten, tableHtml } from './page.js';
import { figuresHtml, largest, type TitledChart } from './titled-charts.js';

/** Beyond these a chart shows the largest classes only. */
const MOST_BARS = 24;
/** As many as there are colours. */
const MOST_COLORS = COLORS.length;
/** Characters of an abstract that are shown. */
const ABSTRACT_SHOWN = 500;

/** A description as a page with charts, in one file that opens without a network. */
export async function describePage(description: Description): Promise<string> {
  const sections = await Promise.all(
    describedSections(description).map(async section => ({
      title: section.title,
      body: html`${await figuresHtml(chartsOf(section.name, description))}${section.blocks.map(blockHtml)}`,
    })),
  );
  const [by, fingerprint] = provenance(description);
  const lead = html`<p>${headline(description)}</p>
<p class="note">${by} <code>${fingerprint}</code></p>
`;
  return page(basename(description.source), lead, sections);
}

function blockHtml(block: Block): Html {
  if ('table' in block) return tableHtml(block.table);
  if ('note' in block) return html`<p class="note">${block.note}</p>\n`;
  if ('figures' in block) {
    return html`<dl class="figures">${block.figures.map(([figure, text]) => html`<dt>${figure}</dt><dd>${text}</dd>\n`)}</dl>\n`;
  }
  if ('terms' in block) {
    return html`<dl>${block.terms.map(([term, text]) => html`<dt>${term}</dt><dd>${text}</dd>\n`)}</dl>\n`;
  }
  return html`${block.papers.map(([label, papers]) => [
    html`<h3>${label}</h3>\n`,
    papers.map(
      ({ id, title, abstract, categories }) => html`<article>
<h4>${title || 'no title'}</h4>
<p>${shorten(abstract, ABSTRACT_SHOWN)}</p>
<p class="note">${[id, ...categories].join(' · ')}</p>
</article>
`,
    ),
  ])}`;
}

/** An axis of papers. */
const COUNTS = { format: ',d', tickMinStep: 1, tickCount: 4 };

function chartsOf(name: DescribedSection['name'], description: Description): TitledChart[] {
  switch (name) {
    case 'classes':
      return [classBars(description)];
    case 'lengths':
      return lengthHistograms(description);
    case 'overlap':
      return description.overlap.several > 0 && overlapTable(description) ? [overlapMap(description)] : [];
    case 'dates':
      return description.dates.months.length === 0 ? [] : [monthBars(description)];
    default:
      return [];
  }
}

function classBars(description: Description): TitledChart {
  const shown = largest(classTotals(description), MOST_BARS);
  const totals = classTotals(description);
  const values = shown.map(k => ({ label: description.labels[k], papers: totals[k] }));
  return {
    title: 'Papers a class',
    chart: {
      height: { step: 28 },
      data: { values },
      encoding: {
        y: { field: 'label', type: 'nominal', sort: null, title: null },
        x: { field: 'papers', type: 'quantitative', axis: null },
      },
      layer: [
        { mark: { type: 'bar', height: { band: 0.7 } } },
        {
          mark: { type: 'text', align: 'left', dx: 5 },
          encoding: { text: { field: 'papers', type: 'quantitative', format: ',d' } },
        },
      ],
    },
    ...shownOf(shown, description),
  };
}

function lengthHistograms({ words, tokens }: Description): TitledChart[] {
  const limit = (text: 'title' | 'abstract') => tokens?.truncation.find(each => each.text === text)?.limit;
  return [
    histogram('Title, words', words.title, 'words'),
    histogram('Abstract, words', words.abstract, 'words'),
    ...(tokens
      ? [
          histogram('Title, tokens', tokens.title, 'tokens', limit('title')),
          histogram('Abstract, tokens', tokens.abstract, 'tokens', limit('abstract')),
        ]
      : []),
  ];
}

function histogram(
  title: string,
  { histogram: bins }: Distribution,
  unit: string,
  limit?: number,
): TitledChart {
  const width = bins[0]!.to! - bins[0]!.from;
  const last = bins.at(-1)!;
  const values = bins.map(({ from, papers }) => ({ from, to: from + width, papers }));
  return {
    title,
    chart: {
      height: 150,
      layer: [
        {
          data: { values },
          mark: { type: 'bar', binSpacing: 1 },
          encoding: {
            x: {
              field: 'from',
              type: 'quantitative',
              bin: { binned: true, step: width },
              title: unit,
              axis: { format: ',d', tickMinStep: 1, tickCount: 6, labelOverlap: true },
            },
            x2: { field: 'to' },
            y: {
              field: 'papers',
              type: 'quantitative',
              title: 'papers',
              axis: COUNTS,
            },
          },
        },
        ...(limit === undefined ? [] : limitLine(limit)),
      ],
    },
    ...(last.to === null && { note: `The last bar stands for all from ${last.from} ${unit} on.` }),
  };
}

function limitLine(limit: number): Chart[] {
  const data = { values: [{ limit, text: `limit ${limit}` }] };
  const x = { field: 'limit', type: 'quantitative' };
  return [
    { data, mark: { type: 'rule', strokeDash: [4, 3] }, encoding: { x } },
    {
      data,
      mark: { type: 'text', align: 'left', baseline: 'top', dx: 5 },
      encoding: { x, y: { value: 0 }, text: { field: 'text' } },
    },
  ];
}

function overlapMap({ labels, overlap: { matrix } }: Description): TitledChart {
  const values = labels.flatMap((of, i) =>
    labels.map((also, j) => ({ of, also, share: matrix[i]![j]! / Math.max(1, matrix[i]![i]!) })),
  );
  const columns = columnsOf(labels);
  const texts = values
    .filter(({ of, also }) => of !== also)
    .map(({ share }) => `${Math.round(100 * share)}%`);
  return {
    title: 'Of the papers of a class, the share that is also …',
    chart: {
      height: { step: 34 },
      data: { values },
      transform: [{ filter: 'datum.of !== datum.also' }],
      encoding: {
        y: { field: 'of', type: 'nominal', sort: labels, title: null },
        x: { field: 'also', type: 'nominal', sort: labels, title: null, axis: columns.axis },
      },
      layer: [
        {
          mark: { type: 'rect', color: COLORS[0] },
          encoding: {
            fillOpacity: {
              field: 'share',
              type: 'quantitative',
              scale: { domainMin: 0, range: [0.04, 0.6] },
              legend: null,
            },
          },
        },
        ...(fitInto(columns.band, texts)
          ? [
              {
                mark: { type: 'text' },
                encoding: { text: { field: 'share', type: 'quantitative', format: '.0%' } },
              },
            ]
          : []),
      ],
    },
  };
}

function monthBars(description: Description): TitledChart {
  const { labels, dates } = description;
  const shown = largest(
    classTotals(description),
    labels.length > MOST_COLORS ? MOST_COLORS - 1 : MOST_COLORS,
  );
  const names = new Map(shown.map(k => [k, labels[k]!]));
  const order = [...names.values(), ...(shown.length < labels.length ? ['others'] : [])];
  const values = dates.months.flatMap(({ month, papers }) =>
    papers.map((count, k) => ({ month, label: names.get(k) ?? 'others', papers: count })),
  );
  const byYear = dates.months.length > MOST_MONTHS;
  return {
    title: `Papers a ${byYear ? 'year' : 'month'}`,
    chart: {
      height: 170,
      data: { values },
      mark: { type: 'bar' },
      encoding: {
        x: {
          field: 'month',
          type: 'temporal',
          timeUnit: byYear ? 'utcyear' : 'utcyearmonth',
          title: null,
          axis: { format: byYear ? '%Y' : '%b %Y', labelOverlap: true, tickCount: 5 },
        },
        y: {
          field: 'papers',
          aggregate: 'sum',
          type: 'quantitative',
          title: 'papers',
          axis: COUNTS,
        },
        color: {
          field: 'label',
          type: 'nominal',
          scale: { domain: order, range: COLORS.slice(0, order.length) },
          legend: legendOf(order),
        },
        order: { field: 'label', type: 'nominal' },
      },
    },
  };
}

function classTotals({ labels, counts }: Description): number[] {
  return labels.map((_, k) => counts.train[k]! + counts.validation[k]! + counts.test[k]!);
}

function shownOf(shown: readonly number[], { labels }: Description): { note?: string } {
  return shown.length === labels.length
    ? {}
    : { note: `The ${shown.length} largest of ${labels.length} classes.` };
}
