import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Tokenizer } from '../../../src/text/tokenizer.js';
import { Batches } from '../../../src/train/pretrain/batches.js';
import { TokenCorpus } from '../../../src/train/pretrain/corpus.js';

const PAPERS = Array.from({ length: 150 }, (_, i) => ({
  title: `Paper ${i}`,
  abstract: 'words of an abstract '.repeat(1 + (i % 7)),
  categories: i < 100 ? ['cs.CL', 'cs.AI'] : i < 140 ? ['cs.CV'] : i < 145 ? ['cs.XX'] : [],
}));
const tokenizer = Tokenizer.train(
  PAPERS.map(({ title, abstract }) => `${title} ${abstract}`),
  120,
);

let folder: string;
let source: string;
let corpora: TokenCorpus[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arxiv-native-corpus-'));
  source = join(folder, 'papers.jsonl');
  writeFileSync(source, PAPERS.map(paper => JSON.stringify(paper)).join('\n'));
});
afterEach(() => {
  for (const corpus of corpora) corpus.close();
  corpora = [];
  rmSync(folder, { recursive: true });
});

async function open(key = 'a', maxLength = 16): Promise<TokenCorpus> {
  const corpus = await TokenCorpus.prepare(folder, key, [source], tokenizer, maxLength, {});
  corpora.push(corpus);
  return corpus;
}

describe('TokenCorpus', () => {
  it('gives back what the tokenizer said, cut, in any order', async () => {
    const corpus = await open();
    const chosen = [149, 0, 7, 7];
    const expected = chosen.map(i => tokenizer.encodeJoined(PAPERS[i]!.title, PAPERS[i]!.abstract, 16));
    const { ids, offsets } = corpus.batch(chosen);
    expect([...ids]).toEqual(expected.flat());
    expect([...offsets]).toEqual([0, ...cumulative(expected)]);
    expect(corpus.tokens).toBe(
      PAPERS.reduce(
        (sum, { title, abstract }) => sum + tokenizer.encodeJoined(title, abstract, 16).length,
        0,
      ),
    );
  });

  it('knows first categories, but for those of few papers', async () => {
    const corpus = await open();
    expect(corpus.categories).toEqual(['cs.CL', 'cs.CV']);
    expect([0, 99, 100, 139, 140, 149].map(i => corpus.labels[i])).toEqual([0, 0, 1, 1, -1, -1]);
  });

  it('is made once, and anew for another key or when a file is cut short', async () => {
    await open();
    const ids = join(folder, 'corpus-ids.bin');
    const { size } = statSync(ids);
    rmSync(source);
    expect((await open()).length).toBe(150);
    await expect(open('b')).rejects.toMatchObject({ code: 'BAD_INPUT' });
    writeFileSync(source, `${JSON.stringify(PAPERS[0])}\n`);
    expect((await open('b')).length).toBe(1);
    expect(statSync(ids).size).toBeLessThan(size);
    truncateSync(ids, 2);
    expect((await open('b')).batch([0]).ids).toHaveLength(9);
  });
});

describe('Batches', () => {
  const options = { maskRate: 0.2, batchTokens: 100, seed: 3, categories: true };
  const vocabulary = () => ({
    size: tokenizer.vocabSize,
    maskTokenId: tokenizer.maskTokenId!,
    specialIds: tokenizer.specialIds,
  });

  it('reads each paper once an epoch, in another order each time, and never those held out', async () => {
    const corpus = await open('a', 64);
    const asked: number[][] = [];
    const spy = Object.create(corpus, {
      batch: {
        value: (papers: number[]) => {
          asked.push(papers);
          return corpus.batch(papers);
        },
      },
    }) as TokenCorpus;
    const batches = new Batches({ ...options, corpus: spy, vocabulary: vocabulary() });
    expect([batches.papers, batches.heldOutPapers]).toEqual([147, 3]);
    let papers = 0;
    for (let step = 0; papers < 2 * 147; step++) {
      const batch = batches.at(step, papers);
      papers += batch.papers;
      expect(batch.ids.length).toBeGreaterThanOrEqual(100);
      expect(batch.labelled).toBe(batch.labels.filter(label => label >= 0).length);
    }
    const read = asked.flat();
    const [first, second] = [read.slice(0, 147), read.slice(147, 294)];
    expect(new Set(first).size).toBe(147);
    expect([...second].sort()).toEqual([...first].sort());
    expect(second).not.toEqual(first);
    asked.length = 0;
    expect([...batches.evaluation()].reduce((sum, batch) => sum + batch.papers, 0)).toBe(3);
    expect(asked.flat().some(index => first.includes(index))).toBe(false);
  });

  it('gives the same batch for the same place, whatever came before', async () => {
    const corpus = await open('a', 64);
    const make = () => new Batches({ ...options, corpus, vocabulary: vocabulary() });
    const straight = make();
    straight.at(0, 0);
    straight.at(1, 160);
    expect(straight.at(7, 95)).toEqual(make().at(7, 95));
    expect(straight.at(8, 95)).not.toEqual(make().at(7, 95));
  });
});

function cumulative(sequences: number[][]): number[] {
  let sum = 0;
  return sequences.map(({ length }) => (sum += length));
}
