import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { BERGAMOT_MODELS, hasBergamotModels } from '../support/bergamot-models.js';
import { cli, examplePapers } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-back-translation-'));
afterAll(() => rmSync(scratch, { recursive: true }));

interface Line {
  id: string;
  title: string;
  abstract: string;
  categories: string[];
  parent: string;
  translator: string;
}

const linesOf = (file: string): Line[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const env = { ARXIV_NATIVE_CACHE: join(scratch, 'cache') };
  const { exitCode, stdout, stderr } = await cli([...args, '--json'], { env });
  expect(exitCode, stderr).toBe(0);
  return JSON.parse(stdout);
}

describe.skipIf(!hasBergamotModels)(
  'from papers to a model that learned from copies, by a real translator (skipped where it is absent)',
  () => {
    it('prepares, augments and trains', async () => {
      const [papers, data, out] = ['papers.jsonl', 'data', 'model'].map(name => join(scratch, name)) as [
        string,
        string,
        string,
      ];
      const marked = linesOf(examplePapers).map((paper, i) => ({
        ...paper,
        abstract: `${paper.abstract} The cost is $O(n^{${i}} \\log n)$ steps; see https://example.org/p${i}.`,
      }));
      writeFileSync(papers, marked.map(paper => JSON.stringify(paper)).join('\n'));
      await json('prepare', papers, '--out', data);
      const augment = ['augment', data, '--category', 'cs.AI', '--samples', '4', '--pivot', 'pt'];
      const models = ['--model-dir', BERGAMOT_MODELS, '--offline'];
      const result = await json(...augment, ...models);
      expect(result).toMatchObject({ copies: 4, dropped: {}, pivots: ['pt'] });

      const parents = new Map(linesOf(join(data, 'train.jsonl')).map(paper => [paper.id, paper]));
      const copies = linesOf(join(data, 'augmented.jsonl'));
      expect(copies).toHaveLength(4);
      for (const copy of copies) {
        const parent = parents.get(copy.parent)!;
        expect(copy).toMatchObject({ title: parent.title, categories: parent.categories });
        expect(copy.translator).toMatch(
          /^bergamot \S+, en-pt [0-9a-f]{16}, method \d+; bergamot \S+, pt-en [0-9a-f]{16}, method \d+$/,
        );
        expect(copy.abstract).not.toBe(parent.abstract);
        const [formula, address] = parent.abstract.match(/\$.+\$|https:\S+(?=\.$)/g)!;
        expect(copy.abstract).toContain(formula);
        expect(copy.abstract).toContain(address);
        // A paraphrase in the same language: most of its words are the parent's.
        const words = new Set(parent.abstract.toLowerCase().match(/[a-z]+/g));
        const own = copy.abstract.toLowerCase().match(/[a-z]+/g)!;
        expect(own.filter(word => words.has(word)).length / own.length).toBeGreaterThan(0.5);
      }
      // What was translated once is in the cache: the same copies, and no model is asked.
      const cache = join(scratch, 'cache/translations');
      const sizes = () => readdirSync(cache).map(name => [name, statSync(join(cache, name)).size]);
      const before = sizes();
      expect(before).toHaveLength(2);
      const again = await json(...augment, '--force', ...models);
      expect(again.fingerprint).toBe(result.fingerprint);
      expect(sizes()).toEqual(before);

      const { training } = await json(
        ...['train', '--data', data, '--recipe', 'demo', '--augment', '--epochs', '1', '--out', out],
      );
      expect(training).toMatchObject({
        data: { copies: { papers: [4, 0, 0, 0], record: { pivots: ['pt'] } } },
      });
    });
  },
);
