import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, loadDataset } from '../../../src/data/dataset.js';
import { askBaseline, type BaselineEvent } from '../../../src/evaluate/baseline/ask-baseline.js';
import { scoreBaseline, trainWords } from '../../../src/evaluate/baseline/baseline.js';
import { argMaxRows } from '../../../src/evaluate/metrics.js';
import { examplePapers } from '../../support/cli.js';

const cache = mkdtempSync(join(tmpdir(), 'arxiv-native-ask-baseline-'));
afterAll(() => rmSync(cache, { recursive: true }));

let dataset: Dataset;
beforeAll(async () => {
  dataset = await loadDataset(examplePapers, { seed: 42 });
});

describe('askBaseline', () => {
  it('says of each part of the papers what words alone say, and counts them as one', async () => {
    const { validation, test } = dataset;
    const counts: number[][] = [];
    const onProgress = (event: BaselineEvent) => {
      if (event.stage === 'classifying') counts.push([event.done, event.total]);
    };
    const parts = [validation, [], test.slice(1)];
    const { baseline, baselineOmitted } = await askBaseline([{ dataset }], parts, { cache, onProgress });
    expect(baseline!.source).toBe(examplePapers);
    expect(baselineOmitted).toBeUndefined();
    expect(baseline!.parts[1]).toEqual({ probabilities: new Float32Array(), predicted: new Int32Array() });
    const { classifier } = await trainWords(dataset, { cache });
    for (const part of [0, 2]) {
      const { probabilities } = await scoreBaseline(classifier, parts[part]!);
      expect(baseline!.parts[part]).toEqual({ probabilities, predicted: argMaxRows(probabilities, 4) });
    }
    const total = validation.length + test.length - 1;
    expect(counts).toEqual(Array.from({ length: total }, (_, i) => [i + 1, total]));
  });

  it("takes the first model's data that is to be had, or says why none is", async () => {
    const [one, two] = [{ missing: 'one is gone' }, { missing: 'two is gone' }];
    const found = await askBaseline([one, { dataset }, two], [dataset.test], { cache });
    expect(found.baseline!.source).toBe(examplePapers);
    expect(await askBaseline([one, two], [dataset.test], { cache })).toEqual({
      baselineOmitted: 'one is gone',
    });
  });
});
