import { expect, it } from 'vitest';
import { PairTable } from '../../src/text/pair-table.js';
import { seededRandom } from '../../src/util/random.js';

it('numbers pairs in the order in which they come, as a Map would', () => {
  const table = new PairTable();
  const map = new Map<string, number>();
  const random = seededRandom('pairs');
  const draw = () => Math.floor(random() ** 4 * 2 ** 26);
  for (let i = 0; i < 20_000; i++) {
    const [a, b] = [draw(), draw()];
    const key = `${a} ${b}`;
    expect(table.find(a, b)).toBe(map.get(key) ?? -1);
    if (!map.has(key)) map.set(key, map.size);
    expect(table.add(a, b)).toBe(map.get(key));
    expect(table.size).toBe(map.size);
  }
  const found: [string, number][] = [];
  table.forEach((a, b, number) => {
    found.push([`${a} ${b}`, number]);
  });
  expect(found.sort((x, y) => x[1] - y[1])).toEqual([...map]);
});

it('tells a pair from its reverse, and knows the largest indices', () => {
  const table = new PairTable();
  const most = 2 ** 26 - 1;
  expect([table.add(0, 0), table.add(1, 2), table.add(2, 1), table.add(most, most)]).toEqual([0, 1, 2, 3]);
  expect(table.find(most, most)).toBe(3);
  expect(table.find(most - 1, most)).toBe(-1);
});
