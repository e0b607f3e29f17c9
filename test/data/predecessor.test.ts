import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Paper, SPLITS } from '../../src/data/paper.js';
import { type PreparedDataset, prepareDataset } from '../../src/data/prepare.js';
import type { PrepareOptions } from '../../src/data/prepare-options.js';
import { seededRandom, shuffle } from '../../src/util/random.js';

/** A file as the predecessor's: a row for each category a paper was found by, and 45 translated rows without ids. */
const CLASSES = ['cs.AI', 'cs.CL', 'cs.CV', 'cs.LG'];
const FOUND = 100;
const AUGMENTED = 45;

let scratch: string;
let file: string;
/** Rows of the category asked for, whose papers have another primary one. */
let relabelled = 0;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'arxiv-native-predecessor-'));
  file = join(scratch, 'arxiv_papers_augmented.csv');
  const rows: string[][] = [];
  // Every fourth paper of a class is the next class's cross-list too, and so found by both.
  CLASSES.forEach((primary, k) => {
    for (let i = 0; i < 80; i++) {
      const other = CLASSES[(k + 1) % CLASSES.length]!;
      const both = i % 4 === 0;
      const id = `http://arxiv.org/abs/2511.${10_000 + 100 * k + i}v1`;
      const text = [`On ${primary}, part ${i}`, `We study ${primary} ${i}, "closely".`];
      const dates = `2025-11-${String(1 + (i % 28)).padStart(2, '0')} 17:59:59+00:00`;
      const all = both ? `${primary}, ${other}` : `${primary}, math.XX`;
      rows.push([id, ...text, primary, all, dates]);
      if (both) {
        rows.push([id, ...text, other, all, dates]);
        relabelled++;
      }
    }
  });
  const ofAi = rows.filter(row => row[3] === 'cs.AI');
  for (const row of ofAi.filter((_, i) => i % 2 === 0).slice(0, AUGMENTED))
    rows.push(['', row[1]!, `${row[2]} (back)`, 'cs.AI', '', '']);
  shuffle(rows, seededRandom('predecessor'));
  const quoted = rows.map(row => row.map(field => `"${field.replaceAll('"', '""')}"`).join(','));
  writeFileSync(file, `id,title,abstract,category,all_categories,published\n${quoted.join('\n')}\n`);
});
afterAll(() => rmSync(scratch, { recursive: true }));

const prepare = (options: PrepareOptions = {}): Promise<PreparedDataset> => prepareDataset(file, options);
const all = ({ parts }: PreparedDataset): Paper[] => SPLITS.flatMap(part => parts[part]);
const rowsOf = (data: PreparedDataset) =>
  data.labels.map((_, k) => SPLITS.reduce((sum, part) => sum + data.counts[part][k]!, 0));

describe('the predecessor’s file', () => {
  it('by primary category has each paper once, and translations train with their parents', async () => {
    const data = await prepare();
    expect(data.labels).toEqual(CLASSES);
    const { counts } = data;
    expect(counts.read).toBe(4 * FOUND + AUGMENTED);
    expect(counts).toMatchObject({
      duplicates: 80,
      duplicatesById: 80,
      contradictions: 0,
      outsideClasses: 0,
      unlabelled: 0,
    });
    expect(counts.childrenKept + counts.childrenDropped).toBe(AUGMENTED);
    expect(counts.childrenDropped).toBeGreaterThan(0);
    const children = all(data).filter(({ parent }) => parent !== undefined);
    CLASSES.forEach((name, k) => {
      expect(rowsOf(data)[k]).toBe(80 + children.filter(({ label }) => label === name).length);
    });
    for (const child of children) {
      const parent = data.parts.train.find(({ id }) => id.includes(child.parent!));
      expect(parent).toMatchObject({ title: child.title, label: child.label });
      expect(child.split).toBe('train');
    }
    expect(data.leaks).toMatchObject({
      contradictingRows: 0,
      crossingPapers: 0,
      seenTestRows: 0,
      bestAccuracy: 1,
    });
  });

  it('counts the labels that are no longer those of the file', async () => {
    const { counts } = await prepare();
    // Of the translated rows, those whose parent was found by cs.AI and is cs.LG first.
    const translated = all(await prepare({ split: 'rows' })).filter(
      ({ id, label }) => id.startsWith('arxiv_') && label !== 'cs.AI',
    );
    expect(translated.length).toBeGreaterThan(0);
    expect(counts.labelChanges).toBe(relabelled + translated.length);
  });

  it('by query and rows is as it was, and says what that leaks', async () => {
    const data = await prepare({ labels: 'query' });
    expect(data.rule.split).toBe('rows');
    expect(data.counts).toMatchObject({ read: 445, duplicates: 0, childrenKept: 0, labelChanges: 0 });
    expect(rowsOf(data)).toEqual([FOUND + AUGMENTED, FOUND, FOUND, FOUND]);
    expect(all(data).every(({ parent }) => parent === undefined)).toBe(true);

    const papers = new Map<string, Paper[]>();
    for (const paper of all(data)) papers.set(paper.title, [...(papers.get(paper.title) ?? []), paper]);
    const groups = [...papers.values()];
    const contradicting = groups
      .filter(rows => new Set(rows.map(({ label }) => label)).size > 1)
      .flat().length;
    const crossing = groups.filter(rows => new Set(rows.map(({ split }) => split)).size > 1).length;
    const most = (rows: Paper[]) =>
      Math.max(...CLASSES.map(name => rows.filter(({ label }) => label === name).length));
    expect(data.leaks).toMatchObject({
      rows: 445,
      contradictingRows: contradicting,
      crossingPapers: crossing,
      bestAccuracy: groups.reduce((sum, rows) => sum + most(rows), 0) / 445,
    });
    expect(crossing).toBeGreaterThan(20);
  });

  it('takes the newest of each class by query', async () => {
    const data = await prepare({ labels: 'query', perClass: 30 });
    expect(rowsOf(data)).toEqual([30, 30, 30, 30]);
    expect(all(data).every(({ published }) => published! >= '2025-11-18')).toBe(true);
  });
});
