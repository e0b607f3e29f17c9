/** How many bins of equal width the top probability is sorted into. */
const BINS = 15;

/** The papers whose top probability p is in a range; figures of an empty one are 0. */
export interface CalibrationBin {
  /** lower < p ≤ upper. */
  lower: number;
  upper: number;
  papers: number;
  /** Mean of p. */
  confidence: number;
  /** Share of papers whose most probable class is theirs. */
  accuracy: number;
}

/**
 * The bins of a reliability diagram: 15 of equal width over the probability of each paper's most probable class. They
 * judge the probabilities alone, whatever rule chooses a category from them.
 *
 * @param probabilities papers × classes, row-major
 * @param top each paper's most probable class
 * @param targets one class index a paper
 */
export function calibrationBins(
  probabilities: ArrayLike<number>,
  top: Int32Array,
  targets: ArrayLike<number>,
): CalibrationBin[] {
  const classes = probabilities.length / top.length;
  const sums = Array.from({ length: BINS }, () => ({ papers: 0, confidence: 0, right: 0 }));
  top.forEach((best, paper) => {
    const p = probabilities[paper * classes + best]!;
    const bin = sums[Math.min(BINS - 1, Math.max(0, Math.ceil(p * BINS) - 1))]!;
    bin.papers += 1;
    bin.confidence += p;
    bin.right += best === targets[paper] ? 1 : 0;
  });
  return sums.map(({ papers, confidence, right }, i) => ({
    lower: i / BINS,
    upper: (i + 1) / BINS,
    papers,
    confidence: papers === 0 ? 0 : confidence / papers,
    accuracy: papers === 0 ? 0 : right / papers,
  }));
}

/**
 * Expected calibration error (Naeini et al. 2015, Guo et al. 2017): the mean distance of accuracy and confidence over
 * the bins, each weighted by its papers.
 */
export function calibrationError(bins: readonly CalibrationBin[]): number {
  const papers = bins.reduce((sum, bin) => sum + bin.papers, 0);
  return bins.reduce((sum, bin) => sum + (bin.papers / papers) * Math.abs(bin.accuracy - bin.confidence), 0);
}
