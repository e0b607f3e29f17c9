import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import type { EngineModel, NativeAddon } from '../../src/native.js';
import { tinyModel } from './tiny-model.js';

const source = readFileSync(new URL('../../src/native.ts', import.meta.url), 'utf8');
const addon = createRequire(import.meta.url)('../../build/Release/arxiv_native.node') as NativeAddon;

/** The names of an interface's members, as src/native.ts states them. */
function members(name: string): string[] {
  const body = new RegExp(`export interface ${name} \\{\\n(.*?)\\n\\}`, 's').exec(source)![1]!;
  return [...body.matchAll(/^ {2}(\w+)[(:]/gm)].map(match => match[1]!).sort();
}

describe('the addon and src/native.ts state the same surface', () => {
  it('exports what NativeAddon says', () => {
    expect(Object.keys(addon).sort()).toEqual(members('NativeAddon'));
    expect(members('NativeAddon')).toContain('createModel');
  });

  it('gives models what EngineModel says', async () => {
    const model: EngineModel = await addon.createModel(tinyModel());
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(model));
    expect(names.filter(name => name !== 'constructor').sort()).toEqual(members('EngineModel'));
    model.dispose();
  });

  it('names the option that is missing or of the wrong type', () => {
    const beheaded = { ...tinyModel(), head: 'none' };
    expect(() => addon.createModel(beheaded as never)).toThrow('head: an object expected');
    const wrong = { ...tinyModel(), threads: 'two' };
    expect(() => addon.createModel(wrong as never)).toThrow('options.threads: a number expected');
  });

  it.each<[string, (options: ReturnType<typeof tinyModel>) => void]>([
    ['precision: one of fp32, bf16, fp16, int8 expected', o => Object.assign(o, { precision: 'fp64' })],
    ['threads: a number from 1 to 1024 expected', o => Object.assign(o, { threads: 100_000 })],
    [
      'encoder.attentionHeads: a divisor of hiddenSize expected',
      o => Object.assign(o.encoder, { attentionHeads: 5 }),
    ],
    [
      'encoder.hiddenDropout: a number from 0 to below 1 expected',
      o => Object.assign(o.encoder, { hiddenDropout: 1 }),
    ],
    ['encoder.padTokenId: a number from 0', o => Object.assign(o.encoder, { padTokenId: 100 })],
    [
      'encoder.relativeAttentionBuckets: 0, or a multiple of 4',
      o => Object.assign(o.encoder, { relativeAttentionBuckets: 30 }),
    ],
    ['encoder.positionOffset: a number from 0', o => Object.assign(o.encoder, { positionOffset: -5 })],
    [
      'head.type: one of cross-attention, concat, cls, mean expected',
      o => Object.assign(o.head, { type: 'mlp' }),
    ],
    [
      'head.attentionHeads: a divisor of encoder.hiddenSize',
      o => Object.assign(o.head, { attentionHeads: 3 }),
    ],
    ['head.dropout: one value for each of head.hidden', o => Object.assign(o.head, { dropout: [0.1] })],
    ['head.classes: a whole number above 0', o => Object.assign(o.head, { classes: 0 })],
    ['training.frozenLayers: a number from 0', o => Object.assign(o.training, { frozenLayers: 3 })],
    ['training.clipNorm: a number above 0', o => Object.assign(o.training, { clipNorm: -1 })],
    ['training.classWeights: one weight a class', o => Object.assign(o.training, { classWeights: [1, 2] })],
  ])('refuses what it cannot do: %s', async (message, change) => {
    const options = tinyModel();
    change(options);
    await expect(addon.createModel(options)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining(message),
    });
  });

  it('refuses fractions where it counts', () => {
    const options = tinyModel({ head: { ...tinyModel().head, hidden: [8.7, 4] } });
    expect(() => addon.createModel(options)).toThrow('head.hidden: an array of integers expected');
  });

  it('makes no models but through createModel', async () => {
    const model = await addon.createModel(tinyModel());
    const Model = Object.getPrototypeOf(model).constructor;
    expect(() => new Model()).toThrow('models come from createModel');
  });
});
