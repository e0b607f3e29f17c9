import type { CountMetrics } from './metrics.js';

const CATEGORY = 'cs.AI';
const ACCURACY = 0.6;
const RECALL = 0.3;
const GAP = 0.1;

interface Objective {
  value: number;
  met: boolean;
}

/** What the predecessor asked of a model of cs.AI, cs.CL, cs.CV and cs.LG. */
export interface Objectives {
  /** At least 0.6. */
  accuracy: Objective;
  /** Above 0.3. */
  aiRecall: Objective;
  /** Accuracy on the training papers minus that on the validation papers: below 0.1. Absent where either is not known. */
  gap?: Objective;
  /** Its "gap total": |accuracy − 60| + max(0, 30 − cs.AI recall), in percentage points. */
  gapTotal: number;
}

/**
 * The predecessor's objectives, to the letter; undefined where no paper is of cs.AI.
 *
 * @param accuracies shares of the training and the validation papers that are classified rightly, where they are known
 */
export function objectives(
  { accuracy, perClass }: Pick<CountMetrics, 'accuracy' | 'perClass'>,
  accuracies: { train?: number; validation?: number } = {},
): Objectives | undefined {
  const ofCategory = perClass.find(({ label }) => label === CATEGORY);
  if (ofCategory === undefined || ofCategory.support === 0) return undefined;
  const { recall } = ofCategory;
  const gap = trainingGap(accuracies);
  return {
    accuracy: { value: accuracy, met: accuracy >= ACCURACY },
    aiRecall: { value: recall, met: recall > RECALL },
    ...(gap !== undefined && { gap: { value: gap, met: gap < GAP } }),
    gapTotal: 100 * (Math.abs(accuracy - ACCURACY) + Math.max(0, RECALL - recall)),
  };
}

/** Accuracy on the training papers minus that on the validation papers; undefined where either is not known. */
export function trainingGap({
  train,
  validation,
}: {
  train?: number;
  validation?: number;
}): number | undefined {
  return train === undefined || validation === undefined ? undefined : train - validation;
}
