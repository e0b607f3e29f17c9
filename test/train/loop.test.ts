import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { Example } from '../../src/data/dataset.js';
import { ArxivNativeError } from '../../src/errors.js';
import type { Tokenizer } from '../../src/text/tokenizer.js';
import { epochOrder, TokenizedExamples } from '../../src/train/batches.js';
import { type LoopOptions, runEpochs } from '../../src/train/loop.js';
import { headShape } from '../../src/train/plan.js';
import { loadRecipe } from '../../src/train/recipe.js';
import { makeSchedule } from '../../src/train/schedule.js';
import type { TrainEvent } from '../../src/train/types.js';
import { tinyEncoder } from '../support/shape.js';
import { FakeModel } from './fake-engine.js';

const scratch = mkdtempSync(join(tmpdir(), 'loop-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

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
beforeEach(() => {
  model = new FakeModel({ encoder, head: headShape(loadRecipe('demo'), 2, encoder) });
});

/** Seven papers in batches of three, four papers for validation; `right` of them are right after each epoch. */
function setUp(right: number[], over: Partial<LoopOptions> = {}): LoopOptions {
  let epoch = 0;
  model.onPredict = papers => {
    const correct = right[epoch++]!;
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
    microBatch: 3,
    schedule: makeSchedule(3, right.length, 0.1),
    seed: 1,
    weightsFile: join(scratch, 'weights'),
    ...over,
  };
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
    const result = await runEpochs(setUp([2, 3, 3, 2, 4, 4]), {});
    expect(
      result.history.map(({ epoch, validationAccuracy, best }) => [epoch, validationAccuracy, best]),
    ).toEqual([
      [1, 0.5, true],
      [2, 0.75, true],
      [3, 0.75, false],
      [4, 0.5, false],
    ]);
    expect(result.best).toMatchObject({ epoch: 2, validation: { accuracy: 0.75 } });
    expect(result).toMatchObject({ interrupted: false });
    expect(result.stepSeconds).toHaveLength(12);
    expect(model.saves).toHaveLength(2);
    expect(readdirSync(scratch)).toEqual(['weights']);
  });

  it('reports losses as means over papers', async () => {
    model.onStep = step => ({ loss: step === 2 ? 8 : 1, correct: 1 });
    const events: TrainEvent[] = [];
    const { history } = await runEpochs(setUp([1]), { onProgress: event => events.push(event) });
    expect(history[0]!.trainLoss).toBeCloseTo((3 * 1 + 3 * 1 + 1 * 8) / 7, 12);
    expect(history[0]!.trainAccuracy).toBeCloseTo(3 / 7, 12);
    expect(events.map(event => event.type)).toEqual(['step', 'step', 'step', 'evaluation', 'epoch']);
    expect(events[1]).toMatchObject({ epoch: 1, step: 2, steps: 3, loss: 1, meanLoss: 1 });
  });

  it('when stopped in the first epoch saves the last step', async () => {
    const controller = new AbortController();
    model.onStep = step => {
      if (step === 1) controller.abort();
      return {};
    };
    const result = await runEpochs(setUp([4, 4]), { signal: controller.signal });
    expect(result).toMatchObject({ interrupted: true, best: undefined, history: [] });
    expect(model.steps).toHaveLength(2);
    expect(model.saves).toHaveLength(1);
  });

  it('when stopped later keeps the best epoch, not the last step', async () => {
    const controller = new AbortController();
    model.onStep = step => {
      if (step === 4) controller.abort();
      return {};
    };
    const result = await runEpochs(setUp([3, 4]), { signal: controller.signal });
    expect(result).toMatchObject({ interrupted: true, best: { epoch: 1 } });
    expect(model.saves).toHaveLength(1);
  });

  it('when stopped during validation leaves it', async () => {
    const controller = new AbortController();
    const options = setUp([4, 4]);
    model.onPredict = () => {
      controller.abort();
      return [];
    };
    const result = await runEpochs(options, { signal: controller.signal });
    expect(result).toMatchObject({ interrupted: true, best: undefined, history: [] });
    expect(model.saves).toHaveLength(1);
  });

  it('when stopped before the first step has nothing to save', async () => {
    await expect(runEpochs(setUp([4]), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(model.saves).toHaveLength(0);
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
    expect(result).toMatchObject({ interrupted: false, best: { epoch: 2 } });
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
