import { beforeEach, describe, expect, it } from 'vitest';
import type { Example } from '../../src/data/dataset.js';
import { ArxivNativeError } from '../../src/errors.js';
import { fitBlend } from '../../src/evaluate/blend.js';
import { TokenizedExamples } from '../../src/evaluate/tokenized-examples.js';
import type { Tokenizer } from '../../src/text/tokenizer.js';
import { epochOrder } from '../../src/train/batches.js';
import { newState, type TrainState } from '../../src/train/checkpoint.js';
import { type LoopOptions, runEpochs } from '../../src/train/loop.js';
import { headShape } from '../../src/train/plan.js';
import { loadRecipe } from '../../src/train/recipe.js';
import { makeSchedule } from '../../src/train/schedule.js';
import type { TrainEvent } from '../../src/train/types.js';
import { tinyEncoder } from '../support/shape.js';
import { FakeModel } from './fake-engine.js';

/** One token a text: the text's own number. */
const tokenizer = { encode: (text: string) => [Number(text)] } as unknown as Tokenizer;

function examples(count: number): Example[] {
  return Array.from({ length: count }, (_, i) => ({
    paper: {
      id: `p${i}`,
      title: String(2 * i),
      abstract: String(2 * i + 1),
      categories: [],
      label: '',
      line: i,
    },
    label: i % 2,
  }));
}

const encoder = tinyEncoder({ maxPositions: 200 });

let model: FakeModel;
/** What the loop asked to be kept: `best 1` after an epoch, `checkpoint 3` after a step. */
let kept: string[];
/** The checkpoints, as files would hold them, and how many lines of metrics there were. */
let checkpoints: { state: TrainState; weight: number; lines: number }[];
let lines: Record<string, unknown>[];
beforeEach(() => {
  model = new FakeModel({ encoder, head: headShape(loadRecipe('demo'), 2, encoder) });
  kept = [];
  checkpoints = [];
  lines = [];
});

const run = {
  resumable: undefined as number | undefined,
  async saveBest(_: unknown, epoch: number) {
    kept.push(`best ${epoch}`);
  },
  async save(_: unknown, state: TrainState) {
    kept.push(`checkpoint ${state.steps}`);
    checkpoints.push(JSON.parse(JSON.stringify({ state, weight: model.weight, lines: lines.length })));
    this.resumable = state.steps;
  },
  async log(line: object) {
    lines.push({ ...line });
  },
};

/** Seven papers in batches of three, four papers for validation; `right` of them are right after each epoch. */
function setUp(right: number[], over: Partial<LoopOptions> = {}): LoopOptions {
  const { state = newState(3) } = over;
  model.onPredict = papers => {
    const correct = right[state.history.length]!;
    return Array.from({ length: papers }, (_, i) => {
      const said = i < correct ? i % 2 : 1 - (i % 2);
      return said === 0 ? [1, 0] : [0, 1];
    }).flat();
  };
  const lengths = { title: 3, abstract: 3 };
  return {
    model,
    train: new TokenizedExamples(tokenizer, examples(7), lengths),
    validation: new TokenizedExamples(tokenizer, examples(4), lengths),
    labels: ['a', 'b'],
    epochs: right.length,
    patience: 2,
    batchSize: 3,
    schedule: makeSchedule(3, right.length, 0.1),
    learningRate: 0.5,
    seed: 1,
    logEvery: 50,
    checkpointEvery: undefined,
    state,
    run: { ...run },
    ...over,
  };
}

/** A signal that comes while this step, counted from 1, is taken. */
function stopAfter(model: FakeModel, step: number): AbortSignal {
  const controller = new AbortController();
  const { onStep } = model;
  model.onStep = number => {
    if (number === step - 1) controller.abort();
    return onStep(number);
  };
  return controller.signal;
}

/** Records without what a clock decides. */
function withoutTimes(value: unknown): unknown {
  const times = ['seconds', 'papersPerSecond', 'stepSeconds', 'sessions'];
  return JSON.parse(JSON.stringify(value, (key, each) => (times.includes(key) ? undefined : each)));
}

