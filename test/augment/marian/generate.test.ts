import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate } from '../../../src/augment/marian/generate.js';
import { MarianModel } from '../../../src/augment/marian/model.js';
import { casesOf, fixture, generationOf, MODELS } from './fixtures.js';

describe.each(MODELS)('the model %s', name => {
  let model: MarianModel;
  beforeAll(async () => {
    model = await MarianModel.load(fixture(name), 1);
  });
  afterAll(() => model.close());

  it.each(casesOf(name).map(each => ({ ...each, title: JSON.stringify(each.settings) })))(
    "writes what transformers' generate does: $title",
    async ({ settings, inputs, outputs }) => {
      const generation = await generationOf(name, settings);
      const written = await generate(model, inputs, generation, 0);
      expect(written.map(({ ids }) => ids)).toEqual(outputs);
      // What was made to end, or stopped, is told from what ended.
      expect(written.map(({ isWhole }) => isWhole)).toEqual(
        outputs.map(ids => ids.length < generation.maxLength - 1),
      );
    },
  );

  it('writes the same for each sentence alone', async () => {
    for (const { settings, inputs, outputs } of casesOf(name).slice(0, 6)) {
      const generation = await generationOf(name, settings);
      for (const [i, input] of inputs.entries()) {
        const [alone] = await generate(model, [input], generation, 0);
        expect(alone!.ids).toEqual(outputs[i]);
      }
    }
  });
});

describe('sampling', () => {
  let model: MarianModel;
  beforeAll(async () => {
    model = await MarianModel.load(fixture('wide'), 1);
  });
  afterAll(() => model.close());
  const { inputs, outputs } = casesOf('wide').find(({ settings }) => settings.num_beams === 1)!;

  it('gives a sentence the same words for the same seed, whatever stands beside it', async () => {
    const generation = await generationOf('wide', { do_sample: true, temperature: 1.5 });
    const together = await generate(model, inputs, generation, 7);
    const apart = await Promise.all(
      inputs.map(async input => (await generate(model, [input], generation, 7))[0]!),
    );
    expect(apart).toEqual(together);
    expect(await generate(model, inputs, generation, 8)).not.toEqual(together);
  });

  it('comes to the most probable words as the temperature falls', async () => {
    const generation = await generationOf('wide', { do_sample: true, temperature: 1e-3 });
    expect((await generate(model, inputs, generation, 7)).map(({ ids }) => ids)).toEqual(outputs);
  });

  it('draws each token as often as its probability says', async () => {
    const [input] = inputs as [number[]];
    const decoder = await model.read([input], 1);
    const { start, banned } = model.generation;
    const logits = Array.from(await decoder.step([start]));
    for (const [token] of banned) logits[token!] = Number.NEGATIVE_INFINITY;
    const temperature = 2;
    const kept = logits
      .map((logit, token) => ({ token, weight: Math.exp(logit / temperature) }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, 5);
    const total = kept.reduce((sum, { weight }) => sum + weight, 0);

    const generation = await generationOf('wide', { do_sample: true, temperature, top_k: 5, max_length: 3 });
    const draws = 300;
    const counts = new Map<number, number>();
    for (let seed = 0; seed < draws; seed++) {
      const [drawn] = await generate(model, [input], generation, seed);
      const token = drawn!.ids[0]!;
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    expect(kept.map(({ token }) => token)).toEqual(expect.arrayContaining([...counts.keys()]));
    for (const { token, weight } of kept) {
      const share = weight / total;
      const spread = Math.sqrt((share * (1 - share)) / draws);
      expect(Math.abs((counts.get(token) ?? 0) / draws - share)).toBeLessThan(4 * spread);
    }
  });
});
