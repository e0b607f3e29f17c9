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
const PRINTED = { 'v5.0': '57.0 / 41.9' };

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
  },
});
if (!values.papers || !values.encoder || !values.out) {
  console.error(
    'usage: results.mjs --papers FILE --encoder ENCODER --out FOLDER [--large-encoder ENCODER] [--epochs 4]\n' +
      '       [--large-epochs 2] [--threads 1] [--parallel 2: runs at once] [--only light,v5.0-query,arxiv-large]',
  );
  process.exit(2);
}

const { out, encoder, epochs } = values;
const large = values['large-encoder'] && {
  encoder: values['large-encoder'],
  epochs: values['large-epochs'],
};
const rows = [
  { name: 'light', seeds: [42] },
  { name: 'v2', seeds: [42] },
  { name: 'v3.7', seeds: [42] },
  { name: 'v5.0', seeds: [42, 43, 44] },
  { name: 'v5.1', seeds: [42] },
  { name: 'arxiv', seeds: [42, 43, 44] },
  { name: 'v5.0, labels by query', key: 'v5.0-query', recipe: 'v5.0', data: 'query', seeds: [42] },
  ...(large
    ? [
        {
          name: `arxiv, larger encoder, ${large.epochs} epochs`,
          key: 'arxiv-large',
          recipe: 'arxiv',
          ...large,
          seeds: [42],
        },
      ]
    : []),
];
const wanted = rows.filter(({ name, key = name }) => !values.only || values.only.split(',').includes(key));
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

function renderTable() {
  const lines = [
    '| recipe | seeds | test accuracy | cs.AI recall | log loss | gap | words alone | difference | printed |',
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const { name, recipe = name, seeds } of rows) {
    const done = seeds.map(seed => figuresFile(name, seed)).filter(existsSync);
    if (done.length === 0) {
      lines.push(`| ${name} | not run | | | | | | | |`);
      continue;
    }
    lines.push(
      tableRow(
        name,
        recipe,
        done.map(file => JSON.parse(readFileSync(file, 'utf8'))),
      ),
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Of one seed with 95 % intervals over the test papers; of several the mean, the deviation and each difference. */
function tableRow(name, recipe, evaluations) {
  const [first] = evaluations;
  const spread = (pick, digits = 1, scale = 100) => {
    const figures = evaluations.map(evaluation => scale * pick(evaluation));
    const mean = figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
    if (figures.length === 1) return mean.toFixed(digits);
    const deviation = Math.sqrt(
      figures.reduce((sum, figure) => sum + (figure - mean) ** 2, 0) / (figures.length - 1),
    );
    return `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`;
  };
  const recall = ({ metrics }) => metrics.perClass.find(({ label }) => label === 'cs.AI').recall;
  const range = ({ low, high }) =>
    evaluations.length === 1 ? ` (${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)})` : '';
  const differences = evaluations.map(({ baseline }) => baseline.difference.accuracy);
  return [
    '',
    name,
    evaluations.length,
    `${spread(({ metrics }) => metrics.accuracy)}${range(first.intervals.accuracy)}`,
    spread(recall),
    spread(({ metrics }) => metrics.logLoss, 3, 1),
    evaluations.every(({ objectives }) => objectives.gap)
      ? spread(({ objectives }) => objectives.gap.value)
      : '–',
    `${(100 * first.baseline.metrics.accuracy).toFixed(1)} / ${(100 * recall(first.baseline)).toFixed(1)}`,
    `${differences.map(({ value }) => (100 * value).toFixed(1)).join(', ')}${range(differences[0])}: ${verdict(differences)}`,
    PRINTED[recipe] ?? '',
    '',
  ]
    .join(' | ')
    .trim();
}

/** Better or worse only where the interval of every seed's difference lies on that side of 0. */
function verdict(differences) {
  if (differences.every(({ low }) => low > 0)) return 'better';
  if (differences.every(({ high }) => high < 0)) return 'worse';
  return 'level';
}
