import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../model/weights.js';
import { cli, compiled, examplePapers } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-families-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeAll(compiled);

const recipe = join(scratch, 'tiny.json');
writeFileSync(
  recipe,
  JSON.stringify({ extends: 'demo', lengths: { title: 5, abstract: 8 }, epochs: 1, frozenLayersOf12: 6 }),
);

interface Line {
  id: string;
  /** What predict says; train's file of predictions calls it `predicted`. */
  category?: string;
  predicted?: string;
  probabilities: Record<string, number>;
}
const lines = (text: string): Line[] =>
  text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Line);

describe('train and predict, from a checkpoint of', () => {
  it.each([
    ['roberta', { positionOffset: 2, typeVocabSize: 1, relativeAttentionBuckets: 0 }],
    ['roberta-bin', { positionOffset: 2, typeVocabSize: 1, relativeAttentionBuckets: 0 }],
    ['distilbert', { positionOffset: 0, typeVocabSize: 0, attentionOutputDropout: 0 }],
    ['mpnet', { positionOffset: 2, typeVocabSize: 0, relativeAttentionBuckets: 32 }],
    ['mpnet-bin', { positionOffset: 2, typeVocabSize: 0, relativeAttentionBuckets: 32 }],
  ])('%s', async (name, shape) => {
    const model = join(scratch, name);
    const predictions = `${model}.jsonl`;
    const training = ['--data', examplePapers, '--recipe', recipe, '--encoder', fixture(name)];
    const output = ['--precision', 'fp32', '--out', model, '--save-predictions', predictions];
    const trained = await cli(['train', ...training, ...output]);
    expect(trained).toMatchObject({ exitCode: 0 });
    const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as { encoder: object };
    expect(config.encoder).toMatchObject(shape);

    // What the saved folder says of the test papers is what the model in memory said.
    const said = lines(readFileSync(predictions, 'utf8'));
    expect(said.length).toBeGreaterThan(3);
    const papers = join(scratch, 'papers.jsonl');
    const all = readFileSync(examplePapers, 'utf8').trim().split('\n');
    const ids = new Set(said.map(({ id }) => id));
    writeFileSync(papers, all.filter(line => ids.has((JSON.parse(line) as Line).id)).join('\n'));
    const result = await cli(['predict', '--model', model, '--input', papers, '--precision', 'fp32']);
    expect(result).toMatchObject({ exitCode: 0 });
    const answers = new Map(lines(result.stdout).map(line => [line.id, line]));
    for (const { id, predicted, probabilities } of said) {
      expect(answers.get(id)!.category).toBe(predicted);
      for (const [label, p] of Object.entries(probabilities)) {
        expect(answers.get(id)!.probabilities[label]).toBeCloseTo(p, 4);
      }
    }
    expect(new Set(said.map(({ probabilities }) => JSON.stringify(probabilities))).size).toBeGreaterThan(1);
  });

  it('an unknown family, which ends with the list of those that are known', async () => {
    const folder = join(scratch, 'stranger');
    cpSync(fixture('mpnet'), folder, { recursive: true });
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, model_type: 'xlm-roberta' }));
    const out = join(scratch, 'none');
    const result = await cli([
      'train',
      '--data',
      examplePapers,
      '--recipe',
      recipe,
      '--encoder',
      folder,
      '--out',
      out,
    ]);
    expect(result.exitCode).not.toBe(0);
    expect(result.stderr).toContain('model_type "xlm-roberta" is not one that is known');
    expect(result.stderr).toContain('bert, roberta, distilbert, mpnet');
  });
});
