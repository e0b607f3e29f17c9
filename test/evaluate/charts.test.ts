import { describe, expect, it, vi } from 'vitest';
import { type Chart, COLORS, columnsOf, fitInto, renderChart } from '../../src/evaluate/charts.js';

const bars = (values: object[]): Chart => ({
  height: { step: 20 },
  data: { values },
  mark: 'bar',
  encoding: {
    y: { field: 'label', type: 'nominal', title: null },
    x: { field: 'papers', type: 'quantitative', title: 'papers', axis: { format: ',d' } },
    color: { field: 'label', type: 'nominal' },
  },
});

/** What a reader of the picture sees, in the order of drawing. */
const texts = (svg: string): string[] =>
  [...svg.matchAll(/<text[^>]*opacity="1"[^>]*>([^<]*)</g)].map(match => match[1]!);

describe('a chart', () => {
  it('is an SVG element with axes, of the width of a phone', async () => {
    const svg = await renderChart(
      bars([
        { label: 'cs.AI', papers: 1500 },
        { label: 'cs.CL', papers: 12_000 },
      ]),
    );
    expect(svg).toMatch(/^<svg [^>]*width="342"[^>]*viewBox="0 0 342 /);
    expect(svg.trimEnd()).toMatch(/<\/svg>$/);
    expect(texts(svg)).toEqual(expect.arrayContaining(['cs.AI', 'cs.CL', 'papers', '0', '12,000']));
  });

  it('has labels that keep apart, at the ends too', async () => {
    const svg = await renderChart({
      height: { step: 20 },
      data: { values: [{ label: 'a class name', share: 1 }] },
      mark: 'bar',
      encoding: {
        y: { field: 'label', type: 'nominal', title: null },
        x: {
          field: 'share',
          type: 'quantitative',
          title: null,
          scale: { domain: [0, 1] },
          axis: { format: '.0%', tickCount: 10 },
        },
      },
    });
    const labels = [
      ...svg.matchAll(
        /<text text-anchor="(\w+)" transform="translate\(([\d.]+),\S* [^>]*opacity="1"[^>]*>(\d+%)</g,
      ),
    ].map(([, anchor, x, text]) => ({ anchor, x: Number(x), text: text! }));
    expect(labels.length).toBeGreaterThan(2);
    expect(new Set(labels.map(({ anchor }) => anchor))).toEqual(new Set(['middle']));
    labels.slice(1).forEach(({ x, text }, i) => {
      const before = labels[i]!;
      expect(x - before.x - 6.6 * ((text.length + before.text.length) / 2)).toBeGreaterThan(4);
    });
  });

  it('names columns side by side where there is room, else upright', () => {
    const names = (count: number, name: string) => Array.from({ length: count }, (_, i) => `${name}${i}`);
    expect(columnsOf(names(6, 'cs.')).axis).toMatchObject({ labelAngle: 0 });
    expect(columnsOf(names(30, 'cs.')).axis).toMatchObject({ labelAngle: -90, labelOverlap: true });
    const { axis, band } = columnsOf(names(4, 'natural language processing '));
    expect(axis).toMatchObject({ labelAngle: -90 });
    expect([fitInto(band, ['12,000']), fitInto(band, ['12,000,000'])]).toEqual([true, false]);
  });

  it("has the page's colours, and its own where it stands alone", async () => {
    const svg = await renderChart(
      bars([
        { label: 'a', papers: 1 },
        { label: 'b', papers: 2 },
      ]),
    );
    expect(svg).toContain(`fill="${COLORS[0]}"`);
    expect(svg).toContain(`fill="${COLORS[1]}"`);
    expect(svg).not.toContain('fill="white"');
    expect(COLORS[0]).toMatch(/^var\(--c1, #[0-9a-f]{6}\)$/);
  });

  it('holds hostile names as text and refers to nothing outside', async () => {
    const svg = await renderChart(bars([{ label: '</text><script>&"', papers: 1 }]));
    expect(svg).not.toContain('<script');
    expect(texts(svg).join()).toContain('&lt;/text&gt;&lt;script&gt;&amp;');
    expect(svg.replace(/ xmlns(:\w+)?="[^"]*"/g, '')).not.toMatch(/https?:|\bhref|\burl\(/);
  });

  it('is the same every time, and says nothing on the way', async () => {
    const spoken = (['log', 'warn', 'error', 'info', 'debug'] as const).map(name =>
      vi.spyOn(console, name).mockImplementation(() => {}),
    );
    const chart = bars([{ label: 'a', papers: 3 }]);
    expect(await renderChart(chart)).toBe(await renderChart(chart));
    for (const spy of spoken) expect(spy).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });
});
