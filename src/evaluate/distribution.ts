/** How whole numbers, such as lengths, are spread. Percentiles as numpy has them: linear between neighbours. */
export interface Distribution {
  min: number;
  p5: number;
  p25: number;
  median: number;
  p75: number;
  p95: number;
  p99: number;
  max: number;
  mean: number;
  histogram: Bin[];
}

/** Papers whose number is at least `from` and below `to`; the last bin of a long tail has no `to`. */
export interface Bin {
  from: number;
  to: number | null;
  papers: number;
}

const MOST_BINS = 30;
/** What lies beyond this share goes into one bin: a few giants would squeeze all others into the first. */
const IN_BINS = 0.995;

/** @param values whole numbers from 0; at least one */
export function distribution(values: Uint32Array): Distribution {
  const sorted = values.slice().sort();
  const at = (share: number) => quantile(sorted, share);
  return {
    min: sorted[0]!,
    p5: at(0.05),
    p25: at(0.25),
    median: at(0.5),
    p75: at(0.75),
    p95: at(0.95),
    p99: at(0.99),
    max: sorted.at(-1)!,
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    histogram: histogram(sorted, at(IN_BINS)),
  };
}

/** The quantile of sorted numbers, at least one, linear between neighbours (NumPy's default). */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)]!;
  return below + (sorted[Math.ceil(place)]! - below) * (place % 1);
}

/** Bins of one round width (1, 2, 5, 10, …), from the one of the least number on. */
function histogram(sorted: Uint32Array, upTo: number): Bin[] {
  const least = sorted[0]!;
  const width = roundUp((upTo - least + 1) / MOST_BINS);
  const start = Math.floor(least / width) * width;
  const count = Math.floor((upTo - start) / width) + 1;
  const bins = Array.from({ length: count }, (_, i): Bin => {
    const from = start + i * width;
    return { from, to: from + width, papers: 0 };
  });
  for (const value of sorted) bins[Math.min(count - 1, Math.floor((value - start) / width))]!.papers++;
  const last = bins.at(-1)!;
  if (sorted.at(-1)! >= last.to!) last.to = null;
  return bins;
}

/** The least of 1, 2, 5, 10, 20, 50, … that is no smaller. */
function roundUp(width: number): number {
  const power = 10 ** Math.max(0, Math.floor(Math.log10(width)));
  return [1, 2, 5, 10].map(factor => factor * power).find(round => round >= width)!;
}
