import { type Chart, renderChart } from './charts.js';
import { figureHtml, type Html, html } from './page.js';

/** A chart with what is written around it. */
export interface TitledChart {
  title: string;
  chart: Chart;
  /** What has to be said about it. */
  note?: string;
  /** What it shows, in a sentence, for who cannot see it. */
  alt?: string;
  /** The same figures as rows, headings first, where no table of the page has them. */
  table?: string[][];
}

/** Draws charts, side by side where there is room; nothing where there are none. */
export async function figuresHtml(charts: readonly TitledChart[]): Promise<Html> {
  const drawn = await Promise.all(
    charts.map(async ({ title, chart, ...words }) => figureHtml(title, await renderChart(chart), words)),
  );
  return drawn.length === 0 ? html`` : html`<div class="charts">${drawn}</div>\n`;
}

/** The indices of the largest numbers, in their order. */
export function largest(numbers: readonly number[], count: number): number[] {
  return [...numbers.keys()]
    .sort((a, b) => numbers[b]! - numbers[a]! || a - b)
    .slice(0, count)
    .sort((a, b) => a - b);
}
