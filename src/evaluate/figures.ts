import type { Example } from '../data/dataset.js';
import {
  type Answers,
  type BootstrapOptions,
  bootstrapCategories,
  bootstrapMetrics,
  type MetricIntervals,
} from './bootstrap.js';
import { agreements, argMaxRows, evaluate, type Metrics } from './metrics.js';

/** Figures, and how they vary over sets of papers like these. */
export interface Figures {
  metrics: Metrics;
  intervals: MetricIntervals;
}

/**
 * @param examples at least one
 * @throws ArxivNativeError CANCELLED soon after the signal comes
 */
export async function figuresOf(
  examples: readonly Example[],
  labels: readonly string[],
  { probabilities, predicted }: Answers,
  options: BootstrapOptions,
): Promise<Figures> {
  const targets = targetsOf(examples);
  const categories = examples.map(({ paper }) => paper.categories);
  const chosen = predicted ?? argMaxRows(probabilities, labels.length);
  const found = agreements(chosen, targets, labels, categories);
  return {
    metrics: evaluate(probabilities, targets, labels, { predicted, categories }),
    intervals: {
      ...(await bootstrapMetrics({ probabilities, predicted }, targets, labels, options)),
      ...(found && { categories: await bootstrapCategories(found, options) }),
    },
  };
}

/** One class index a paper. */
export function targetsOf(examples: readonly Example[]): number[] {
  return examples.map(({ label }) => label);
}
