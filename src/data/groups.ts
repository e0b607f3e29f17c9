import { baseId, type Paper, titleKey } from './paper.js';

/**
 * Says which rows are one paper: each row's number is that of the first one with which it shares an id (version
 * aside), a title (case and punctuation aside) or a parent, or with which another row links it. A copy is known by
 * its parent, not by its title, which may be a translation and may be another paper's. Every id must be the
 * paper's own.
 */
export function paperGroups(papers: readonly Paper[]): Int32Array {
  const groups = Int32Array.from(papers, (_, i) => i);
  const find = (i: number): number => {
    let root = i;
    while (groups[root] !== root) root = groups[root]!;
    for (let at = i; groups[at] !== root; ) {
      const next = groups[at]!;
      groups[at] = root;
      at = next;
    }
    return root;
  };
  const first = new Map<string, number>();
  papers.forEach(({ id, title, parent }, i) => {
    const shared = parent === undefined ? titleKey(title) : baseId(parent);
    const keys = [`id ${baseId(id)}`];
    if (shared !== '') keys.push(parent === undefined ? `title ${shared}` : `id ${shared}`);
    for (const key of keys) {
      const other = first.get(key);
      if (other === undefined) {
        first.set(key, i);
        continue;
      }
      const [a, b] = [find(other), find(i)];
      // The lower number is kept, so that a group is named by its first row.
      if (a < b) groups[b] = a;
      else groups[a] = b;
    }
  });
  papers.forEach((_, i) => {
    groups[i] = find(i);
  });
  return groups;
}
