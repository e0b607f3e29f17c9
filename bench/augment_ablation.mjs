// v5.0 with and without back-translated copies: for each number of papers a class and each seed two trainings on the
// same splits, one JSON line each. A run whose line is in the results is not made again, and one that was killed goes
// on from its checkpoint: the same command finishes what is left. Run `npm run build` first. The copies add steps and
// weight to their class: what is compared is the method as a whole, on one draw of papers and one of copies.
//
//   node bench/augment_ablation.mjs --papers PAPERS --encoder ENCODER --model-dir MODELS --work DIR \
//     --cell 300:5 --cell 3000:3                    300 papers a class with five seeds, 3,000 with three
//   node bench/augment_ablation.mjs --work DIR --report
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '../dist/util/random.js';
import { cli } from './experiment.mjs';

const { values } = parseArgs({
  options: {
    papers: { type: 'string' },
    encoder: { type: 'string' },
    'model-dir': { type: 'string' },
    work: { type: 'string' },
    cell: { type: 'string', multiple: true, default: ['300:5', '3000:3'] },
    pivot: { type: 'string', default: 'pt' },
    samples: { type: 'string', default: '450' },
    recipe: { type: 'string', default: 'v5.0' },
    categories: { type: 'string', default: 'cs.AI,cs.CL,cs.CV,cs.LG' },
    'first-seed': { type: 'string', default: '42' },
    epochs: { type: 'string', default: '4' },
    threads: { type: 'string' },
    precision: { type: 'string', default: 'auto' },
    report: { type: 'boolean', default: false },
  },
});
if (!values.work || (!values.report && !(values.papers && values.encoder))) {
  console.error('usage: see the head of augment_ablation.mjs');
  process.exit(2);
}
const CATEGORY = 'cs.AI';
/** What Student's t with 1 to 9 degrees of freedom exceeds in 2.5 % of the cases. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
const results = join(values.work, 'results.jsonl');

mkdirSync(values.work, { recursive: true });
if (!values.report) for (const cell of values.cell) await runCell(...cell.split(':').map(Number));
report();

async function runCell(perClass, seeds) {
  const data = join(values.work, `data-${perClass}`);
  if (!existsSync(join(data, 'dataset.json'))) {
    const classes = ['--categories', values.categories, '--per-class', String(perClass), '--seed', '42'];
    await cli(['prepare', values.papers, '--out', data, ...classes]);
  }
  if (!existsSync(join(data, 'augmented.jsonl'))) {
    const models = values['model-dir'] ? ['--model-dir', values['model-dir']] : [];
    const copies = ['--category', CATEGORY, '--samples', values.samples, '--pivot', values.pivot];
    await cli(['augment', data, ...copies, ...models]);
  }
  for (let seed = Number(values['first-seed']), last = seed + seeds; seed < last; seed++) {
    for (const augmented of [false, true]) await runOnce(data, perClass, seed, augmented);
  }
}

async function runOnce(data, perClass, seed, augmented) {
  const settings = settingsOf(data);
  const isThis = line => line.perClass === perClass && line.seed === seed && line.augmented === augmented;
  const found = lines().find(isThis);
  if (found && JSON.stringify(found.settings) !== JSON.stringify(settings)) {
    throw new Error(
      `${results} is of other settings: ${JSON.stringify(found.settings)}. Choose another --work.`,
    );
  }
  if (found) return;
  const name = `${perClass}-${seed}-${augmented ? 'with' : 'without'}`;
  const [out, predictions] = ['', '.jsonl'].map(ending => join(values.work, `${name}${ending}`));
  const options = ['--recipe', values.recipe, '--encoder', values.encoder, '--epochs', values.epochs];
  const place = ['--seed', String(seed), '--precision', values.precision];
  const threads = values.threads ? ['--threads', values.threads] : [];
  const how = [augmented ? '--augment' : '--no-augment'];
  // A run that was complete when its line was not yet written has no test left: it is made again.
  if (existsSync(out)) rmSync(out, { recursive: true });
  const args = ['train', '--data', data, '--out', out, ...options, ...place, ...threads, ...how];
  const more = ['--resume', '--json', '--save-predictions', predictions];
  rmSync(predictions, { force: true });
  const { training } = JSON.parse(await cli([...args, ...more]));
  const said = readFileSync(predictions, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line));
  const { test, validation, bestEpoch, trainingSeconds, data: facts } = training;
  const line = {
    perClass,
    seed,
    augmented,
    settings,
    copies: facts.copies?.papers.reduce((sum, papers) => sum + papers, 0) ?? 0,
    bestEpoch,
    seconds: Math.round(trainingSeconds),
    validationAccuracy: validation.accuracy,
    accuracy: test.accuracy,
    macroF1: test.macro.f1,
    recall: Object.fromEntries(test.perClass.map(({ label, recall }) => [label, recall])),
    // By paper, for paired intervals.
    right: Object.fromEntries(said.map(({ id, label, predicted }) => [id, Number(label === predicted)])),
    labels: Object.fromEntries(said.map(({ id, label }) => [id, label])),
  };
  appendFileSync(results, `${JSON.stringify(line)}\n`);
  console.log(JSON.stringify({ ...line, right: undefined, labels: undefined }));
  rmSync(out, { recursive: true });
}

/** What all lines of one report must have in common, and the papers of one size. */
function settingsOf(data) {
  const { recipe, encoder, epochs, precision } = values;
  const fingerprint = (file, pick) => pick(JSON.parse(readFileSync(join(data, file), 'utf8')));
  return {
    ...{ recipe, encoder: basename(resolve(encoder)), epochs: Number(epochs), precision },
    papers: fingerprint('dataset.json', record => record.fingerprints.all),
    copies: fingerprint('augmented.json', record => record.fingerprint),
  };
}

