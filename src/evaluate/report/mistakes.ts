import type { Example } from '../../data/dataset.js';

/** A paper that a model got wrong. */
export interface Mistake {
  id: string;
  title: string;
  abstract: string;
  /** Its own categories beside its label. */
  otherCategories: string[];
  label: string;
  predicted: string;
  /** By label. */
  probabilities: Record<string, number>;
}

/**
 * The mistakes in which a paper's own class had the smallest probability, the smallest first.
 *
 * @param probabilities papers × labels.length, row-major
 * @param predicted the class that was chosen for each paper
 */
export function worstMistakes(
  examples: readonly Example[],
  labels: readonly string[],
  { probabilities, predicted }: { probabilities: Float64Array; predicted: Int32Array },
  most: number,
): Mistake[] {
  const own = (i: number) => probabilities[i * labels.length + examples[i]!.label]!;
  return [...examples.keys()]
    .filter(i => predicted[i] !== examples[i]!.label)
    .sort((a, b) => own(a) - own(b) || a - b)
    .slice(0, most)
    .map(i => {
      const { paper, label } = examples[i]!;
      return {
        id: paper.id,
        title: paper.title,
        abstract: paper.abstract,
        otherCategories: paper.categories.filter(category => category !== labels[label]),
        label: labels[label]!,
        predicted: labels[predicted[i]!]!,
        probabilities: Object.fromEntries(
          labels.map((name, k) => [name, probabilities[i * labels.length + k]!]),
        ),
      };
    });
}
