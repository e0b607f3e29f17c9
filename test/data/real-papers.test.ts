import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Paper, SPLITS } from '../../src/data/paper.js';
import { type PreparedDataset, prepareDataset } from '../../src/data/prepare.js';

const file = fileURLToPath(new URL('../../../shared/data/arxiv-papers.jsonl.gz', import.meta.url));
const CLASSES = ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'];

/** Enough to see proportions, and soon read. */
const SOME = 20_000;

interface RawPaper {
  id: string;
  categories: string[];
  published: string;
}

const all = ({ parts }: PreparedDataset): Paper[] => SPLITS.flatMap(part => parts[part]);
const count = <T>(items: Iterable<T>) => {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
};

describe.skipIf(!existsSync(file))(
  'real papers (skipped where ../shared/data is not)',
  { timeout: 300_000 },
  () => {
    let raw: RawPaper[];
    let lines: string[];
    let scratch: string;
    beforeAll(() => {
      scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-real-'));
      lines = gunzipSync(readFileSync(file)).toString('utf8').trim().split('\n');
      raw = lines.map(line => {
        const { id, categories, published } = JSON.parse(line) as RawPaper;
        return { id, categories, published };
      });
    });
    afterAll(() => rmSync(scratch, { recursive: true }));

    it('by primary category, in their own proportions, are each on one side', async () => {
      const some = join(scratch, 'some.jsonl');
      writeFileSync(some, lines.slice(0, SOME).join('\n'));
      const data = await prepareDataset(some);
      const sizes = count(raw.slice(0, SOME).map(({ categories }) => categories[0]!));
      expect(data.labels).toEqual(CLASSES);
      CLASSES.forEach((label, k) => {
        const [train, validation, test] = SPLITS.map(part => data.counts[part][k]!) as [
          number,
          number,
          number,
        ];
        expect(train + validation + test).toBe(sizes.get(label));
        expect(Math.abs(validation - 0.15 * sizes.get(label)!)).toBeLessThanOrEqual(1);
        expect(Math.abs(test - 0.15 * sizes.get(label)!)).toBeLessThanOrEqual(1);
      });
      expect(new Set(all(data).map(({ id }) => id)).size).toBe(SOME);
      expect(data.leaks).toMatchObject({ contradictingRows: 0, crossingPapers: 0, seenTestRows: 0 });
    });

    it('by query contradict and leak as much as another count of them says', async () => {
      const data = await prepareDataset(file, { labels: 'query', perClass: 3000 });
      const expected = CLASSES.flatMap(name =>
        raw
          .filter(({ categories }) => categories.includes(name))
          .sort((a, b) => (`${a.published} ${a.id}` < `${b.published} ${b.id}` ? 1 : -1))
          .slice(0, 3000)
          .map(({ id }) => `${id} ${name}`),
      );
      const rows = all(data);
      expect(rows.map(({ id, label }) => `${id} ${label}`).sort()).toEqual(expected.sort());

      const times = count(rows.map(({ id }) => id));
      const sides = count(
        [...new Set(rows.map(({ id, split }) => `${id} ${split}`))].map(key => key.split(' ')[0]!),
      );
      const tested = data.parts.test.map(({ id }) => id);
      const trained = new Set(data.parts.train.map(({ id }) => id));
      expect(data.leaks).toEqual({
        rows: 12_000,
        contradictingRows: rows.filter(({ id }) => times.get(id)! > 1).length,
        crossingPapers: [...sides.values()].filter(n => n > 1).length,
        seenTestRows: tested.filter(id => trained.has(id)).length,
        bestAccuracy: times.size / 12_000,
        bestTestAccuracy: expect.closeTo(
          tested.reduce((sum, id) => sum + 1 / times.get(id)!, 0) / tested.length,
          10,
        ),
      });
      expect(data.leaks.contradictingRows / 12_000).toBeGreaterThan(0.35);
    });
  },
);
