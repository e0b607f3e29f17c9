import { ArxivNativeError } from '../../errors.js';
import type { EngineModel } from '../../native.js';
import { cancelFlag, isCancelled } from '../../util/cancel.js';
import { learningRateScale } from '../schedule.js';
import { isLost } from '../work-folder.js';
import type { Batch, Batches } from './batches.js';
import { add, figuresOf, newSums, type PretrainState, totalSeconds } from './state.js';
import type { PretrainHooks, PretrainPlan } from './types.js';

/** Steps that are timed before hours become a number of steps, and of those the first, which are slower. */
const TIMED_STEPS = 50;
const WARM_STEPS = 5;
const CHECKPOINT_INTERVAL_MS = 5 * 60_000;

export interface PretrainLoopOptions {
  model: EngineModel;
  batches: Batches;
  settings: PretrainPlan['settings'];
  logEvery: number;
  evaluateEvery: number;
  /** If undefined, a checkpoint is written when the last is five minutes old. */
  checkpointEvery: number | undefined;
  /** Where to begin; the loop changes it. The model must be what it was then. */
  state: PretrainState;
  /** Writes a checkpoint, and the encoder as it is now. */
  save(): Promise<void>;
  log(record: object): Promise<void>;
}

/**
 * Takes steps until there are no more, or the signal comes; then all is saved.
 *
 * @throws ArxivNativeError CANCELLED if it was stopped before its first step, and what the engine throws: NON_FINITE,
 * OUT_OF_MEMORY, IO
 */
export async function runSteps(options: PretrainLoopOptions, hooks: PretrainHooks): Promise<void> {
  const { state, batches, settings, evaluateEvery, save } = options;
  const { signal, onProgress } = hooks;
  state.sessions.push({ startedAt: new Date().toISOString(), steps: 0, seconds: 0 });
  const session = state.sessions.at(-1)!;
  const before = session.seconds;
  const startedAt = performance.now();
  let timedFrom = startedAt;
  let timedSteps = 0;
  let checkpointAt = performance.now() + CHECKPOINT_INTERVAL_MS;
  let savedSteps = state.steps;
  let batch: Batch | undefined;
  while (state.steps !== state.total && !signal?.aborted) {
    batch = await takeStep(options, batch ?? batches.at(state.steps, state.papers), hooks);
    session.steps++;
    session.seconds = Math.round((before + (performance.now() - startedAt) / 1000) * 1000) / 1000;
    timedSteps++;
    if (timedSteps === WARM_STEPS) timedFrom = performance.now();
    let due = options.checkpointEvery
      ? state.steps % options.checkpointEvery === 0
      : performance.now() >= checkpointAt;
    if (state.total === undefined && timedSteps === TIMED_STEPS) {
      const secondsPerStep = (performance.now() - timedFrom) / 1000 / (TIMED_STEPS - WARM_STEPS);
      const left = 3600 * settings.hours! - totalSeconds(state);
      state.total = state.steps + Math.max(1, Math.floor(left / secondsPerStep));
      onProgress?.({ type: 'steps', steps: state.total, secondsPerStep });
      due = true;
    }
    if (state.steps % evaluateEvery === 0 || state.steps === state.total) await evaluate(options, hooks);
    if (due && !isLost(signal)) {
      await save();
      savedSteps = state.steps;
      checkpointAt = performance.now() + CHECKPOINT_INTERVAL_MS;
    }
  }
  if (isLost(signal)) throw signal!.reason;
  if (state.steps === 0) {
    throw new ArxivNativeError('CANCELLED', 'pre-training was stopped before its first step');
  }
  if (savedSteps !== state.steps) await save();
}

/** Takes one step and returns the batch of the next, which is made while the engine works. */
async function takeStep(
  { model, batches, settings, state, logEvery, log }: PretrainLoopOptions,
  batch: Batch,
  { onProgress }: PretrainHooks,
): Promise<Batch> {
  const startedAt = performance.now();
  const scale = rateScale(state, settings);
  const running = model.pretrain('step', { ...batch, learningRateScale: scale });
  // Should making the next batch throw, the engine's failure must not count as unhandled.
  running.catch(() => {});
  const next = batches.at(state.steps + 1, state.papers + batch.papers);
  const result = await running;
  const seconds = (performance.now() - startedAt) / 1000;
  state.steps++;
  state.papers += batch.papers;
  state.tokens += batch.ids.length;
  const { sinceLine } = state;
  add(sinceLine, result, batch);
  sinceLine.tokens += batch.ids.length;
  sinceLine.seconds += seconds;
  const figures = figuresOf(sinceLine);
  const tokensPerSecond = sinceLine.tokens / sinceLine.seconds;
  onProgress?.({ type: 'step', step: state.steps, figures, tokensPerSecond });
  if (state.steps % logEvery === 0) {
    await log({
      type: 'step',
      step: state.steps,
      ...figures,
      learningRate: settings.learningRate * scale,
      gradientNorm: result.gradientNorm,
      tokens: state.tokens,
      epochs: state.papers / batches.papers,
      tokensPerSecond,
    });
    state.sinceLine = newSums();
  }
  return next;
}

/** Looks at the papers held out. What the signal cuts short counts for nothing. */
async function evaluate(
  { model, batches, state, log }: PretrainLoopOptions,
  { onProgress, signal }: PretrainHooks,
): Promise<void> {
  if (batches.heldOutPapers === 0) return;
  const cancel = cancelFlag(signal);
  const sums = newSums();
  try {
    for (const batch of batches.evaluation()) {
      const result = await model.pretrain('evaluate', { ...batch, learningRateScale: 0 }, cancel.flag);
      add(sums, result, batch);
    }
  } catch (error) {
    if (signal?.aborted && isCancelled(error)) return;
    throw error;
  } finally {
    cancel.release();
  }
  const figures = figuresOf(sums);
  state.evaluation = { step: state.steps, ...figures };
  await log({ type: 'evaluation', step: state.steps, ...figures });
  onProgress?.({ type: 'evaluation', step: state.steps, figures });
}

/** While it is not known how many steps there will be, the rate rises. */
function rateScale({ steps, total }: PretrainState, { warmup }: PretrainPlan['settings']): number {
  const warmupSteps = total === undefined ? warmup : Math.min(warmup, Math.floor(total / 10));
  // The first step of a warm-up is one too.
  if (steps < warmupSteps) return (steps + 1) / warmupSteps;
  return total === undefined ? 1 : learningRateScale({ steps: total, warmupSteps }, steps);
}
