// Words a second of Bergamot on real abstracts, there and back, one sentence after the other as `augment` sends them.
// Run `npm run compile` first. Nothing is read from the cache of translations or written to it.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bergamot } from '../dist/augment/bergamot/bergamot.js';
import { protectMarkup } from '../dist/augment/markup.js';
import { splitSentences } from '../dist/augment/sentences.js';

const { values } = parseArgs({
  options: {
    papers: { type: 'string' },
    'model-dir': { type: 'string' },
    pivot: { type: 'string', default: 'pt' },
    abstracts: { type: 'string', default: '40' },
    threads: { type: 'string', default: '1' },
    category: { type: 'string', default: 'cs.AI' },
  },
});
if (!values.papers) {
  console.error(
    'usage: translate_speed.mjs --papers train.jsonl [--model-dir DIR] [--pivot pt] [--threads 1]',
  );
  process.exit(2);
}

const sentences = readFileSync(values.papers, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map(line => JSON.parse(line))
  .filter(({ categories }) => categories[0] === values.category)
  .slice(0, Number(values.abstracts))
  .flatMap(({ abstract }) => splitSentences(protectMarkup(abstract).text));
const threads = Number(values.threads);
const there = await measure('en', values.pivot, sentences);
await measure(values.pivot, 'en', there);

/** Prints one JSON line, and gives the translations. */
async function measure(from, to, texts) {
  const options = { from, to, modelDir: values['model-dir'], threads, offline: false, whole: false, seed: 0 };
  const translator = await bergamot.open(options, {});
  const startedAt = performance.now();
  const results = [];
  await translator.translate(texts, (i, translation) => {
    results[i] = translation.text ?? '';
  });
  const seconds = (performance.now() - startedAt) / 1000;
  await translator.close();
  const words = texts.reduce((sum, text) => sum + text.split(' ').length, 0);
  console.log(
    JSON.stringify({
      direction: `${from}-${to}`,
      threads,
      sentences: texts.length,
      words,
      seconds: Number(seconds.toFixed(2)),
      wordsPerSecond: Math.round(words / seconds),
    }),
  );
  return results;
}
