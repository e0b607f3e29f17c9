// Which encoder is worth hours of pre-training: each variant gets the same short time, then the same fine-tuning on
// papers of the task, and is judged by their validation papers. Each run is kept in --out: the same command goes on.
// `npm run build` first.
//
//   node bench/encoder_variants.mjs --corpus CORPUS --data SPLIT --variants variants.json --out DIR --hours 0.3
//
// variants.json: [{"name": "narrow", "config": {"hiddenSize": 256, …}, "options": ["--lr", "1e-3"]}, …]; what is left
// out of config is as in recipes/encoders/small.json, and options are those of `pretrain`.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cli, keep, makeAll, slug } from './experiment.mjs';

const { values } = parseArgs({
  options: {
    corpus: { type: 'string' },
    data: { type: 'string' },
    variants: { type: 'string' },
    out: { type: 'string' },
    hours: { type: 'string', default: '0.3' },
    recipe: { type: 'string', default: 'light' },
    epochs: { type: 'string', default: '2' },
    threads: { type: 'string', default: '1' },
    parallel: { type: 'string', default: '2' },
  },
});
const { corpus, data, out, hours, recipe, epochs, threads } = values;
if (!corpus || !data || !values.variants || !out) {
  console.error('usage: see the head of encoder_variants.mjs');
  process.exit(2);
}

const small = JSON.parse(readFileSync(new URL('../recipes/encoders/small.json', import.meta.url), 'utf8'));
const variants = JSON.parse(readFileSync(values.variants, 'utf8'));
mkdirSync(out, { recursive: true });
const isWhole = await makeAll(variants, Number(values.parallel), measure);
console.log(renderTable());
process.exitCode = isWhole ? 0 : 1;

async function measure({ name, config = {}, options = [] }) {
  const figures = join(out, `${slug(name)}.json`);
  if (existsSync(figures)) return;
  const [encoder, model, sizes] = ['encoder', 'model', 'sizes.json'].map(kind =>
    join(out, `${slug(name)}-${kind}`),
  );
  writeFileSync(sizes, JSON.stringify({ ...small, ...config }));
  console.error(`${name}: pre-training`);
  const pretrain = ['pretrain', '--corpus', corpus, '--config', sizes, '--hours', hours, '--out', encoder];
  const common = ['--threads', threads, '--resume', '--json'];
  const { record } = JSON.parse(await cli([...pretrain, ...options, ...common], { quiet: true }));
  console.error(`${name}: fine-tuning`);
  const train = ['train', '--data', data, '--recipe', recipe, '--encoder', encoder, '--out', model];
  const { training } = JSON.parse(
    await cli([...train, '--epochs', epochs, '--no-augment', ...common], { quiet: true }),
  );
  const { tokensSeen, steps, evaluation, parameters } = record;
  const { history, seed } = training;
  keep(
    figures,
    JSON.stringify({ name, config, options, tokensSeen, steps, evaluation, parameters, history, seed }),
  );
}

function renderTable() {
  const lines = [
    '| variant | million tokens | masked-word loss | category accuracy | validation accuracy by epoch |',
    '|---|---:|---:|---:|---|',
  ];
  for (const { name } of variants) {
    const file = join(out, `${slug(name)}.json`);
    if (!existsSync(file)) continue;
    const { tokensSeen, evaluation, history } = JSON.parse(readFileSync(file, 'utf8'));
    const percent = share => (share === undefined ? '' : (100 * share).toFixed(1));
    const accuracies = history.map(({ validationAccuracy }) => percent(validationAccuracy));
    const { wordLoss, categoryAccuracy } = evaluation ?? {};
    const cells = [(tokensSeen / 1e6).toFixed(1), wordLoss?.toFixed(3) ?? '', percent(categoryAccuracy)];
    lines.push(`| ${[name, ...cells, accuracies.join(', ')].join(' | ')} |`);
  }
  return lines.join('\n');
}
