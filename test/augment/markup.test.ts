import { describe, expect, it } from 'vitest';
import { hasWords, protectMarkup } from '../../src/augment/markup.js';

describe('protectMarkup', () => {
  it.each([
    ['a bound of $O(n \\log n)$ holds', 'a bound of XQ1 holds'],
    ['as in \\cite{vaswani2017} and \\emph{all \\textbf{of} it}.', 'as in XQ1 and XQ2.'],
    ['K$^2$-PEBench reaches $\\sim$98\\% (see $$a. B$$)', 'XQ1-PEBench reaches XQ2 (see XQ3)'],
    ['code: https://a.org/b_c?d=1. Mail me@x-y.org, or www.z.org/a.', 'code: XQ1. Mail XQ2, or XQ3.'],
    ['\\(x. Y\\) and \\[z\\]', 'XQ1 and XQ2'],
    ['in github.com/a/b-c, doi.org/10.1/x_y.', 'in XQ1, XQ2.'],
    ['(arxiv.org/abs/2506.00019v2) and/or e.g./i.e. U.S./EU', '(XQ1) and/or e.g./i.e. U.S./EU'],
    ['by \\begin{equation*} a = b. C \\end{equation*} and', 'by XQ1 and'],
    ['\\begin{align}a \\end{math} \\end{align}.', 'XQ1.'],
    ['\\begin{itemize} We show \\end{itemize}', 'XQ1 We show XQ2'],
    ['from 1,234.5\\% to 30.7\\%, 2.$x$', 'from XQ1 to XQ2, 2.XQ3'],
    ['at M(R)^{-1}, (10^{-16}) and O(n^3).', 'at XQ1, XQ2 and XQ3.'],
    ['6{,}000 of "H_2O" (where C_η is x_1).', 'XQ1 of "XQ2" (where XQ3 is XQ4).'],
    ['an error \\(x y\\)_{k}^2 in \\textbf{a}_b; ^', 'an error XQ3 in XQ2; XQ4'],
    ['an A* search, *always*, for C*-algebras', 'an XQ1 search, XQ2, for XQ3'],
    ['HTTPS://A.org/b, WWW.z.org/C.', 'XQ1, XQ2.'],
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

  it.each([
    ['\\a[', ' x'.repeat(200), ']'],
    ['\\(', ' x'.repeat(1000), '\\)'],
    ['\\[', ' x'.repeat(1000), '\\]'],
    ['\\begin{align}', ' x'.repeat(2000), '\\end{align}'],
  ])('looks for the end of %s so far and no further', (begin, body, end) => {
    const { text } = protectMarkup(`We see ${begin}${body}. ${end} here`);
    expect(text.includes(body)).toBe(true);
    expect(protectMarkup(`We see ${begin}x${end} here`).text).toBe('We see XQ1 here');
  });

  it('looks for the beginning of a mail address so far and no further', () => {
    const { text } = protectMarkup(`${'a.'.repeat(40)}b@c.org`);
    expect(text).toMatch(/^[a.]{16}XQ1$/);
  });

  it.each([
    '\\a{',
    '$',
    '\\(',
    '\\[',
    '\\a[',
    '\\begin{math}',
    'acgt',
    'a.',
    'a.bc/',
    'a@',
    'www.',
    '$a',
    '1.',
    '1,1^{',
    '({a_',
    '\\\\a_',
  ])('ends on eight thousand times %s', piece => {
    const original = `${piece.repeat(8000)} `;
    const { text, restore } = protectMarkup(original);
    expect(restore(text)).toBe(original);
  });
});

it('knows a text with words from one of placeholders and numbers', () => {
  expect(hasWords('XQ1, XQ22; 3.5 %')).toBe(false);
  expect(hasWords('XQ1 é')).toBe(true);
});
