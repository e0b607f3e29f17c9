import type { TopLevelSpec } from 'vega-lite';

/**
 * A chart as Vega-Lite describes it. Size, fonts and colours are the same for all and set here; a spec says `height`
 * (or a step) and, of colours, only those of {@link COLORS}.
 */
export type Chart = Record<string, unknown>;

const FONT_SIZE = 11;
/** What a character takes on average, in font sizes. */
const CHARACTER = 0.6;

/** Pixels. So that it stands on a phone as it is, and twice in a row on a desk. */
const WIDTH = 342;

/**
 * Colours are variables of the page's style sheet, so that one chart serves light and dark; a chart that stands alone
 * has those after the comma.
 */
const INK = 'var(--ink, #1f2328)';
export const FAINT = 'var(--faint, #59636e)';
const RULE = 'var(--rule, #d1d9e0)';
/** Of classes, in their order; after the last they begin again. */
export const COLORS = [
  'var(--c1, #2f6fb7)',
  'var(--c2, #d9772b)',
  'var(--c3, #3a8f5c)',
  'var(--c4, #8d5fb0)',
  'var(--c5, #b8860b)',
  'var(--c6, #c2486b)',
  'var(--c7, #2a9ba6)',
  'var(--c8, #7a7f87)',
] as const;

/** A legend of these names above a chart: as many in a row as there is room for. */
export function legendOf(names: readonly string[]): Chart {
  const longest = Math.max(...names.map(name => name.length));
  const width = Math.min(LEGEND_LABEL, longest * CHARACTER * FONT_SIZE) + SYMBOL;
  return { columns: Math.max(1, Math.floor((WIDTH - AXIS) / width)), labelLimit: LEGEND_LABEL };
}

/**
 * The columns of a matrix of these classes, whose names stand above it: upright where there is no room for them side
 * by side, and then only as many as there is room for.
 *
 * @returns also the pixels that a column is wide, about
 */
export function columnsOf(names: readonly string[]): { axis: Chart; band: number } {
  const band = (WIDTH - Math.min(LABEL, widest(names)) - CONFIG.axis.labelPadding) / names.length;
  const labelAngle = fitInto(band, names) ? 0 : -90;
  return { axis: { orient: 'top', labelAngle, labelOverlap: true, domain: false }, band };
}

/** Whether each of the texts has room in so many pixels, and something around it. */
export function fitInto(pixels: number, texts: readonly string[]): boolean {
  return widest(texts) + GAP <= pixels;
}

function widest(texts: readonly string[]): number {
  return Math.max(...texts.map(text => textWidth({ fontSize: FONT_SIZE }, text)));
}

/** Pixels: the longest name beside or above an axis, and what two have between them. */
const LABEL = 120;
const GAP = 6;

/** Pixels: the longest label, what a symbol takes with the space around it, what the y axis takes. */
const LEGEND_LABEL = 120;
const SYMBOL = 28;
const AXIS = 50;

/**
 * Draws a chart as an SVG element, without a browser, a canvas or the network.
 *
 * @throws Error if the spec is none: a mistake in this package, not in what it was given
 */
export async function renderChart(chart: Chart): Promise<string> {
  const [{ compile }, vega] = await Promise.all([import('vega-lite'), import('vega')]);
  // Its types do not know it.
  (vega as unknown as { textMetrics: { width: typeof textWidth } }).textMetrics.width = textWidth;
  const { spec } = compile(
    {
      width: WIDTH,
      autosize: { type: 'fit-x', contains: 'padding' },
      background: null,
      padding: 2,
      ...chart,
      config: CONFIG,
    } as unknown as TopLevelSpec,
    { logger: vega.logger(vega.Error) },
  );
  const view = new vega.View(vega.parse(spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** There are no fonts to measure by; Vega's own guess is a third more, and leaves labels too much room. */
function textWidth(item: { fontSize?: number; limit?: number }, text: unknown): number {
  const width = CHARACTER * (item.fontSize ?? FONT_SIZE) * String(text ?? '').length;
  return item.limit ? Math.min(item.limit, width) : width;
}

const CONFIG = {
  font: 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
  view: { stroke: null },
  mark: { color: COLORS[0] },
  range: { category: [...COLORS] },
  text: { color: INK, fontSize: FONT_SIZE },
  rule: { color: INK },
  axis: {
    labelColor: FAINT,
    titleColor: FAINT,
    titleFontWeight: 'normal',
    labelFontSize: FONT_SIZE,
    titleFontSize: FONT_SIZE,
    gridColor: RULE,
    domainColor: RULE,
    tickColor: RULE,
    ticks: false,
    labelPadding: 5,
    titlePadding: 8,
    labelLimit: LABEL,
    labelSeparation: GAP,
  },
  // A label at an end that is drawn inwards may touch the one before it.
  axisX: { grid: false, labelFlush: false },
  axisY: { domain: false },
  legend: {
    labelColor: FAINT,
    titleColor: FAINT,
    titleFontWeight: 'normal',
    labelFontSize: FONT_SIZE,
    orient: 'top',
    direction: 'horizontal',
    symbolType: 'square',
    title: null,
  },
};
