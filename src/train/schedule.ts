/** The learning rate's course: a linear rise over the first steps, then a linear fall to 0. */
export interface Schedule {
  steps: number;
  warmupSteps: number;
}

/** @param warmup share of all steps, 0 to 1, rounded down to whole steps */
export function makeSchedule(stepsPerEpoch: number, epochs: number, warmup: number): Schedule {
  const steps = stepsPerEpoch * epochs;
  return { steps, warmupSteps: Math.floor(steps * warmup) };
}

/** What the learning rates are multiplied by at a step, counted from 0; the first step of a warm-up has 0. */
export function learningRateScale({ steps, warmupSteps }: Schedule, step: number): number {
  if (step < warmupSteps) return step / warmupSteps;
  return Math.max(0, (steps - step) / Math.max(1, steps - warmupSteps));
}
