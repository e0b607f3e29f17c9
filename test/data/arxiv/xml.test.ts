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
