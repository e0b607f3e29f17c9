import { describe, expect, it } from 'vitest';
import { distinctiveWords } from '../../src/evaluate/distinctive-words.js';

/** `count` papers of a class with the same text. */
const times = (count: number, text: string, label: number) =>
  Array.from({ length: count }, () => ({ text, label }));

describe('distinctive words', () => {
  const papers = [
    ...times(30, 'The image, the IMAGE of a scene', 0),
    ...times(10, 'The scene', 0),
    ...times(38, 'The language of a scene', 1),
    ...times(2, 'the image', 1),
  ];

  it('are those that a class has more often than the others, counted once a paper, without case', () => {
    const [vision, text] = distinctiveWords(papers, 2, 5);
    expect(vision).toEqual([{ word: 'image', share: 30 / 40, elsewhere: 2 / 40 }]);
    expect(text!.map(({ word }) => word)).toEqual(['language', 'of']);
    expect(text![0]).toEqual({ word: 'language', share: 38 / 40, elsewhere: 0 });
  });

  it('are ranked by the log odds ratio over its standard error', () => {
    // In 9 of 40 papers and in none elsewhere, against 30 and 2: the second is surer, though the first is purer.
    const rare = [...times(9, 'rare', 0), ...times(31, 'x1', 0), ...times(40, 'x2', 1)];
    const both = papers.map(({ text, label }, i) => ({ text: `${text} ${rare[i]!.text}`, label }));
    const z = (a: number, b: number, c: number, d: number) =>
      Math.log(((a + 0.5) * (d + 0.5)) / ((b + 0.5) * (c + 0.5))) /
      Math.sqrt([a, b, c, d].reduce((sum, n) => sum + 1 / (n + 0.5), 0));
    const scores = { image: z(30, 10, 2, 38), rare: z(9, 31, 0, 40), x1: z(31, 9, 0, 40) };
    const expected = Object.entries(scores).sort(([, a], [, b]) => b - a);
    expect(distinctiveWords(both, 2, 3)[0]!.map(({ word }) => word)).toEqual(expected.map(([word]) => word));
    expect(scores.rare).toBeGreaterThan(2);
  });

  it('are words of two characters or more, with their hyphens, in any script', () => {
    const found = distinctiveWords(
      [...times(20, 'a state-of-the-art– Überblick 学习 -x-1 3D', 0), ...times(20, 'b', 1)],
      2,
      9,
    );
    expect(found[0]!.map(({ word }) => word).sort()).toEqual([
      'state-of-the-art',
      'x-1',
      'überblick',
      '学习',
    ]);
    expect(found[1]).toEqual([]);
  });

  it('are not there where a class has none', () => {
    expect(distinctiveWords([...times(3, 'the same', 0), ...times(3, 'the same', 1)], 2, 5)).toEqual([
      [],
      [],
    ]);
  });
});
