import { describe, expect, it } from 'vitest';
// @ts-expect-error The suite is plain JavaScript.
import { median, pageOf, printedTables, shareOfPeak } from '../../bench/report.mjs';

const row = { suite: 'peers', work: 'w', task: 'training step', papers: 12, samples: [{ seconds: 2 }] };
const result = {
  machine: { cpu: 'a CPU', cores: 2, memoryGib: 24, system: 'linux', loadAtStart: 0 },
  versions: { node: '24' },
  settings: { threads: 2, rounds: 1, samples: 1 },
  began: 'now',
  peaks: { w: { bf16: { flops: 8e9 }, fp32: { flops: 1e9 } } },
  rows: [
    { ...row, name: 'ours bf16', precision: 'bf16', best: 2, median: 3, flops: 4e9 },
    { ...row, name: 'ours fp32', precision: 'fp32', best: 4, median: 4, flops: 0.8e9 },
    { ...row, name: 'PyTorch <fp32>', precision: 'fp32', best: 9, median: 10, flops: 0.5e9 },
  ],
  skipped: [{ name: 'transformers.js', reason: 'not installed', work: 'w', suite: 'peers' }],
};

describe('the report', () => {
  it('shows the share of the peak in the precision of the row, and how many times as long it takes as each of ours', () => {
    const lines: string[] = printedTables(result).split('\n');
    const cells = (name: string) =>
      lines
        .find(line => line.startsWith(name))!
        .split(/ {2,}/)
        .slice(1);
    expect(cells('ours bf16')).toEqual(['2.00 s', '3.00 s', '6.00', '4.00', '50 %', '1.00', '0.50']);
    expect(cells('PyTorch')).toEqual(['9.00 s', '10.00 s', '1.33', '0.500', '50 %', '4.50', '2.25']);
    expect(lines).toContain('skipped: transformers.js: not installed');
  });

  it('has no share of a peak that was measured with another number of threads', () => {
    expect(shareOfPeak({ ...result.rows[0], curve: { axis: 'threads', x: 1 } }, result)).toBeUndefined();
  });

  it('is a page that opens offline, with what it was given escaped', async () => {
    const page = await pageOf(result);
    expect(page).toContain('<svg');
    expect(page).not.toContain('<fp32>');
  });

  it('takes the middle of the samples', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  });
});
