// npm run demo: from a fresh clone to a classifier of one's own and papers that it has not seen.
import { readFileSync } from 'node:fs';
import { buildEverything, capture, installDependencies, root, run } from './prepare.mjs';

const MODEL = 'runs/demo';
const UNSEEN = 'examples/unseen.jsonl';

installDependencies();
buildEverything();
const cli = 'bin/arxiv-native.js';
run(process.execPath, cli, 'train', '--data', 'examples/papers.jsonl', '--out', MODEL, '--force');
const answers = parse(capture(process.execPath, cli, 'predict', '--model', MODEL, '--input', UNSEEN));
console.log('answer   truth    title');
parse(readFileSync(`${root}/${UNSEEN}`, 'utf8')).forEach(({ title, categories }, i) => {
  console.log(`${answers[i].category}    ${categories[0]}    ${title}`);
});
console.log(`
The model in ${MODEL} was trained on a few invented papers, from the encoder that comes with the package: its accuracy
says nothing about real ones. The classifier that comes with the package was trained on real papers:
npx arxiv-native predict --title "…" --abstract "…"`);

function parse(lines) {
  return lines
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
}
