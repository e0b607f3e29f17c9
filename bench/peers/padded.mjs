// What the contestants on ONNX share: the texts, rectangles of tokens, and probabilities.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { probabilitiesOf } from '../../dist/evaluate/metrics.js';
import { answer, spec } from '../worker.mjs';

const BATCH = 64;

/** Sequences of token ids as an int64 rectangle, with its mask. */
export function padded(sequences, padTokenId) {
  const length = Math.max(...sequences.map(each => each.length));
  const ids = new BigInt64Array(sequences.length * length).fill(BigInt(padTokenId));
  const mask = new BigInt64Array(sequences.length * length);
  sequences.forEach((sequence, row) => {
    sequence.forEach((id, i) => {
      ids[row * length + i] = BigInt(id);
      mask[row * length + i] = 1n;
    });
  });
  return { ids, mask, shape: [sequences.length, length] };
}

/** @param run (papers, lengths) → a tensor of logits, papers × classes */
export async function answerPredictions(run, facts) {
  const work = JSON.parse(readFileSync(join(spec.work, 'work.json'), 'utf8'));
  const papers = readFileSync(work.papers, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line));
  await answer(
    ({ first, count, show }) =>
      async () => {
        const probabilities = [];
        for (let start = first; start < first + count; start += BATCH) {
          const batch = Array.from(
            { length: Math.min(BATCH, first + count - start) },
            (_, i) => papers[(start + i) % papers.length],
          );
          const { data, dims } = await run(batch, work.lengths);
          const flat = probabilitiesOf(data, dims[1], 1);
          for (let row = 0; row < dims[0]; row++)
            probabilities.push([...flat.subarray(row * dims[1], (row + 1) * dims[1])]);
        }
        return show ? { probabilities } : {};
      },
    facts,
  );
}
