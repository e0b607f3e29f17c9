import { describe, expect, it } from 'vitest';
import type { EngineModel, MaskedBatch, PretrainResult } from '../../../src/native.js';
import type { Batches } from '../../../src/train/pretrain/batches.js';
import { type PretrainLoopOptions, runSteps } from '../../../src/train/pretrain/loop.js';
import { newState } from '../../../src/train/pretrain/state.js';
import type { PretrainEvent, PretrainPlan } from '../../../src/train/pretrain/types.js';

const RESULT: PretrainResult = {
  loss: 3,
  wordLoss: 2,
  wordsCorrect: 1,
  classLoss: 1,
  teacherLoss: 0,
  correct: 1,
  gradientNorm: 1,
  applied: true,
};

/** A loop around an engine and a corpus that cost nothing. */
function loop(changes: Partial<PretrainPlan['settings']> = {}, total: number | undefined = undefined) {
  const scales: number[] = [];
  const events: PretrainEvent[] = [];
  const saved: number[] = [];
  const lines: Record<string, unknown>[] = [];
  const one = new Int32Array(1);
  const batch = { ids: one, offsets: one, positions: one, targets: one, labels: one };
  const options: PretrainLoopOptions = {
    model: {
      pretrain: async (purpose: string, { learningRateScale }: MaskedBatch) => {
        if (purpose === 'step') scales.push(learningRateScale);
        return RESULT;
      },
    } as unknown as EngineModel,
    batches: {
      papers: 10,
      heldOutPapers: 1,
      at: () => ({ ...batch, microBatch: 1, papers: 2, labelled: 1 }),
      *evaluation() {
        yield { ...batch, microBatch: 1, papers: 1, labelled: 1 };
      },
    } as unknown as Batches,
    settings: { learningRate: 1, warmup: 4, ...changes } as PretrainPlan['settings'],
    logEvery: 5,
    evaluateEvery: 20,
    checkpointEvery: 10,
    state: newState(total),
    save: async () => {
      saved.push(options.state.steps);
    },
    log: async line => {
      lines.push(line as Record<string, unknown>);
    },
  };
  return { options, scales, events, saved, lines, onProgress: (event: PretrainEvent) => events.push(event) };
}

describe('runSteps', () => {
  it('warms up, falls to 0, logs, looks at the papers held out and saves', async () => {
    const { options, scales, saved, lines, onProgress } = loop({}, 45);
    await runSteps(options, { onProgress });
    expect(scales).toHaveLength(45);
    expect(scales.slice(0, 5)).toEqual([0.25, 0.5, 0.75, 1, 1]);
    expect(scales.at(-1)).toBeCloseTo(1 / 41);
    expect(saved).toEqual([10, 20, 30, 40, 45]);
    expect(lines.filter(({ type }) => type === 'step').map(({ step }) => step)).toEqual(
      Array.from({ length: 9 }, (_, i) => 5 * (i + 1)),
    );
    expect(lines.filter(({ type }) => type === 'evaluation').map(({ step }) => step)).toEqual([20, 40, 45]);
    expect(options.state).toMatchObject({ steps: 45, papers: 90, evaluation: { step: 45, wordLoss: 2 } });
  });

  it('reckons from 50 steps how many fit into the hours, and writes that down at once', async () => {
    const { options, saved, events, onProgress } = loop({ hours: 0.5 / 3600 });
    options.checkpointEvery = undefined;
    options.logEvery = options.evaluateEvery = 1e9;
    await runSteps(options, { onProgress });
    const { total } = options.state;
    expect(total).toBeGreaterThan(50);
    expect(saved).toEqual([50, total]);
    expect(events).toContainEqual({ type: 'steps', steps: total, secondsPerStep: expect.any(Number) });
  });

  it('stops after the running step, saved; before the first there is nothing to save', async () => {
    const { options, saved } = loop({}, 100);
    const controller = new AbortController();
    const onProgress = (event: PretrainEvent) => {
      if (event.type === 'step' && event.step === 13) controller.abort();
    };
    await runSteps(options, { onProgress, signal: controller.signal });
    expect(saved).toEqual([10, 13]);
    const early = loop({}, 100);
    await expect(runSteps(early.options, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(early.saved).toEqual([]);
  });
});
