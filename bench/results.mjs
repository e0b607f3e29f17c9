// The table of results: every version of the predecessor and ours on the same real papers, beside words alone.
// Each run is `train --resume` and `evaluate` of the built CLI and is kept in --out: started again, the script goes on
// where it was stopped. The figures of figures/ beside this file, copied into OUT/figures, are not made again. `npm run build` first; bench/README.md has the commands.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { cli, keep, makeAll, slug } from './experiment.mjs';

const PER_CLASS = '3000';
const SPLIT_SEED = '42';
/** What the predecessor printed of itself: with SciBERT, on other papers, contradictory labels and a leaking split. */
const PRINTED = { v2: '59.2 / 13.8', 'v3.7': '57.4 / 28.2', 'v5.0': '57.0 / 41.9', 'v5.1': '52.3 / 38.0' };

const { values } = parseArgs({
  options: {
    papers: { type: 'string' },
    encoder: { type: 'string' },
    'large-encoder': { type: 'string' },
    out: { type: 'string' },
    epochs: { type: 'string', default: '4' },
    'large-epochs': { type: 'string', default: '2' },
    threads: { type: 'string', default: '1' },
    parallel: { type: 'string', default: '2' },
    only: { type: 'string' },
    recipes: { type: 'string' },
    seeds: { type: 'string' },
    table: { type: 'boolean' },
  },
});
if (!values.out || !(values.table || (values.papers && values.encoder))) {
  console.error(
    'usage: results.mjs --papers FILE --encoder ENCODER --out FOLDER [--large-encoder ENCODER] [--epochs 4]\n' +
      '       [--large-epochs 2] [--threads 1] [--parallel 2: runs at once] [--only light,v5.0-query,arxiv-large]\n' +
      '       [--recipes v3,mine.json: rows beside those of the table] [--seeds 42,43: of every row]\n' +
      '   or: results.mjs --table --out FOLDER [--large-epochs 2] [--recipes …] [--seeds …]: of what is there',
  );
  process.exit(2);
}

const { out, encoder, epochs } = values;
const large = { encoder: values['large-encoder'], epochs: values['large-epochs'] };
const seeds = values.seeds?.split(',').map(Number);
const rows = [
  { name: 'light', seeds: [42] },
  { name: 'v2', seeds: [42] },
  { name: 'v3.7', seeds: [42] },
  { name: 'v5.0', seeds: [42, 43, 44] },
  { name: 'v5.1', seeds: [42] },
  { name: 'arxiv', seeds: [42, 43, 44] },
  { name: 'v5.0, labels by query', key: 'v5.0-query', recipe: 'v5.0', data: 'query', seeds: [42] },
  {
    name: `arxiv, larger encoder, ${large.epochs} epochs`,
    key: 'arxiv-large',
    recipe: 'arxiv',
    ...large,
    seeds: [42],
  },
  ...(values.recipes?.split(',') ?? []).map(name => ({ name, seeds: [42] })),
].map(row => ({ ...row, ...(seeds && { seeds }) }));
if (values.table) {
  console.log(renderTable());
  process.exit();
}
const only = values.only?.split(',');
const wanted = rows
  .filter(({ key }) => key !== 'arxiv-large' || large.encoder)
  .filter(({ name, key = name }) => only?.includes(key) ?? true);
if (wanted.length === 0) {
  console.error(`--only takes rows of the table: ${rows.map(({ name, key = name }) => key).join(', ')}`);
  process.exit(2);
}

mkdirSync(join(out, 'figures'), { recursive: true });
for (const labels of new Set(wanted.map(({ data = 'primary' }) => data))) await prepare(labels);

const runs = wanted.flatMap(row => row.seeds.map(seed => ({ ...row, seed })));
const isWhole = await makeAll(runs, Number(values.parallel), measure);
const table = renderTable();
writeFileSync(join(out, 'table.md'), table);
console.log(table);
process.exitCode = isWhole ? 0 : 1;

async function prepare(labels) {
  const folder = join(out, labels);
  if (existsSync(folder)) return;
  const rule = ['--labels', labels, '--per-class', PER_CLASS, '--seed', SPLIT_SEED];
  await cli(['prepare', values.papers, '--out', folder, ...rule]);
}

