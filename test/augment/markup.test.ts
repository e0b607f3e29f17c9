import { describe, expect, it } from 'vitest';
import { hasWords, protectMarkup } from '../../src/augment/markup.js';

describe('protectMarkup', () => {
  it.each([
    ['a bound of $O(n \\log n)$ holds', 'a bound of XQ1 holds'],
    ['as in \\cite{vaswani2017} and \\emph{all \\textbf{of} it}.', 'as in XQ1 and XQ2.'],
    ['K$^2$-PEBench reaches $\\sim$98\\% (see $$a. B$$)', 'XQ1-PEBench reaches XQ2 (see XQ3)'],
    ['code: https://a.org/b_c?d=1. Mail me@x-y.org, or www.z.org/a.', 'code: XQ1. Mail XQ2, or XQ3.'],
    ['\\(x. Y\\) and \\[z\\]', 'XQ1 and XQ2'],
    ['costs $5 and no more', 'costs $5 and no more'],
    ['XQ1 is ours, $x$ is not', 'XQ1 is ours, XQ2 is not'],
  ])('%s', (original, expected) => {
    const { text, restore } = protectMarkup(original);
    expect(text).toBe(expected);
    expect(restore(text)).toBe(original);
  });

  it('takes a translation in which a piece was lost, doubled or invented for none', () => {
    const { restore } = protectMarkup('from $a$ to $b$');
    expect(restore('de XQ2 a XQ1')).toBe('de $b$ a $a$');
    expect(restore('de XQ1')).toBeUndefined();
    expect(restore('de XQ1 a XQ2 a XQ2')).toBeUndefined();
    expect(restore('de XQ1 a XQ2 y XQ3')).toBeUndefined();
    expect(restore('de XQ12')).toBeUndefined();
  });

  it('ends on a text that opens and never closes, and on a word of thousands of letters', () => {
    const text = `${'\\a{'.repeat(2000)}${'$'.repeat(2001)}${'\\('.repeat(2000)} ${'acgt'.repeat(1000)}`;
    const startedAt = performance.now();
    const { text: masked, restore } = protectMarkup(text);
    expect(restore(masked)).toBe(text);
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });
});

it('knows a text with words from one of placeholders and numbers', () => {
  expect(hasWords('XQ1, XQ22; 3.5 %')).toBe(false);
  expect(hasWords('XQ1 é')).toBe(true);
});
