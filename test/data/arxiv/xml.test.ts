import { expect, it } from 'vitest';
import { children, parseXml, textOf } from '../../../src/data/arxiv/xml.js';

it('reads references to characters once, and lets nothing expand', () => {
  const root = parseXml('<r><t>a &lt; b &amp;lt; &#233; &#x1D400; 007</t></r>', 'r');
  expect(textOf(root, 't')).toBe('a < b &lt; é 𝐀 007');
  const many = parseXml(`<r>${`<t>${'&lt;'.repeat(500)}</t>`.repeat(500)}</r>`, 'r');
  expect(textOf({ t: children(many, 't').at(-1)! }, 't')).toBe('<'.repeat(500));
  const bomb = '<!DOCTYPE r [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;">]><r>&b;</r>';
  expect(() => parseXml(bomb, 'r')).toThrow('DOCTYPE');
  for (const text of ['', 'Rate exceeded.', '<r><t>', '<r></t></r>', '<s/>']) {
    expect(() => parseXml(text, 'r')).toThrow(/the answer/);
  }
});

it.each([
  ['Rate exceeded.', 'the answer has no <feed>: Rate exceeded.'],
  [
    '<html>\n<body>\x1b[31mBusy</body></html>',
    'the answer has no <feed>: <html> <body> [31mBusy</body></html>',
  ],
  [`${'x'.repeat(99)} y${'z'.repeat(99)}`, `the answer has no <feed>: ${'x'.repeat(99)}  …`],
  [' \n', 'the answer has no <feed>: it is empty'],
])('shows how an answer of another kind begins (%#)', (text, message) => {
  expect(() => parseXml(text, 'feed')).toThrow(message);
});

it('takes a root with a prefix', () => {
  expect(textOf(parseXml('<a:feed xmlns:a="x"><a:id>1</a:id></a:feed>', 'feed'), 'id')).toBe('1');
});
