// Holds two programs' predictions of the same test papers against each other. Several files of one side (seeds,
// separated by commas) count with the mean of what they got right. A prediction file has one JSON line a paper:
// {id, label, predicted}. Run `npm run compile` first.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { seededRandom } from '../dist/util/random.js';

const { values } = parseArgs({
  options: {
    ours: { type: 'string' },
    peer: { type: 'string' },
    class: { type: 'string', default: 'cs.AI' },
    resamples: { type: 'string', default: '10000' },
  },
});
if (!values.ours || !values.peer) {
  console.error('usage: compare_runs.mjs --ours A.jsonl[,B.jsonl…] --peer C.jsonl[,…] [--class cs.AI]');
  process.exit(2);
}

const ours = readSide(values.ours);
const peer = readSide(values.peer);
const papers = [...ours.keys()];
for (const id of papers) {
  if (peer.get(id)?.label !== ours.get(id).label)
    throw new Error(`paper ${id}: not in both, or labelled differently`);
}
if (peer.size !== ours.size) throw new Error(`${ours.size} papers against ${peer.size}`);

const ofClass = papers.filter(id => ours.get(id).label === values.class);
report('accuracy', papers);
report(`recall of ${values.class}`, ofClass);

/** Per paper its label and the share of the side's runs that got it right. */
function readSide(files) {
  const side = new Map();
  const paths = files.split(',');
  for (const path of paths) {
    const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
    for (const { id, label, predicted } of lines.map(line => JSON.parse(line))) {
      const paper = side.get(id) ?? { label, right: 0, runs: 0 };
      paper.right += Number(label === predicted) / paths.length;
      paper.runs += 1;
      side.set(id, paper);
    }
  }
  for (const [id, { runs }] of side) {
    if (runs !== paths.length) throw new Error(`paper ${id}: in ${runs} of ${paths.length} files`);
  }
  return side;
}

function report(name, ids) {
  const a = ids.map(id => ours.get(id).right);
  const b = ids.map(id => peer.get(id).right);
  const difference = a.map((value, i) => value - b[i]);
  const [low, high] = bootstrapInterval(difference, Number(values.resamples));
  const verdict =
    low <= 0 && high >= 0 ? 'level' : mean(difference) > 0 ? 'ours is better' : 'the peer is better';
  console.log(
    `${name} (${ids.length} papers): ours ${percent(mean(a))}, peer ${percent(mean(b))}, ` +
      `difference ${percent(mean(difference))} [${percent(low)}, ${percent(high)}]: ${verdict}`,
  );
}

/** Bounds of the middle 95 % of the mean over resampled papers (Efron, 1979). */
function bootstrapInterval(differences, resamples) {
  const random = seededRandom('bootstrap');
  const means = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < differences.length; i++)
      sum += differences[Math.floor(random() * differences.length)];
    return sum / differences.length;
  }).sort();
  return [means[Math.floor(0.025 * resamples)], means[Math.ceil(0.975 * resamples) - 1]];
}

function mean(numbers) {
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}

function percent(share) {
  return (100 * share).toFixed(2);
}
