import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { byteLevelWords } from '../../src/text/byte-level.js';
import { Tokenizer } from '../../src/text/tokenizer.js';

const STYLES = ['uncased', 'cased', 'mpnet', 'roberta'] as const;
type Style = (typeof STYLES)[number];

interface Expected {
  lengths: number[];
  texts: ({ text: string; cut: number[][]; pair: Record<Style, string> } & Record<Style, number[]>)[];
  examples: Record<Style, Record<string, string>>;
}

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/tokenizer/${name}`, import.meta.url));
const expected: Expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8'));
const examples: { id: string; title: string; abstract: string }[] = readFileSync(
  new URL('../../examples/papers.jsonl', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map(line => JSON.parse(line));

const scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-parity-'));
const tokenizers = {} as Record<Style | 'vocab.json', Tokenizer>;
beforeAll(async () => {
  copyFileSync(fixture('vocab.txt'), join(scratch, 'vocab.txt'));
  tokenizers.uncased = await Tokenizer.open(scratch);
  writeFileSync(join(scratch, 'tokenizer_config.json'), '{"do_lower_case": false}');
  tokenizers.cased = await Tokenizer.open(scratch);

  const folder = (name: string, files: Record<string, string>) => {
    mkdirSync(join(scratch, name));
    for (const [file, content] of Object.entries(files)) writeFileSync(join(scratch, name, file), content);
    return join(scratch, name);
  };
  const vocabulary = readFileSync(fixture('vocab.txt'), 'utf8').split('\n');
  vocabulary.splice(0, 5, '<pad>', '[UNK]', '<s>', '</s>', '<mask>');
  tokenizers.mpnet = await Tokenizer.open(
    folder('mpnet', { 'vocab.txt': vocabulary.join('\n'), 'config.json': '{"model_type": "mpnet"}' }),
  );
  const roberta = readFileSync(fixture('roberta.json'), 'utf8');
  tokenizers.roberta = await Tokenizer.open(folder('roberta', { 'tokenizer.json': roberta }));
  const { vocab, merges } = (JSON.parse(roberta) as { model: { vocab: object; merges: string[][] } }).model;
  tokenizers['vocab.json'] = await Tokenizer.open(
    folder('bare', {
      'vocab.json': JSON.stringify(vocab),
      'merges.txt': ['#version: 0.2', ...merges.map(pair => pair.join(' ')), ''].join('\n'),
    }),
  );
});
afterAll(() => rmSync(scratch, { recursive: true }));

const digest = (ids: number[][]) =>
  createHash('sha256').update(JSON.stringify(ids)).digest('hex').slice(0, 16);

describe("the Rust tokenizer's ids", () => {
  it.each(expected.texts.map((entry, i) => ({ ...entry, i })))(
    'of $text',
    ({ text, cut, pair, i, ...ids }) => {
      const other = (expected.texts[i + 1] ?? expected.texts[3]!).text;
      for (const style of STYLES) {
        expect(tokenizers[style].encode(text, 1000), style).toEqual(ids[style]);
        expect(digest([tokenizers[style].encodeJoined(text, other, 2000)]), style).toBe(pair[style]);
      }
      expect(tokenizers['vocab.json'].encode(text, 1000)).toEqual(ids.roberta);
      expect(expected.lengths.map(length => tokenizers.uncased.encode(text, length))).toEqual(cut);
    },
  );

  it.each([...STYLES, 'vocab.json'] as const)('of every example paper, %s', name => {
    const tokenizer = tokenizers[name];
    const digests = examples.map(({ id, title, abstract }) => {
      const ids = [
        tokenizer.encode(title, 32),
        tokenizer.encode(abstract, 128),
        tokenizer.encodeJoined(title, abstract, 160),
      ];
      return [id, digest(ids)];
    });
    expect(Object.fromEntries(digests)).toEqual(expected.examples[name === 'vocab.json' ? 'roberta' : name]);
  });
});

/** Characters that every version of Unicode in use has. */
const settled = (code: number) =>
  code < 0x600 ||
  (code >= 0x1d00 && code < 0x1df0) ||
  (code >= 0x1e00 && code < 0x2e43) ||
  (code >= 0x3000 && code < 0xa000) ||
  (code >= 0xac00 && code < 0x10000) ||
  (code >= 0x1d400 && code < 0x1d800) ||
  (code >= 0x1f000 && code < 0x1fb00) ||
  code >= 0x20000;

describe("the Rust tokenizer's words", () => {
  /**
   * Each code point stands between two letters that nothing else becomes; the vocabulary has no other character, so
   * the ids tell its fate.
   */
  function fate(tokenizer: Tokenizer, code: number): string {
    const ids = tokenizer.encode(`ʗ${String.fromCodePoint(code)}ʘ`, 8).slice(1, -1);
    const [unknown, left, right, rightInside] = [1, 5, 6, 7];
    if (ids.length === 2 && ids[0] === left) {
      return ids[1] === rightInside ? 'removed' : ids[1] === right ? 'space' : '?';
    }
    if (ids.length === 3 && ids[0] === left && ids[2] === right) return 'alone';
    return ids.length === 1 && ids[0] === unknown ? 'inside' : '?';
  }

  it('around every character that its Unicode tables know', async () => {
    writeFileSync(join(scratch, 'vocab.txt'), '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nʗ\nʘ\n##ʘ\n');
    rmSync(join(scratch, 'tokenizer_config.json'));
    const tokenizer = await Tokenizer.open(scratch);
    const runs: [number, string][] = JSON.parse(readFileSync(fixture('unicode.json'), 'utf8'));
    const different: number[] = [];
    for (const [i, [start, kind]] of runs.entries()) {
      const end = runs[i + 1]?.[0] ?? 0x110000;
      for (let code = start; code < end; code++) {
        // Of the empty planes, a sixteenth.
        const skip = (code >= 0xd800 && code < 0xe000) || (code >= 0x32000 && code % 16 !== 0);
        if (!skip && code !== 0x298 && fate(tokenizer, code) !== kind) different.push(code);
      }
    }
    // The rest are characters of later versions of Unicode; Node's own version decides how many.
    expect(different.length).toBeLessThan(1000);
    expect(different.filter(settled).map(code => code.toString(16))).toEqual([]);
  });

  it('of byte-level BPE, with every character that its Unicode tables know', () => {
    const kindOf = (code: number): string => {
      const char = String.fromCodePoint(code);
      const words = byteLevelWords(`a${char}1${char}!${char}`, false);
      if ([...words[1]!].length === 3) return 'number';
      return words.length === 5 ? 'letter' : words.length === 4 ? 'other' : 'space';
    };
    const runs: [number, string][] = JSON.parse(readFileSync(fixture('byte-level.json'), 'utf8'));
    const different: number[] = [];
    for (const [i, [start, kind]] of runs.entries()) {
      const end = runs[i + 1]?.[0] ?? 0x110000;
      for (let code = start; code < end; code++) {
        const skip = (code >= 0xd800 && code < 0xe000) || (code >= 0x32000 && code % 16 !== 0);
        if (!skip && kindOf(code) !== kind) different.push(code);
      }
    }
    expect(different.length).toBeLessThan(1000);
    // The rest of the far planes are characters of later versions of Unicode.
    const known = different.filter(code => settled(code) && code < 0x20000);
    expect(known.map(code => code.toString(16))).toEqual([]);
  });
});