describe('the epoch loop', () => {
  it('takes every paper once an epoch, in an order of the seed and the epoch', async () => {
    await runEpochs(setUp([1, 2]), {});
    const titles = (steps: typeof model.steps) =>
      steps.flatMap(({ ids, offsets }) =>
        [...offsets.slice(0, -1)].filter((_, i) => i % 2 === 0).map(offset => ids[offset]! / 2),
      );
    const [first, second] = [titles(model.steps.slice(0, 3)), titles(model.steps.slice(3))];
    expect(model.steps.map(step => step.labels.length)).toEqual([3, 3, 1, 3, 3, 1]);
    expect(first).toEqual([...epochOrder(7, 1, 1)]);
    expect(second).toEqual([...epochOrder(7, 1, 2)]);
    expect([...first].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(first).not.toEqual(second);
    expect(first).not.toEqual([...epochOrder(7, 2, 1)]);
    // The label, the title and the abstract of a paper stay together.
    const step = model.steps[0]!;
    for (const [i, paper] of first.slice(0, 3).entries()) {
      expect(step.labels[i]).toBe(paper % 2);
      expect([...step.ids.slice(2 * i, 2 * i + 2)]).toEqual([2 * paper, 2 * paper + 1]);
    }
  });

  it('steps the learning rate with every batch, from 0', async () => {
    const options = setUp([1, 1], { schedule: makeSchedule(3, 2, 0.34) });
    await runEpochs(options, {});
    expect(model.steps.map(step => step.learningRateScale)).toEqual([0, 0.5, 1, 0.75, 0.5, 0.25]);
  });

  it('stops when validation accuracy has not risen for so many epochs, and keeps the best weights', async () => {
    const options = setUp([2, 3, 3, 2, 4, 4]);
    expect(await runEpochs(options, {})).toEqual({ interrupted: false });
    const { history, best, stepSeconds } = options.state;
    expect(history.map(({ epoch, validationAccuracy, best }) => [epoch, validationAccuracy, best])).toEqual([
      [1, 0.5, true],
      [2, 0.75, true],
      [3, 0.75, false],
      [4, 0.5, false],
    ]);
    expect(best).toMatchObject({ epoch: 2, validation: { accuracy: 0.75 } });
    expect(stepSeconds).toHaveLength(12);
    expect(kept).toEqual([
      'best 1',
      'checkpoint 3',
      'best 2',
      'checkpoint 6',
      'checkpoint 9',
      'checkpoint 12',
    ]);
  });

  it('weights words for the weights that are kept, which it chooses by the encoder alone', async () => {
    // In the second epoch the encoder is right about the first two papers, words always about all but the first.
    const encoder = Float32Array.of(1, 0, 0, 1, 0, 1, 1, 0);
    const words = Float32Array.of(0, 1, 0, 1, 2, 0, 0, 2);
    const alone = setUp([1, 2, 1]);
    await runEpochs(alone, {});
    const together = setUp([1, 2, 1], { words });
    await runEpochs(together, {});
    expect(withoutTimes(together.state.history)).toEqual(withoutTimes(alone.state.history));
    const { epoch, validation, scales } = together.state.best!;
    expect(epoch).toBe(2);
    expect(scales).toEqual(await fitBlend(encoder, words, [0, 1, 0, 1], 2));
    expect(validation.logLoss).toBeLessThan(alone.state.best!.validation.logLoss);
    expect(alone.state.best).not.toHaveProperty('scales');
  });

  it('reports losses as means over papers', async () => {
    model.onStep = step => ({ loss: step === 2 ? 8 : 1, correct: 1 });
    const events: TrainEvent[] = [];
    const options = setUp([1]);
    await runEpochs(options, { onProgress: event => events.push(event) });
    const { trainLoss, trainAccuracy } = options.state.history[0]!;
    expect(trainLoss).toBeCloseTo((3 * 1 + 3 * 1 + 1 * 8) / 7, 12);
    expect(trainAccuracy).toBeCloseTo(3 / 7, 12);
    expect(events.map(event => event.type)).toEqual(['step', 'step', 'step', 'evaluation', 'epoch']);
    expect(events[1]).toMatchObject({ epoch: 1, step: 2, steps: 3, loss: 1, meanLoss: 1 });
  });

  it('writes a line of metrics every few steps, with means over the steps since the last, and one an epoch', async () => {
    model.onStep = step => ({
      loss: step + 1,
      gradientNorm: step === 3 ? Number.POSITIVE_INFINITY : 2 * (step + 1),
      applied: step !== 3,
    });
    await runEpochs(setUp([1, 2], { logEvery: 2, schedule: makeSchedule(3, 2, 0.5) }), {});
    expect(lines.map(({ type, step }) => `${type} ${step}`)).toEqual([
      'step 2',
      'epoch 3',
      'step 4',
      'step 6',
      'epoch 6',
    ]);
    // Batches of 3, 3, 1, 3, 3 and 1 papers.
    expect(lines.filter(({ type }) => type === 'step')).toMatchObject([
      { epoch: 1, loss: 1.5, learningRate: 0.5 * (1 / 3), gradientNorm: 3 },
      { epoch: 2, loss: (3 * 1 + 4 * 3) / 4, learningRate: 0.5, gradientNorm: 6 },
      { epoch: 2, loss: (5 * 3 + 6) / 4, learningRate: 0.5 / 3, gradientNorm: 11 },
    ]);
    for (const line of lines.filter(({ type }) => type === 'step')) {
      expect(line.seconds).toBeGreaterThan(0);
      expect(line.papersPerSecond).toBeGreaterThan(0);
    }
    expect(lines[1]).toMatchObject({ epoch: 1, validationAccuracy: 0.25, best: true });
  });

  it('writes a checkpoint every so many steps, and at the end of each epoch', async () => {
    await runEpochs(setUp([1, 1], { checkpointEvery: 2 }), {});
    const expected = [2, 3, 4, 6, 6].map(step => `checkpoint ${step}`);
    expect(kept.filter(each => each.startsWith('checkpoint'))).toEqual(expected);
  });

  // After each of nine steps, and at the ends of the three epochs.
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])(
    'goes on from checkpoint %i as if it had not stopped',
    async i => {
      const right = [2, 3, 3];
      const over = { checkpointEvery: 1, logEvery: 4 };
      const learning = () => ({ loss: model.weight, gradientNorm: 2 + model.weight });
      model.onStep = learning;
      const straight = setUp(right, over);
      await runEpochs(straight, {});
      const whole = { lines, steps: model.steps, weight: model.weight };

      const checkpoint = checkpoints[i]!;
      const { state } = checkpoint;
      const { steps } = state;
      model = new FakeModel(model.options);
      model.onStep = learning;
      model.weight = checkpoint.weight;
      model.optimizerSteps = steps;
      lines = [];
      await runEpochs(setUp(right, { ...over, state }), {});

      expect(model.weight).toBe(whole.weight);
      expect(model.steps).toEqual(whole.steps.slice(steps));
      expect(withoutTimes(state)).toEqual(withoutTimes(straight.state));
      expect(state.sessions.map(session => session.steps)).toEqual([steps, 9 - steps]);
      expect(withoutTimes(lines)).toEqual(withoutTimes(whole.lines.slice(checkpoint.lines)));
    },
  );

  it('takes a step that ran out of memory again in halves, says so and keeps to them', async () => {
    model.onStep = step => {
      if ([1, 2].includes(step)) throw new ArxivNativeError('OUT_OF_MEMORY', 'out of memory');
      return {};
    };
    const events: TrainEvent[] = [];
    const options = setUp([1], {});
    await runEpochs(options, { onProgress: event => events.push(event) });
    expect(model.steps.map(({ microBatch, labels }) => [microBatch, labels.length])).toEqual([
      [3, 3],
      [3, 3],
      [2, 3],
      [1, 3],
      [1, 1],
    ]);
    expect(events.filter(({ type }) => type === 'memory')).toEqual([
      { type: 'memory', step: 2, microBatch: 2 },
      { type: 'memory', step: 2, microBatch: 1 },
    ]);
    expect(options.state).toMatchObject({ steps: 3, microBatch: 1 });
    expect(options.state.stepSeconds).toHaveLength(3);
  });

  it('gives up when memory does not suffice for one paper', async () => {
    model.onStep = () => {
      throw new ArxivNativeError('OUT_OF_MEMORY', 'out of memory');
    };
    await expect(runEpochs(setUp([1]), {})).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
    expect(model.steps.map(({ microBatch }) => microBatch)).toEqual([3, 2, 1]);
  });

  it('validates in smaller parts when memory does not suffice', async () => {
    const options = setUp([3]);
    const { onPredict } = model;
    const sizes: number[] = [];
    model.onPredict = papers => {
      sizes.push(papers);
      if (papers > 3) throw new ArxivNativeError('OUT_OF_MEMORY', 'out of memory');
      return onPredict(papers);
    };
    await runEpochs(options, {});
    expect(sizes).toEqual([4, 2, 2]);
    expect(options.state.best?.validation.papers).toBe(4);
  });

  it('when stopped in the first epoch writes a checkpoint of the last step', async () => {
    const options = setUp([4, 4]);
    const { interrupted } = await runEpochs(options, { signal: stopAfter(model, 2) });
    expect(interrupted).toBe(true);
    expect(options.state).toMatchObject({ best: undefined, history: [], steps: 2 });
    expect(kept).toEqual(['checkpoint 2']);
  });

  it('when stopped later keeps the best epoch, and the last step beside it', async () => {
    const options = setUp([3, 4]);
    const { interrupted } = await runEpochs(options, { signal: stopAfter(model, 5) });
    expect(interrupted).toBe(true);
    expect(options.state).toMatchObject({ best: { epoch: 1 } });
    expect(kept).toEqual(['best 1', 'checkpoint 3', 'checkpoint 5']);
  });

  it('when stopped during validation leaves it', async () => {
    const controller = new AbortController();
    const options = setUp([4, 4]);
    model.onPredict = () => {
      controller.abort();
      return [];
    };
    expect(await runEpochs(options, { signal: controller.signal })).toEqual({ interrupted: true });
    expect(options.state).toMatchObject({ best: undefined, history: [] });
    expect(kept).toEqual(['checkpoint 3']);
  });

  it('writes nothing any more when another process took the run over', async () => {
    const controller = new AbortController();
    const lost = new ArxivNativeError('IO', 'the lock was lost');
    model.onStep = step => {
      if (step === 4) controller.abort(lost);
      return {};
    };
    const options = setUp([3, 4], { checkpointEvery: 1 });
    await expect(runEpochs(options, { signal: controller.signal })).rejects.toBe(lost);
    expect(kept.at(-1)).toBe('checkpoint 4');
  });

  it('when stopped before the first step has nothing to save', async () => {
    await expect(runEpochs(setUp([4]), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(kept).toEqual([]);
  });

  it('takes no NaN of a validation for a score', async () => {
    const options = setUp([4]);
    model.onPredict = papers => new Array(papers * 2).fill(Number.NaN);
    await expect(runEpochs(options, {})).rejects.toMatchObject({ code: 'NON_FINITE' });
  });

  it('is complete when the signal comes after the last validation', async () => {
    const controller = new AbortController();
    const onProgress = (event: TrainEvent) =>
      event.type === 'epoch' && event.record.epoch === 2 && controller.abort();
    const result = await runEpochs(setUp([3, 4]), {
      signal: controller.signal,
      onProgress: event => void onProgress(event),
    });
    expect(result).toEqual({ interrupted: false });
    expect(kept.slice(-2)).toEqual(['best 2', 'checkpoint 6']);
  });

  // An unhandled rejection, which would be the engine's, fails the whole run of the tests.
  it('passes on what a text does to the tokenizer while the engine fails', async () => {
    let texts = 0;
    const failing = {
      encode: (text: string) => {
        if (texts++ >= 6) throw new Error(`no words: ${text}`);
        return [1];
      },
    } as unknown as Tokenizer;
    model.onStep = () => {
      throw new ArxivNativeError('ENGINE', 'the engine failed');
    };
    const papers = new TokenizedExamples(failing, examples(7), { title: 3, abstract: 3 });
    await expect(runEpochs(setUp([4], { train: papers }), {})).rejects.toThrow('no words');
    await new Promise(resolve => setImmediate(resolve));
  });

  it('passes on what the engine throws', async () => {
    model.onStep = () => {
      throw new ArxivNativeError('NON_FINITE', 'the loss is not finite');
    };
    await expect(runEpochs(setUp([4]), {})).rejects.toMatchObject({ code: 'NON_FINITE' });
  });
});
