import type { DecisionRule } from '../model/decision.js';

/**
 * The class that a rule gives each paper: of classes whose probability reaches their threshold the most probable,
 * where there is none the most probable of all; the first of equals.
 *
 * @param probabilities papers × labels.length, row-major
 */
export function decide(
  probabilities: ArrayLike<number>,
  labels: readonly string[],
  rule: DecisionRule,
): Int32Array {
  const classes = labels.length;
  const thresholds = thresholdVector(labels, rule);
  const decided = new Int32Array(probabilities.length / classes);
  for (let paper = 0; paper < decided.length; paper++) {
    const start = paper * classes;
    let top = 0;
    let reaching = -1;
    for (let k = 0; k < classes; k++) {
      const p = probabilities[start + k]!;
      if (p > probabilities[start + top]!) top = k;
      if (p >= thresholds[k]! && (reaching < 0 || p > probabilities[start + reaching]!)) reaching = k;
    }
    decided[paper] = reaching < 0 ? top : reaching;
  }
  return decided;
}

/** A threshold a class; infinite where it has none, for that is never reached. */
function thresholdVector(labels: readonly string[], rule: DecisionRule): Float64Array {
  const own = (label: string) =>
    rule.method === 'thresholds' && Object.hasOwn(rule.thresholds, label)
      ? rule.thresholds[label]!
      : Infinity;
  return Float64Array.from(labels, own);
}
