import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, examplePapers } from '../support/cli.js';

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-describe-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** An empty cache, and a Hub that nobody answers for. */
const env = { HF_HUB_CACHE: join(scratch, 'cache'), HF_ENDPOINT: 'http://127.0.0.1:9' };
const run = (...args: string[]) => cli(['describe', ...args], { env });

/** A folder of which nothing but the vocabulary is there. */
const encoder = mkdtempSync(join(scratch, 'encoder-'));
beforeAll(() => {
  const pieces = [...'abcdefghijklmnopqrstuvwxyz'].flatMap(letter => [letter, `##${letter}`]);
  const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', ...pieces];
  writeFileSync(join(encoder, 'vocab.txt'), `${vocabulary.join('\n')}\n`);
});

describe('describe', () => {
  const read = readFileSync(examplePapers, 'utf8').trim().split('\n').length;

  it('prints tables that fit 80 columns', async () => {
    const { exitCode, stdout, stderr } = await run(examplePapers, '--encoder', encoder);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines.filter(line => line.length > 80)).toEqual([examplePapers].filter(line => line.length > 80));
    for (const title of ['Classes', 'Lengths', 'What truncation cuts', 'Dates', 'Examples']) {
      expect(lines).toContain(title);
    }
    expect(stdout).toContain(`${read}  read`);
    expect(stdout).toMatch(/^ {2}abstract, tokens +\d/m);
  });

  it('prints one JSON document, the same as of the prepared folder', async () => {
    const { exitCode, stdout } = await run(examplePapers, '--json', '--seed', '7', '--max-joined', '40');
    expect(exitCode).toBe(0);
    const found = JSON.parse(stdout);
    expect(Object.keys(found)).toEqual([
      'source',
      'seed',
      'fingerprint',
      'labels',
      'papers',
      'rule',
      'counts',
      'leaks',
      'missing',
      'words',
      'tokens',
      'overlap',
      'dates',
      'distinctiveWords',
      'examples',
    ]);
    expect(found.counts.read).toBe(read);
    const folder = join(scratch, 'data');
    await cli(['prepare', examplePapers, '--out', folder, '--seed', '7']);
    const prepared = JSON.parse((await run(folder, '--json', '--seed', '7')).stdout);
    // The option chooses the examples; the split's seed is the folder's own.
    const other = JSON.parse((await run(folder, '--json', '--seed', '3')).stdout);
    expect(other.seed).toBe(7);
    expect(other.examples).not.toEqual(prepared.examples);
    expect((await run(folder, '--seed', '3')).stdout).toContain('Seed 7, fingerprint');
    expect(prepared).toMatchObject({ papers: found.papers, words: found.words, leaks: found.leaks });
    expect(prepared.fingerprint).toBe(found.fingerprint);
  });

  it("takes lengths from the recipe or the call, and the tokenizer from the recipe's encoder if it is there", async () => {
    const truncation = async (...args: string[]) => {
      const { stdout, stderr } = await run(examplePapers, '--json', '--encoder', encoder, ...args);
      if (stderr !== '') throw new Error(stderr);
      return JSON.parse(stdout).tokens.truncation.map((cut: { limit: number }) => cut.limit);
    };
    expect(await truncation()).toEqual([256]);
    expect(await truncation('--recipe', 'v5.0', '--max-title', '9')).toEqual([9, 128]);
    expect(await truncation('--recipe', 'light')).toEqual([160]);
    expect(JSON.parse((await run(examplePapers, '--json')).stdout).tokens.encoder).toBe('arxiv-small');
    const { stdout } = await run(examplePapers, '--recipe', 'v5.0');
    expect(stdout).toContain('Tokens are not counted: the tokenizer of');
    expect(stdout).toContain('--encoder FOLDER|HUB-ID names a tokenizer');
  });

  it('writes a page, and replaces it only with --force', async () => {
    const page = join(scratch, 'page.html');
    const first = await run(examplePapers, '--encoder', encoder, '--html', page, '--json');
    expect(first).toMatchObject({ exitCode: 0, stderr: `page: ${page}\n` });
    expect(JSON.parse(first.stdout).source).toBe(examplePapers);
    const written = readFileSync(page, 'utf8');
    expect(written).toMatch(/^<!doctype html>[\s\S]*<svg [\s\S]*<\/html>\n$/);
    expect(written).not.toContain(scratch);
    writeFileSync(page, 'mine');
    const refused = await run(examplePapers, '--html', page);
    expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
    expect(refused.stderr).toContain('page.html exists already');
    expect(readFileSync(page, 'utf8')).toBe('mine');
    expect((await run(examplePapers, '--encoder', encoder, '--html', page, '--force')).exitCode).toBe(0);
    expect(readFileSync(page, 'utf8')).toBe(written);
  });

  it('never writes the page over what it reads, nor leaves one where it fails', async () => {
    const data = join(scratch, 'own.jsonl');
    writeFileSync(data, readFileSync(examplePapers));
    const refused = await run(data, '--html', data, '--force');
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('is the input');
    expect(statSync(data).size).toBe(statSync(examplePapers).size);
    writeFileSync(data, '{"title": 1}\n');
    expect((await run(data, '--html', join(scratch, 'none.html'))).exitCode).toBe(2);
    expect(existsSync(join(scratch, 'none.html'))).toBe(false);
  });

  it.each<[string, string[], string]>([
    ['a missing file', ['no-such.jsonl'], 'no-such.jsonl: no such file'],
    ['an unknown recipe', [examplePapers, '--recipe', 'v9'], 'there is no recipe "v9"'],
    ['lengths that are none', [examplePapers, '--max-title', 'x'], 'It must be a number'],
    ['an encoder that is none', [examplePapers, '--encoder', './none'], 'encoder ./none: no such folder'],
    ['no data', [], "missing required argument 'data'"],
  ])('refuses %s', async (_, args, message) => {
    const { exitCode, stderr, stdout } = await run(...args);
    expect(stderr).toContain(message);
    expect(stdout).toBe('');
    expect(exitCode).toBe(message.startsWith('encoder') ? 1 : 2);
  });

  it('tells errors in JSON where JSON is asked for', async () => {
    const one = join(scratch, 'one.jsonl');
    writeFileSync(one, '{"title": "A", "abstract": "b", "category": "cs.AI"}\n');
    const { exitCode, stdout } = await run(one, '--json');
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'BAD_INPUT' });
  });
});
