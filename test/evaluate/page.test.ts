import { describe, expect, it } from 'vitest';
import { figureHtml, Html, html, page, tableHtml } from '../../src/evaluate/page.js';

const HOSTILE = `</title><script>alert("1")</script><img src=x onerror='a&b'>`;

describe('html', () => {
  it('escapes what stands in its places, but not HTML', () => {
    expect(html`<p title="${'"'}">${HOSTILE}${3}</p>`.text).toBe(
      '<p title="&#34;">&#60;/title&#62;&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#60;img src=x onerror=&#39;a&#38;b&#39;&#62;3</p>',
    );
    expect(html`<p>${html`<b>${'<'}</b>`}${[html`<i>1</i>`, '&', ['>']]}</p>`.text).toBe(
      '<p><b>&#60;</b><i>1</i>&#38;&#62;</p>',
    );
    expect(html`${new Html('<hr>')}`.text).toBe('<hr>');
  });
});

describe('a page', () => {
  const text = page(HOSTILE, html`<p>${HOSTILE}</p>`, [
    {
      title: HOSTILE,
      body: html`${tableHtml([
        ['', HOSTILE],
        [HOSTILE, HOSTILE],
      ])}${figureHtml(HOSTILE, '<svg/>', { note: HOSTILE, alt: HOSTILE })}`,
    },
  ]);

  it('holds hostile text as text', () => {
    expect(text).not.toContain('<script');
    expect(text).not.toContain('<img');
    expect(text.match(/<title>/g)).toHaveLength(1);
    expect(text.match(/&#60;script&#62;/g)).toHaveLength(10);
  });

  it('asks nothing of a network, and lets nothing run', () => {
    expect(text).not.toMatch(/https?:|\bsrc=["']|@import|url\(/);
    expect(text).toContain(`default-src 'none'`);
  });

  it('has intervals apart from their figures, to stand below them on a phone', () => {
    const { text: table } = tableHtml([
      ['', 'model', 'note'],
      ['accuracy (all)', '76.5 % (74.5–78.4)', 'of 3 (or 4)'],
    ]);
    expect(table).toContain('<td>76.5 % <span>(74.5–78.4)</span></td><td>of 3 (or 4)</td>');
    expect(table).toContain('>accuracy (all)</th>');
    expect(text).toMatch(/@container \(max-width: \d+px\) \{[^}]*\}[^@]*td span \{ display: block;/);
  });

  it('shows by a shade that a table goes on', () => {
    const [, rule] = /\.table \{([^}]*)\}/.exec(text)!;
    expect(rule).toMatch(/overflow-x: auto/);
    expect(rule!.match(/var\(--paper\) [^,]*, transparent\) \S+ \/ [^,]* local/g)).toHaveLength(2);
    expect(rule!.match(/var\(--more\)/g)).toHaveLength(2);
    expect(text.match(/--more: #/g)).toHaveLength(2);
  });

  it('has light and dark, and a phone width', () => {
    expect(text).toContain('prefers-color-scheme: dark');
    expect(text).toContain('width=device-width');
  });
});
