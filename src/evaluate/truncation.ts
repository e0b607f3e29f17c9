/** What a limit on the length of a sequence cuts off. */
export interface Cut {
  papers: number;
  /** Of the papers, the share that is longer than the limit. */
  cut: number;
  /** Of their tokens, [CLS] and [SEP] aside, the share that is lost. */
  lost: number;
}

export interface Truncation {
  /** `joined`: title and abstract in one sequence. */
  text: 'title' | 'abstract' | 'joined';
  /** Most tokens a sequence, [CLS] and [SEP] included. */
  limit: number;
  all: Cut;
  /** By class, in the order of the labels. */
  perClass: Cut[];
}

/** The special tokens around a sequence. */
const AROUND = 2;

/**
 * @param lengths tokens of each paper's sequence, [CLS] and [SEP] included
 * @param labels the class of each paper
 */
export function truncation(
  text: Truncation['text'],
  limit: number,
  lengths: Uint32Array,
  labels: Uint32Array,
  classes: number,
): Truncation {
  const sums = Array.from({ length: classes + 1 }, () => ({ papers: 0, cut: 0, tokens: 0, lost: 0 }));
  lengths.forEach((length, paper) => {
    for (const sum of [sums[classes]!, sums[labels[paper]!]!]) {
      sum.papers++;
      sum.tokens += length - AROUND;
      if (length <= limit) continue;
      sum.cut++;
      sum.lost += length - limit;
    }
  });
  const cuts = sums.map(({ papers, cut, tokens, lost }) => ({
    papers,
    cut: cut / Math.max(1, papers),
    lost: lost / Math.max(1, tokens),
  }));
  return { text, limit, all: cuts[classes]!, perClass: cuts.slice(0, classes) };
}
