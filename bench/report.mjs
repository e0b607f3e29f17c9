// What was measured, as tables for a terminal and as a page with charts.
import { table } from '../dist/cli/table.js';
import { COLORS, legendOf, renderChart } from '../dist/evaluate/charts.js';
import { figureHtml, html, page, tableHtml } from '../dist/evaluate/page.js';

const NOT_A_MEASUREMENT = 'A quick run: it shows that everything works, its figures mean nothing.';

/** @returns text with one table a task */
export function printedTables(result) {
  const parts = groups(result).map(group => `${titleOf(group)}\n\n${table(rowsOf(group, result))}`);
  const skipped = result.skipped.map(({ name, reason }) => `skipped: ${name}: ${reason}`);
  return `${[...(result.quick ? [NOT_A_MEASUREMENT] : []), ...parts, ...skipped].join('\n\n')}\n`;
}

/** @returns the page, one file that opens offline */
export async function pageOf(result) {
  const { machine, versions, settings } = result;
  const facts = [
    `${machine.cpu}, ${machine.cores} cores (${settings.threads} threads used), ${machine.memoryGib} GiB, ${machine.system}`,
    Object.entries(versions)
      .map(pair => pair.join(' '))
      .join(', '),
    `${result.began}: ${settings.rounds} rounds of ${settings.samples} samples; load average at the start ${machine.loadAtStart.toFixed(2)}`,
  ];
  const lead = html`${result.quick ? html`<p><b>${NOT_A_MEASUREMENT}</b></p>` : html``}${facts.map(fact => html`<p class="note">${fact}</p>\n`)}`;
  const sections = [];
  for (const group of groups(result)) {
    const chart = group.rows[0].curve ? curveOf(group) : barsOf(group);
    const figure = figureHtml(chart.title, await renderChart(chart.spec));
    sections.push({
      title: titleOf(group),
      body: html`<div class="charts">${figure}</div>\n${tableHtml(rowsOf(group, result))}`,
    });
  }
  if (result.skipped.length > 0) {
    const rows = result.skipped.map(({ work, suite, name, reason }) => [name, `${work}, ${suite}`, reason]);
    sections.push({ title: 'Skipped', body: tableHtml([['what', 'where', 'why'], ...rows]) });
  }
  return page('Measurements', lead, sections);
}

/** Rows of one task on one work, in the order in which they came. */
function groups({ rows }) {
  const found = new Map();
  for (const row of rows) {
    const key = [row.suite, row.work, row.task].join('\n');
    if (!found.has(key)) found.set(key, { suite: row.suite, work: row.work, task: row.task, rows: [] });
    found.get(key).rows.push(row);
  }
  return [...found.values()];
}

function titleOf({ suite, work, task }) {
  return `${work}, ${suite}: ${task}`;
}

/** Headings, and a line each: only the columns that a group has something for. */
function rowsOf({ rows }, result) {
  const ours = rows.filter(({ name, curve }) => /^ours (\w+)$/.test(name) && !curve);
  const columns = [
    [
      rows[0].curve?.axis ?? '',
      row => (row.curve ? `${row.curve.x}${row.name.startsWith('ours') ? '' : `, ${row.name}`}` : row.name),
    ],
    ['best', row => time(row.best)],
    ['median', row => time(row.median)],
    ['CPU', row => (row.cpuSeconds === undefined ? '' : time(row.cpuSeconds))],
    ['papers/s', row => (row.papers ? number(row.papers / row.best) : '')],
    [
      'tokens/s',
      row =>
        row.samples[0]?.tokens
          ? number(Math.max(...row.samples.map(each => each.tokens / each.seconds)))
          : '',
    ],
    ['GFLOP/s', row => (row.flops ? number(row.flops / 1e9) : '')],
    ['GB/s', row => (row.bytesPerSecond ? number(row.bytesPerSecond / 1e9) : '')],
    ['of peak', row => percent(shareOfPeak(row, result))],
    // How many times as long as ours this takes.
    ...ours.map(one => [
      `${one.name.replace('ours ', 'vs ')}`,
      row => (rows.length > 1 ? (row.best / one.best).toFixed(2) : ''),
    ]),
    [
      'faults',
      row =>
        row.samples[0]?.pageFaults === undefined
          ? ''
          : number(median(row.samples.map(each => each.pageFaults))),
    ],
    ['MiB', row => (row.peakMib ? row.peakMib.toFixed(0) : '')],
    ['differs', row => (row.differs === undefined ? '' : row.differs.toExponential(0))],
  ];
  const isMemory = rows[0].unit === 'MiB';
  const shown = columns.filter(
    ([heading, cell], i) => rows.some(row => cell(row) !== '') && (!isMemory || i === 0 || heading === 'MiB'),
  );
  return [shown.map(([heading]) => heading), ...rows.map(row => shown.map(([, cell]) => cell(row)))];
}

