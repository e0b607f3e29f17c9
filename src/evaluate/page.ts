/** HTML that is safe to put into a page as it is. */
export class Html {
  constructor(readonly text: string) {}
}

type Content = Html | string | number | readonly Content[];

/** A template of HTML: what stands in its places is escaped, unless it is {@link Html} itself. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(parts.map((part, i) => (i === 0 ? part : textOf(values[i - 1]!) + part)).join(''));
}

function textOf(value: Content): string {
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(textOf).join('');
  return String(value).replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`);
}

/**
 * A table with a row of headings; the first column stands to the left, the others are figures. Where there is little
 * room the interval of a figure stands below it.
 */
export function tableHtml([head = [], ...rows]: readonly (readonly Content[])[]): Html {
  return html`<div class="table"><table>
<thead><tr>${head.map(cell => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([name = '', ...cells]) =>
      html`<tr><th scope="row">${name}</th>${cells.map(cell => html`<td>${figure(cell)}</td>`)}</tr>
`,
  )}</tbody></table></div>
`;
}

/** A value and its interval, as in `76.5 % (74.5–78.4)`, apart; anything else as it is. */
function figure(cell: Content): Content {
  const [, value, interval] = (typeof cell === 'string' && /^(\S.*) (\(\S+–\S+\))$/.exec(cell)) || [];
  return interval === undefined ? cell : html`${value!} <span>${interval}</span>`;
}

/** What is written about a chart. */
export interface ChartWords {
  /** What has to be said about it, below. */
  note?: string;
  /** What it shows, for who cannot see it; its title if absent. */
  alt?: string;
  /** The same figures, to be opened. */
  table?: readonly (readonly Content[])[];
}

/** A chart of renderChart under its title. */
export function figureHtml(
  title: string,
  svg: string,
  { note = '', alt = title, table }: ChartWords = {},
): Html {
  return html`<figure><h3>${title}</h3>
<div role="img" aria-label="${alt}">${new Html(svg)}</div>
${note === '' ? '' : html`<figcaption>${note}</figcaption>`}${
  table ? detailsHtml('As a table', tableHtml(table)) : ''
}</figure>
`;
}

/** What is shown only once it is opened. */
export function detailsHtml(summary: string, body: Html): Html {
  return html`<details><summary>${summary}</summary>
${body}</details>
`;
}

/** A text cut between words, with a sign that it was. */
export function shorten(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length).replace(/\s*\S*$/, '')} …`;
}

export interface Section {
  title: string;
  body: Html;
}

/**
 * A page in one file that asks nothing of a network or a script: it opens offline, on a phone, in light and dark.
 *
 * @param lead stands under the title
 */
export function page(title: string, lead: Html, sections: readonly Section[]): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main>
<header><h1>${title}</h1>
${lead}</header>
${sections.map(
  section => html`<section><h2>${section.title}</h2>
${section.body}</section>
`,
)}</main>
</body>
</html>
`.text;
}

const STYLE = `
:root {
  --paper: #ffffff; --ink: #1f2328; --faint: #59636e; --rule: #d8dee4; --more: #1f232859;
  --c1: #2f6fb7; --c2: #d9772b; --c3: #3a8f5c; --c4: #8d5fb0;
  --c5: #b8860b; --c6: #c2486b; --c7: #2a9ba6; --c8: #7a7f87;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #12161c; --ink: #e6e9ed; --faint: #98a2ae; --rule: #2d343d; --more: #e6e9ed73;
    --c1: #6ea8e5; --c2: #eb9a5b; --c3: #6cc08b; --c4: #b993da;
    --c5: #d9b04a; --c6: #e5809d; --c7: #5fc4ce; --c8: #a2a8b0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  overflow-wrap: anywhere; -webkit-text-size-adjust: 100%;
}
main { max-width: 760px; margin: 0 auto; padding: 32px 16px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 8px; }
h2 { font-size: 18px; margin: 48px 0 12px; padding-top: 16px; border-top: 1px solid var(--rule); }
h3 { font-size: 14px; font-weight: 600; margin: 0 0 8px; }
p { margin: 0 0 12px; max-width: 66ch; }
header p, .note, figcaption { color: var(--faint); }
.note, figcaption { font-size: 13px; }
figcaption { margin-top: 4px; }
.charts { display: flex; flex-wrap: wrap; gap: 28px 44px; margin: 16px 0 20px; }
figure { margin: 0; width: 342px; max-width: 100%; }
figure svg { display: block; max-width: 100%; height: auto; }
/* A shade lies at each edge, and above it paper that scrolls away with the table: the shade shows where there is more. */
.table {
  overflow-x: auto; margin: 0 0 12px; container-type: inline-size;
  background:
    linear-gradient(to right, var(--paper) 60%, transparent) left / 24px 100% local,
    linear-gradient(to left, var(--paper) 60%, transparent) right / 24px 100% local,
    linear-gradient(to right, var(--more), transparent) left / 14px calc(100% - 4px),
    linear-gradient(to left, var(--more), transparent) right / 14px calc(100% - 4px);
  background-repeat: no-repeat;
}
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: 4px 0 4px 20px; text-align: right; vertical-align: baseline; }
td { white-space: nowrap; }
th:first-child { padding-left: 0; text-align: left; }
thead th { font-weight: 400; font-size: 13px; vertical-align: bottom; color: var(--faint); border-bottom: 1px solid var(--rule); }
tbody th { font-weight: 400; }
dl { display: grid; grid-template-columns: fit-content(50%) 1fr; gap: 6px 20px; margin: 0 0 12px; }
dt { color: var(--faint); }
dd { margin: 0; }
.figures dt { color: inherit; text-align: right; font-variant-numeric: tabular-nums; }
section > h3 { margin: 24px 0 8px; }
article { margin: 0 0 20px; }
h4 { font-size: 15px; font-weight: 600; margin: 0 0 4px; }
article p { margin-bottom: 4px; }
@container (max-width: 600px) {
  table { font-size: 13px; }
  th, td { padding-left: 8px; }
  thead th { font-size: 11px; }
  td span { display: block; font-size: 11px; line-height: 1.2; color: var(--faint); }
}
code { font: 13px ui-monospace, Menlo, Consolas, monospace; }
details { margin: 0 0 12px; }
figure details { margin: 6px 0 0; }
details dl { font-size: 13px; }
summary { color: var(--faint); font-size: 13px; cursor: pointer; }
details[open] > summary { margin-bottom: 8px; }
@media print {
  body { font-size: 12px; }
  main { max-width: none; padding: 0; }
  h2, h3, h4 { break-after: avoid; }
  figure, tr, dd { break-inside: avoid; }
  .table { overflow-x: visible; background: none; }
  summary { display: none; }
}
`;
