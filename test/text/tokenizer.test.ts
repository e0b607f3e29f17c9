import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArxivNativeError } from '../../src/errors.js';
import { packPapers } from '../../src/text/pack.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import type { TokenizerFiles, TokenizerJson } from '../../src/text/tokenizer-files.js';

const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const papers: { title: string; abstract: string }[] = readFileSync(root('examples/papers.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line));
const texts = papers.flatMap(({ title, abstract }) => [title, abstract]);
const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-tokenizer-'));
});
afterEach(() => rmSync(scratch, { recursive: true }));

const write = (name: string, content: string | Uint8Array) => writeFileSync(join(scratch, name), content);
const writeVocabulary = (...tokens: string[]) =>
  write('vocab.txt', tokens.map(token => `${token}\n`).join(''));

function save(tokenizer: Tokenizer, change: (json: TokenizerJson) => void = () => {}): void {
  const { tokenizer: json, config } = structuredClone(tokenizer.toJSON()) as TokenizerFiles;
  change(json);
  write('tokenizer.json', JSON.stringify(json));
  write('tokenizer_config.json', JSON.stringify(config));
}

async function refusal(): Promise<string> {
  const error = await Tokenizer.open(scratch).catch(error => error);
  expect(error).toBeInstanceOf(ArxivNativeError);
  expect(error.code).toBe('BAD_MODEL');
  return error.message.replaceAll(scratch, 'DIR');
}

describe('encode', () => {
  const tokenizer = Tokenizer.train(texts, 2000);
  const [cls, sep] = [2, 3];

  it('keeps [CLS] and [SEP] at every length', () => {
    const full = tokenizer.encode(texts[1]!, 512);
    for (const length of [2, 3, 17, 64, full.length - 1, full.length, full.length + 1]) {
      const ids = tokenizer.encode(texts[1]!, length);
      expect(ids).toEqual([...full.slice(0, Math.min(length, full.length) - 1), sep]);
      expect(ids[0]).toBe(cls);
    }
  });

  it('refuses a length that cannot hold them', () => {
    expect(() => tokenizer.encode('text', 1)).toThrow('a length of 1 tokens; [CLS] and [SEP] alone need 2');
  });

  it('gives [CLS] [SEP] for empty text', () => {
    expect(tokenizer.encode('', 32)).toEqual([cls, sep]);
    expect(tokenizer.encode(' \u200b ', 32)).toEqual([cls, sep]);
    expect(tokenizer.encodeJoined('', '', 32)).toEqual([cls, sep, sep]);
  });

  it('joins title and abstract by [SEP]', () => {
    const { title, abstract } = papers[0]!;
    const joined = [...tokenizer.encode(title, 512), ...tokenizer.encode(abstract, 512).slice(1)];
    expect(tokenizer.encodeJoined(title, abstract, 512)).toEqual(joined);
    expect(tokenizer.encodeJoined(title, abstract, 20)).toEqual([...joined.slice(0, 19), sep]);
  });

  it('reads only the beginning of a long text, with the ids of the whole', () => {
    const long = [
      texts.join(' '),
      texts.join('   '),
      `${'x'.repeat(5000)} ${texts.join(' ')}`,
      `${texts[1]} ${'y'.repeat(300)} `.repeat(40),
      ' '.repeat(3000) + texts.join(' '),
      `${'\u0301'.repeat(500)} ${'a \u0301'.repeat(500)}`,
      '[SEP] '.repeat(1000),
      `${'\0'.repeat(4000)} ${texts[1]}`,
      'ΣΑΣ Σ '.repeat(500),
      '大規模 言語 '.repeat(500),
    ];
    for (const text of long) {
      const whole = tokenizer.encode(text, 1_000_000).slice(0, -1);
      for (const length of [3, 10, 32, 128, 512]) {
        expect(tokenizer.encode(text, length)).toEqual([...whole.slice(0, length - 1), sep]);
      }
    }
  });

  it('takes no longer for 2 MB than for a page', () => {
    const long = `${texts.join(' ')} `.repeat(20);
    expect(long.length).toBeGreaterThan(2_000_000);
    const start = performance.now();
    for (let i = 0; i < 200; i++) tokenizer.encode(long, 128);
    // Read whole, each would take a tenth of a second or more.
    expect((performance.now() - start) / 200).toBeLessThan(20);
  });

  it('forgets no word when its cache is full', () => {
    const small = Tokenizer.train(['abc'], 20);
    const before = small.encode('abc cab', 16);
    for (let i = 0; i < 100_100; i++) small.encode(`w${i}`, 8);
    expect(small.encode('abc cab', 16)).toEqual(before);
  });
});

