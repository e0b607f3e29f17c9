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
    const { head: _, ...headless } = tinyModel();
    expect(() => addon.createModel(headless as never)).toThrow('head: an object expected');
    const wrong = { ...tinyModel(), threads: 'two' };
    expect(() => addon.createModel(wrong as never)).toThrow('options.threads: a number expected');
  });

  it('makes no models but through createModel', async () => {
    const model = await addon.createModel(tinyModel());
    const Model = Object.getPrototypeOf(model).constructor;
    expect(() => new Model()).toThrow('models come from createModel');
  });
});