/** Useful FLOP a second as a share of the fastest GEMM of the same run in the same precision. */
export function shareOfPeak({ flops, precision, work, suite, name, curve }, { peaks }) {
  const peak = peaks[work]?.[precision]?.flops;
  // The peak is that of the run's own number of threads.
  const comparable = (suite !== 'kernels' || name.startsWith('gemm')) && curve?.axis !== 'threads';
  return flops && peak && comparable ? flops / peak : undefined;
}

function barsOf({ suite, rows }) {
  const [title, figure, label] =
    suite === 'kernels' && rows.every(row => row.flops)
      ? ['GFLOP a second, at best', row => row.flops, row => number(row.flops / 1e9)]
      : ['the best of all samples', row => row.best, row => time(row.best)];
  const values = rows.map(row => ({
    name: suite === 'kernels' ? row.name.slice(row.name.indexOf('/') + 1) : row.name,
    value: figure(row),
    label: label(row),
    ours: row.name.startsWith('ours'),
  }));
  const longest = Math.max(...values.map(each => each.value));
  return {
    title,
    spec: {
      height: { step: 26 },
      data: { values },
      encoding: {
        y: { field: 'name', type: 'nominal', sort: null, title: null, axis: { labelLimit: 200 } },
        // Room for the label of the longest bar.
        x: { field: 'value', type: 'quantitative', axis: null, scale: { domain: [0, 1.4 * longest] } },
      },
      layer: [
        {
          mark: { type: 'bar', height: { band: 0.7 } },
          encoding: {
            color: {
              field: 'ours',
              type: 'nominal',
              scale: { domain: [true, false], range: [COLORS[0], COLORS[7]] },
              legend: null,
            },
          },
        },
        {
          mark: { type: 'text', align: 'left', dx: 5 },
          encoding: { text: { field: 'label', type: 'nominal' } },
        },
      ],
    },
  };
}

function curveOf({ rows }) {
  const isMemory = rows[0].unit === 'MiB';
  const names = [...new Set(rows.map(row => row.name))];
  const values = rows.map(row => ({
    x: row.curve.x,
    y: isMemory ? row.peakMib : row.papers / row.best,
    name: row.name,
  }));
  return {
    title: isMemory ? 'peak MiB' : 'papers a second, at best',
    spec: {
      height: 170,
      data: { values },
      mark: { type: 'line', point: true },
      encoding: {
        x: {
          field: 'x',
          type: 'quantitative',
          title: rows[0].curve.axis,
          axis: { values: [...new Set(values.map(each => each.x))] },
        },
        y: { field: 'y', type: 'quantitative', title: null, scale: { zero: true } },
        color: {
          field: 'name',
          type: 'nominal',
          scale: { domain: names },
          legend: names.length > 1 ? legendOf(names) : null,
        },
      },
    },
  };
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function time(seconds) {
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  return seconds >= 1e-3 ? `${(1e3 * seconds).toPrecision(3)} ms` : `${(1e6 * seconds).toPrecision(3)} µs`;
}

function number(value) {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}

function percent(share) {
  return share === undefined ? '' : `${(100 * share).toFixed(0)} %`;
}