describe('byte-level BPE', () => {
  const folder = root('test/fixtures/tokenizer');
  let tokenizer: Tokenizer;
  beforeEach(async () => {
    copyFileSync(join(folder, 'roberta.json'), join(scratch, 'tokenizer.json'));
    tokenizer = await Tokenizer.open(scratch);
  });

  it('reads only the beginning of a long text, with the ids of the whole', () => {
    const long = [
      texts.join(' '),
      texts.join('   '),
      texts.join('\n\n  \n '),
      ' '.repeat(3000) + texts.join(' '),
      `${texts[1]}   `.repeat(40),
      '<mask>   '.repeat(500),
      'a   <mask> b '.repeat(500),
      '</s> x  '.repeat(1000),
      '大規模 言語 '.repeat(500),
    ];
    for (const text of long) {
      const whole = tokenizer.encode(text, 1_000_000).slice(0, -1);
      for (const length of [3, 10, 32, 128, 512]) {
        expect(tokenizer.encode(text, length)).toEqual([...whole.slice(0, length - 1), 2]);
      }
    }
  });

  it('keeps <s> and </s> at every length of a pair', () => {
    const { title, abstract } = papers[0]!;
    const full = tokenizer.encodeJoined(title, abstract, 1000);
    for (let length = 2; length <= full.length; length++) {
      const ids = [...full.slice(0, length - 1), 2];
      expect(tokenizer.encodeJoined(title, abstract, length)).toEqual(ids);
    }
  });

  it('takes time in proportion to a word or a run of spaces, however long', () => {
    const start = performance.now();
    for (const text of ['xyz'.repeat(30_000), '\n'.repeat(100_000)]) {
      expect(tokenizer.encode(text, 128)).toHaveLength(128);
    }
    // Were each place tried to the end of the run, it would be a minute.
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  it('gives the same ids from what toJSON saved', async () => {
    save(tokenizer);
    const opened = await Tokenizer.open(scratch);
    expect(opened.padTokenId).toBe(1);
    for (const text of texts) expect(opened.encode(text, 512)).toEqual(tokenizer.encode(text, 512));
  });

  it('puts a space before a text where tokenizer_config.json says so', async () => {
    write('tokenizer_config.json', '{"add_prefix_space": true}');
    const prefixed = await Tokenizer.open(scratch);
    expect(prefixed.encode('word', 16)).toEqual(tokenizer.encode(' word', 16));
    expect(prefixed.encode('word', 16)).not.toEqual(tokenizer.encode('word', 16));
  });

  it('passes over bytes that its vocabulary lacks', async () => {
    rmSync(join(scratch, 'tokenizer.json'));
    const vocabulary = ['<s>', '<pad>', '</s>', '<unk>', 'a', 'b', 'ab'];
    write('vocab.json', JSON.stringify(Object.fromEntries(vocabulary.map((token, id) => [token, id]))));
    write('merges.txt', '#version: 0.2\na b\n');
    expect((await Tokenizer.open(scratch)).encode('ab axb é b', 16)).toEqual([0, 6, 6, 5, 2]);
  });

  it.each<[string, string, string]>([
    ['merges.txt', 'a b\na c\n', 'DIR/merges.txt:2: "a c" joins no two tokens of vocab.json'],
    ['merges.txt', 'a b ab\n', 'DIR/merges.txt:1: "a b ab" joins no two tokens of vocab.json'],
    ['vocab.json', '{"a": 0, "b": 1, "ab": 2}', 'DIR/vocab.json: no <pad>, the pad token'],
    ['vocab.json', '{"a": -1}', 'DIR/vocab.json: the id of "a" is -1'],
    ['vocab.json', '[]', 'DIR/vocab.json: expected a JSON object'],
  ])('refuses a bad %s', async (name, content, message) => {
    rmSync(join(scratch, 'tokenizer.json'));
    write('vocab.json', '{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "ab": 6}');
    write('merges.txt', 'a b\n');
    write(name, content);
    expect(await refusal()).toBe(message);
  });

  it.each<[string, (json: TokenizerJson) => void, string]>([
    [
      'words of another kind',
      json => Object.assign(json, { pre_tokenizer: { type: 'Whitespace' } }),
      'DIR/tokenizer.json: BPE that is not byte-level is not supported',
    ],
    ['no merges', json => delete json.model.merges, 'DIR/tokenizer.json: "model" has no "merges"'],
    [
      'an unknown token that is none',
      json => Object.assign(json.model, { unk_token: '<nothing>' }),
      'DIR/tokenizer.json: the unknown token "<nothing>" is not in the vocabulary',
    ],
  ])('refuses a tokenizer.json with %s', async (_name, change, message) => {
    save(tokenizer, change);
    expect(await refusal()).toBe(message);
  });
});

describe('train', () => {
  it('depends on the texts alone, and on their counts rather than their order', () => {
    const json = JSON.stringify(Tokenizer.train(texts, 800).toJSON());
    expect(JSON.stringify(Tokenizer.train([...texts].reverse(), 800).toJSON())).toBe(json);
  });

  it('fills the vocabulary, and spells every word of its texts', () => {
    const tokenizer = Tokenizer.train(texts, 800);
    expect(tokenizer.vocabSize).toBe(800);
    expect(tokenizer.padTokenId).toBe(0);
    expect(texts.filter(text => tokenizer.encode(text, 10_000).includes(1))).toEqual([]);
  });

  it('joins the most frequent neighbours first', () => {
    const vocabulary = (size: number) => {
      const { model } = Tokenizer.train(['low low low lower lowest new'], size).toJSON()
        .tokenizer as TokenizerJson;
      return Object.keys(model.vocab).slice(SPECIAL.length);
    };
    const characters = ['##e', '##o', '##r', '##s', '##t', '##w', 'l', 'n'];
    // "l ##o" and "##o ##w" both occur 5 times, and the latter sorts first; then "l ##ow" 5 times, "low ##e" twice.
    expect(vocabulary(13)).toEqual(characters);
    expect(vocabulary(16)).toEqual([...characters, '##ow', 'low', 'lowe']);
  });

  it('stops where nothing is left to join, and drops the rarest characters of a tiny vocabulary', () => {
    expect(Tokenizer.train(['ab ab'], 1000).vocabSize).toBe(8);
    const tiny = Tokenizer.train(['a a a b b c'], 7);
    expect(tiny.encode('a b c', 8)).toEqual([2, 5, 6, 1, 3]);
  });
});

describe('open', () => {
  it('gives the same ids from what toJSON saved', async () => {
    const trained = Tokenizer.train(texts, 1500);
    save(trained);
    const opened = await Tokenizer.open(scratch);
    expect(opened.vocabSize).toBe(trained.vocabSize);
    for (const text of [...texts, '[SEP] naïve 大 [MASK]']) {
      expect(opened.encode(text, 512)).toEqual(trained.encode(text, 512));
    }
    expect(opened.toJSON()).toEqual(trained.toJSON());
  });

  it("lets no truncation or padding of the file's own through", async () => {
    const trained = Tokenizer.train(texts, 300);
    save(trained, json => {
      Object.assign(json, {
        truncation: { max_length: 8, strategy: 'LongestFirst', stride: 0 },
        padding: { strategy: { Fixed: 128 }, pad_id: 0, pad_token: '[PAD]' },
      });
    });
    const opened = await Tokenizer.open(scratch);
    expect(opened.encode(texts[1]!, 512)).toEqual(trained.encode(texts[1]!, 512));
    expect(opened.encode('a', 512)).toHaveLength(3);
    expect(opened.toJSON().tokenizer).toMatchObject({ truncation: null, padding: null });
  });

  it('lower-cases as tokenizer_config.json says, else as tokenizer.json, else for a bare vocab.txt', async () => {
    writeVocabulary(...SPECIAL, 'word', 'Word');
    const id = async () => (await Tokenizer.open(scratch)).encode('Word', 8)[1];
    expect(await id()).toBe(5);
    write('tokenizer_config.json', '{"do_lower_case": false}');
    expect(await id()).toBe(6);
    save(await Tokenizer.open(scratch));
    write('tokenizer_config.json', '{}');
    expect(await id()).toBe(6);
    write('tokenizer_config.json', '{"do_lower_case": true}');
    expect(await id()).toBe(5);
  });

  it('reads a vocab.txt with Windows line ends and special tokens of other names', async () => {
    write('vocab.txt', ['<pad>', '<s>', '</s>', '<unk>', 'word'].join('\r\n'));
    const config = {
      pad_token: '<pad>',
      cls_token: { content: '<s>' },
      sep_token: '</s>',
      unk_token: '<unk>',
    };
    write('tokenizer_config.json', JSON.stringify(config));
    const tokenizer = await Tokenizer.open(scratch);
    expect(tokenizer.encode('word </s> other', 8)).toEqual([1, 4, 2, 3, 2]);
    expect(tokenizer.encodeJoined('word', 'word', 8)).toEqual([1, 4, 2, 4, 2]);
    expect(tokenizer.padTokenId).toBe(0);
  });

  it('finds added tokens: the longest of those that begin together, with the space they take', async () => {
    save(Tokenizer.train(['a b c'], 20), json => {
      json.added_tokens.push({ id: 20, content: '<x>', special: true, lstrip: true, rstrip: true });
      json.added_tokens.push({ id: 21, content: '<x><y>', special: true });
      json.added_tokens.push({ id: 22, content: 'Deep+', special: false, normalized: true });
    });
    const tokenizer = await Tokenizer.open(scratch);
    expect(tokenizer.vocabSize).toBe(23);
    expect(tokenizer.encode('a <x> b<x><y>c DEEP+', 16)).toEqual([2, 5, 20, 6, 21, 7, 22, 3]);
  });

  it.skipIf(!existsSync(root('../shared/models/minilm-l6')))(
    "reads a real encoder's tokenizer.json (skipped where ../shared is absent)",
    async () => {
      const tokenizer = await Tokenizer.open(root('../shared/models/minilm-l6'));
      expect(tokenizer.vocabSize).toBe(30522);
      // "hello world" in BERT's uncased vocabulary.
      expect(tokenizer.encode('Hello world', 8)).toEqual([101, 7592, 2088, 102]);
      expect(tokenizer.encode(texts[1]!, 512).length).toBeGreaterThan(60);
    },
  );
});

describe('open refuses', () => {
  it('a folder without a tokenizer', async () => {
    expect(await refusal()).toBe('DIR: no tokenizer.json, no vocab.txt, and no vocab.json with merges.txt');
  });

  it.each([
    ['not JSON', '{"model": {', /^DIR\/tokenizer\.json: not JSON \(.+\)$/],
    ['no object', '[]', /^DIR\/tokenizer\.json: expected a JSON object$/],
    ['no model', '{}', /^DIR\/tokenizer\.json: no "model"$/],
    [
      'another type',
      '{"model": {"type": "Unigram"}}',
      /tokenizers of type Unigram are not supported; expected WordPiece or byte-level BPE$/,
    ],
    ['no vocabulary', '{"model": {"type": "WordPiece"}}', /tokenizer\.json: "model" has no "vocab"$/],
  ])('a tokenizer.json with %s', async (_name, content, message) => {
    write('tokenizer.json', content);
    expect(await refusal()).toMatch(message);
  });

  it.each<[string, (json: TokenizerJson) => void, string]>([
    [
      'a bad id',
      json => Object.assign(json.model.vocab, { '[MASK]': 'x' }),
      'DIR/tokenizer.json: the id of "[MASK]" is "x"',
    ],
    [
      'no unknown token',
      json => delete json.model.vocab['[UNK]'],
      'DIR/tokenizer.json: the unknown token "[UNK]" is not in the vocabulary',
    ],
    [
      'no template',
      json => Object.assign(json, { post_processor: null }),
      'DIR: expected one token before a text and one after ([CLS] … [SEP]), found 0',
    ],
    [
      'no separator',
      json => {
        delete json.model.vocab['[SEP]'];
        json.added_tokens = [];
      },
      'DIR: no [SEP], the separator token',
    ],
    [
      'no padding token',
      json => {
        delete json.model.vocab['[PAD]'];
        json.added_tokens = [];
      },
      'DIR: no [PAD], the padding token',
    ],
    [
      'a token of single words',
      json => json.added_tokens.push({ id: 9, content: 'x', single_word: true }),
      'DIR/tokenizer.json: the added token {"id":9,"content":"x","single_word":true} is not supported',
    ],
  ])('a tokenizer.json with %s', async (_name, change, message) => {
    save(Tokenizer.train(['a b'], 20), change);
    expect(await refusal()).toBe(message);
  });

  it('a pre-tokenizer that does not exist', async () => {
    save(Tokenizer.train(['a b'], 20), json => Object.assign(json, { pre_tokenizer: { type: 'Psychic' } }));
    expect(await refusal()).toMatch(/^DIR: not a usable tokenizer \(.*Psychic/);
  });

  it('a vocab.txt with a token twice, without a special token, or in another encoding', async () => {
    writeVocabulary(...SPECIAL, 'word', 'other', 'word');
    expect(await refusal()).toBe('DIR/vocab.txt:8: "word" stands on line 6 too');
    writeVocabulary('[PAD]', '[UNK]', '[CLS]', 'word');
    expect(await refusal()).toBe('DIR/vocab.txt: no [SEP], the sep token');
    write('vocab.txt', Buffer.from('caf\xe9\n', 'latin1'));
    expect(await refusal()).toBe('DIR/vocab.txt: not UTF-8');
  });

  it('a broken tokenizer_config.json', async () => {
    writeVocabulary(...SPECIAL);
    write('tokenizer_config.json', '{');
    expect(await refusal()).toMatch(/^DIR\/tokenizer_config\.json: not JSON/);
  });
});

describe('packPapers', () => {
  const tokenizer = Tokenizer.train(texts, 500);

  it('lays title and abstract of each paper end to end', () => {
    const batch = [papers[0]!, { title: '', abstract: '' }, papers[1]!];
    const { ids, offsets } = packPapers(tokenizer, batch, { title: 12, abstract: 40 });
    const sequences = batch.flatMap(({ title, abstract }) => [
      tokenizer.encode(title, 12),
      tokenizer.encode(abstract, 40),
    ]);
    expect([...offsets]).toEqual([0, ...sequences.map((_, i) => sequences.slice(0, i + 1).flat().length)]);
    expect([...ids]).toEqual(sequences.flat());
  });

  it('lays joined sequences end to end, and gives an empty batch for no papers', () => {
    const { ids, offsets } = packPapers(tokenizer, papers.slice(0, 2), { joined: 30 });
    expect([...offsets]).toEqual([0, 30, 60]);
    expect([...ids.subarray(30)]).toEqual(tokenizer.encodeJoined(papers[1]!.title, papers[1]!.abstract, 30));
    expect(packPapers(tokenizer, [], { joined: 30 })).toEqual({
      ids: new Int32Array(0),
      offsets: new Int32Array(1),
    });
  });
});
