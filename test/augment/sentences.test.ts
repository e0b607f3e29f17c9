import { describe, expect, it } from 'vitest';
import { splitSentences } from '../../src/augment/sentences.js';

describe('splitSentences', () => {
  it.each<[string, string[]]>([
    ['We propose X. It works!', ['We propose X.', 'It works!']],
    ['Vaswani et al. Proposed it. We agree.', ['Vaswani et al. Proposed it.', 'We agree.']],
    ['See Fig. 3 and Eq. (2). Then Sec. IV follows.', ['See Fig. 3 and Eq. (2).', 'Then Sec. IV follows.']],
    [
      'Models, e.g. BERT, i.e. Transformers, fail. Why? Data.',
      ['Models, e.g. BERT, i.e. Transformers, fail.', 'Why?', 'Data.'],
    ],
    ['It gains 3.5 points (p < 0.05. Good). Next.', ['It gains 3.5 points (p < 0.05. Good).', 'Next.']],
    [
      'We won :( sadly. One. Two. Three. Four (b. C). Five.',
      ['We won :( sadly. One. Two.', 'Three.', 'Four (b. C).', 'Five.'],
    ],
    ['GPT vs. Llama is a tie. Code: XQ1.', ['GPT vs. Llama is a tie.', 'Code: XQ1.']],
    ['One sentence without an end', ['One sentence without an end']],
    ['', []],
  ])('%s', (text, sentences) => {
    expect(splitSentences(text)).toEqual(sentences);
    expect(splitSentences(text).join(' ')).toBe(text);
  });
});