function lines() {
  if (!existsSync(results)) return [];
  return readFileSync(results, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line));
}

/**
 * Means over seeds, and their difference with two 95 % intervals: over seeds (Student's, which covers what another seed
 * would show) and over test papers (bootstrap of the mean over seeds). The wider one counts.
 */
function report() {
  const all = lines();
  for (const perClass of new Set(all.map(line => line.perClass))) {
    const side = augmented => all.filter(line => line.perClass === perClass && line.augmented === augmented);
    const pairs = side(true).flatMap(on => {
      const off = side(false).find(({ seed }) => seed === on.seed);
      return off ? [{ on, off }] : [];
    });
    if (pairs.length === 0) continue;
    if (side(true).some(({ copies }) => copies === 0))
      throw new Error(`${perClass} a class: no copies were trained on`);
    const ids = Object.keys(pairs[0].on.right);
    const groups = {
      accuracy: ids,
      [`${CATEGORY} recall`]: ids.filter(id => pairs[0].on.labels[id] === CATEGORY),
    };
    for (const [figure, papers] of Object.entries(groups)) {
      const share = ({ right }) => mean(papers.map(id => right[id]));
      const differences = pairs.map(({ on, off }) => share(on) - share(off));
      const points = value => Number((100 * value).toFixed(2));
      console.log(
        JSON.stringify({
          perClass,
          seeds: pairs.map(({ on }) => on.seed),
          figure,
          without: points(mean(pairs.map(({ off }) => share(off)))),
          with: points(mean(pairs.map(({ on }) => share(on)))),
          difference: points(mean(differences)),
          bySeed: differences.map(points),
          overSeeds: studentInterval(differences)?.map(points),
          overPapers: paperInterval(pairs, papers).map(points),
        }),
      );
    }
  }
}

/** Of the mean; none for one seed alone. */
function studentInterval(differences) {
  const count = differences.length;
  if (count < 2 || count > STUDENT.length + 1) return undefined;
  const middle = mean(differences);
  const variance = differences.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (count - 1);
  const half = STUDENT[count - 2] * Math.sqrt(variance / count);
  return [middle - half, middle + half];
}

function paperInterval(pairs, papers) {
  const random = seededRandom('ablation');
  const gains = papers.map(id => mean(pairs.map(({ on, off }) => on.right[id] - off.right[id])));
  const differences = Array.from({ length: 10_000 }, () =>
    mean(gains.map(() => gains[Math.floor(random() * gains.length)])),
  ).sort((a, b) => a - b);
  return [differences[249], differences[9750]];
}

function mean(numbers) {
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}
