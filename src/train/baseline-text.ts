import { percent } from '../util/format.js';
import type { WordsFigures } from './types.js';

/** One line, to stand below the figures of a model on the same test papers. */
export function baselineText({ accuracy, macroF1, logLoss }: WordsFigures): string {
  return `Words alone (TF-IDF and logistic regression, learnt from the same papers): accuracy ${percent(accuracy)}, macro-F1 ${percent(macroF1)}, log loss ${logLoss.toFixed(3)}.`;
}
