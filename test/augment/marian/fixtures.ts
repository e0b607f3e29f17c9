import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Generation, readMarianConfig } from '../../../src/augment/marian/generation.js';
import { root } from '../../support/cli.js';

export const MODELS = ['even', 'uneven', 'wide'];

/** What generate_marian.py kept of one batch. */
export interface Case {
  /** What differs from the model's generation_config.json, by transformers' names. */
  settings: Record<string, unknown>;
  inputs: number[][];
  /** With the end token, without the start token. */
  outputs: number[][];
}

export function fixture(name: string): string {
  return join(root, 'test/fixtures/marian', name);
}

export function casesOf(name: string): Case[] {
  return JSON.parse(readFileSync(join(fixture(name), 'cases.json'), 'utf8'));
}

export function scratch(): string {
  return mkdtempSync(join(tmpdir(), 'marian-'));
}

/** What a model's own files say once these settings are written into them. */
export async function generationOf(name: string, settings: Record<string, unknown>): Promise<Generation> {
  const folder = scratch();
  copyModel(name, folder, settings, ['config.json', 'generation_config.json']);
  return (await readMarianConfig(folder)).generation;
}

/** Copies a model's files and changes its generation_config.json. */
export function copyModel(
  name: string,
  folder: string,
  settings: Record<string, unknown> = {},
  files?: string[],
): void {
  mkdirSync(folder, { recursive: true });
  if (files === undefined) cpSync(fixture(name), folder, { recursive: true });
  else for (const file of files) cpSync(join(fixture(name), file), join(folder, file));
  const path = join(folder, 'generation_config.json');
  const own = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...own, ...settings }));
}
