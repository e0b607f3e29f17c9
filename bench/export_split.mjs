// Draws papers of each class from a data file and writes our split of them as a folder, so that another program can
// be trained on exactly the papers that `train --data FOLDER` sees. Run `npm run compile` first.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadDataset } from '../dist/data/dataset.js';
import { readPapers } from '../dist/data/read.js';
import { seededRandom, shuffle } from '../dist/util/random.js';

const CLASSES = ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'];

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    out: { type: 'string' },
    'per-class': { type: 'string', default: '3000' },
    seed: { type: 'string', default: '42' },
  },
});
if (!values.data || !values.out) {
  console.error('usage: export_split.mjs --data papers.jsonl.gz --out FOLDER [--per-class 3000] [--seed 42]');
  process.exit(2);
}
const seed = Number(values.seed);

const classes = new Map(CLASSES.map(name => [name, []]));
for await (const paper of readPapers(values.data, { labelled: true })) {
  classes.get(paper.categories[0])?.push(paper);
}
const random = seededRandom(`sample ${seed}`);
const drawn = CLASSES.flatMap(name =>
  shuffle(classes.get(name), random).slice(0, Number(values['per-class'])),
);

await mkdir(values.out, { recursive: true });
const sample = join(values.out, 'sample.jsonl');
await writePapers(sample, drawn);
const dataset = await loadDataset(sample, { seed });
for (const part of ['train', 'validation', 'test']) {
  const papers = dataset[part].map(({ paper }) => paper);
  await writePapers(join(values.out, `${part}.jsonl`), papers);
}
await rm(sample);
console.log(JSON.stringify({ labels: dataset.labels, ...dataset.counts }));

async function writePapers(file, papers) {
  const lines = papers.map(({ id, title, abstract, categories }) => ({ id, title, abstract, categories }));
  await writeFile(file, lines.map(line => `${JSON.stringify(line)}\n`).join(''));
}
