import { baseId, type Paper, titleKey } from './paper.js';

/**
 * Says which rows are one paper: each row's number is that of the first one with which it shares an id (version
 * aside), a title (case and punctuation aside) or a parent, or with which another row links it. A copy is known by
 * its parent, not by its title, which may be a translation and may be another paper's; one whose parent is not there
 * is known by its title too, unless `orphansByTitle` is false. Every id must be the paper's own.
 */
export function paperGroups(
  papers: readonly Paper[],
  { orphansByTitle = true }: { orphansByTitle?: boolean } = {},
): Int32Array {
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
  const originOf = originFinder(papers);
  papers.forEach(({ id, title, parent }, i) => {
    const keys = [`id ${baseId(id)}`];
    const origin = parent === undefined ? undefined : originOf(parent);
    if (parent !== undefined) keys.push(`id ${origin ?? baseId(parent)}`);
    const isByTitle = parent === undefined || (orphansByTitle && origin === undefined);
    if (isByTitle && titleKey(title) !== '') keys.push(`title ${titleKey(title)}`);
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

/**
 * Finds what a copy was made of by what it calls its parent: a paper, a copy of one, or (by the ids that `augment`
 * gives, PAPER~LANGUAGE) a copy that is not there. Undefined if no paper that is nobody's copy is found so.
 */
function originFinder(papers: readonly Paper[]): (parent: string) => string | undefined {
  const originals = new Set<string>();
  const parents = new Map<string, string>();
  for (const { id, parent } of papers) {
    if (parent === undefined) originals.add(baseId(id));
    else parents.set(baseId(id), baseId(parent));
  }
  return parent => {
    const seen = new Set<string>();
    for (let id = baseId(parent); !seen.has(id); ) {
      if (originals.has(id)) return id;
      seen.add(id);
      id = parents.get(id) ?? baseId(id.replace(/~[^~]*$/, ''));
    }
    return undefined;
  };
}