async function measure({ name, seed, ...row }) {
  const { recipe = name, data = 'primary', encoder: own = encoder, epochs: atMost = epochs } = row;
  const figures = figuresFile(name, seed);
  if (existsSync(figures)) return;
  const model = join(out, 'models', slug(name, seed));
  const { threads } = values;
  console.error(`${name}, seed ${seed}: training`);
  const train = [
    ...['train', '--resume', '--data', join(out, data), '--recipe', recipe, '--encoder', own, '--out', model],
    ...['--epochs', atMost, '--seed', String(seed), '--threads', threads, '--no-augment'],
  ];
  await cli(train, { quiet: true });
  const evaluation = JSON.parse(
    await cli(['evaluate', model, '--threads', threads, '--json'], { quiet: true }),
  );
  // Where they lie here is nobody's business elsewhere.
  const places = { model: basename(model), data: { ...evaluation.data, source: data } };
  keep(figures, `${JSON.stringify({ ...evaluation, ...places }, null, 1)}\n`);
}

function figuresFile(name, seed) {
  return join(out, 'figures', `${slug(name, seed)}.json`);
}

/** Of one seed with 95 % intervals over the test papers; of several mean ± deviation, and each one's difference. */
function renderTable() {
  const lines = [
    '| recipe | seeds | accuracy | cs.AI recall | log loss | gap | minus words alone | | printed |',
    '|---|---:|---:|---:|---:|---:|---:|---|---:|',
  ];
  const baselines = new Map();
  for (const { name, recipe = name, data = 'primary', seeds } of rows) {
    const done = seeds
      .map(seed => figuresFile(name, seed))
      .filter(existsSync)
      .map(file => JSON.parse(readFileSync(file, 'utf8')));
    if (done.length === 0) lines.push(line(name, 'not run'));
    else lines.push(tableRow(name, recipe, done));
    if (done.length > 0) baselines.set(data, done[0].baseline);
  }
  for (const [labels, { metrics, intervals }] of baselines) {
    const name = `words alone, labels by ${labels}`;
    const accuracy = `${percent(metrics.accuracy)} (${range(intervals.accuracy, '–')})`;
    lines.push(line(name, '', accuracy, percent(aiRecall({ metrics })), metrics.logLoss.toFixed(3)));
  }
  return `${lines.join('\n')}\n`;
}

function tableRow(name, recipe, evaluations) {
  const isOne = evaluations.length === 1;
  const spread = (pick, show) => {
    const figures = evaluations.map(pick);
    const mean = figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
    if (isOne) return show(mean);
    const deviation = Math.sqrt(
      figures.reduce((sum, figure) => sum + (figure - mean) ** 2, 0) / (figures.length - 1),
    );
    return `${show(mean)} ± ${show(deviation)}`;
  };
  const [{ intervals }] = evaluations;
  const accuracy = spread(({ metrics }) => metrics.accuracy, percent);
  const differences = evaluations.map(({ baseline }) => baseline.difference.accuracy);
  const hasGap = evaluations.every(({ objectives }) => objectives.gap);
  return line(
    name,
    evaluations.length,
    isOne ? `${accuracy} (${range(intervals.accuracy, '–')})` : accuracy,
    spread(aiRecall, percent),
    spread(
      ({ metrics }) => metrics.logLoss,
      loss => loss.toFixed(3),
    ),
    hasGap ? spread(({ objectives }) => objectives.gap.value, percent) : '–',
    `${differences.map(({ value }) => `${value > 0 ? '+' : ''}${percent(value)}`).join(', ')}${isOne ? ` [${range(differences[0], ', ')}]` : ''}`,
    verdict(differences),
    PRINTED[recipe],
  );
}

/** Better or worse only where the interval of every seed's difference lies on that side of 0. */
function verdict(differences) {
  if (differences.every(({ low }) => low > 0)) return 'better';
  if (differences.every(({ high }) => high < 0)) return 'worse';
  return 'level';
}

function line(...cells) {
  return `| ${Array.from({ length: 9 }, (_, i) => cells[i] ?? '').join(' | ')} |`;
}

function aiRecall({ metrics }) {
  return metrics.perClass.find(({ label }) => label === 'cs.AI').recall;
}

function range({ low, high }, between) {
  return `${percent(low)}${between}${percent(high)}`;
}

function percent(share) {
  return (100 * share).toFixed(1).replace('-', '−');
}
