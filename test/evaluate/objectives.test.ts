import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluate/metrics.js';
import { objectives } from '../../src/evaluate/objectives.js';

/** Figures of 100 papers, of whose 20 of cs.AI `ai` are found. */
function figures(correct: number, ai: number) {
  const targets = Int32Array.from({ length: 100 }, (_, paper) => (paper < 20 ? 0 : 1));
  const predicted = targets.map((target, paper) => {
    const right = paper < 20 ? paper < ai : paper - 20 < correct - ai;
    return right ? target : 1 - target;
  });
  const probabilities = new Float64Array(200).fill(0.5);
  return evaluate(probabilities, targets, ['cs.AI', 'cs.LG'], { predicted });
}

describe('objectives', () => {
  it('are met', () => {
    const all = objectives(figures(60, 7), { train: 0.7, validation: 0.61 });
    expect(all).toMatchObject({
      accuracy: { value: 0.6, met: true },
      aiRecall: { value: 0.35, met: true },
      gap: { met: true },
      gapTotal: 0,
    });
    expect(all!.gap!.value).toBeCloseTo(0.09, 12);
  });

  it('are missed', () => {
    const all = objectives(figures(55, 6), { train: 0.9, validation: 0.5 });
    expect(all).toMatchObject({ accuracy: { met: false }, aiRecall: { met: false }, gap: { met: false } });
    expect(all!.gapTotal).toBeCloseTo(5, 12);
  });

  it('count what is above 60 % accuracy into the gap total, as what is below', () => {
    expect(objectives(figures(72, 4))!.gapTotal).toBeCloseTo(12 + 10, 12);
  });

  it('are not judged by papers among which none is of cs.AI', () => {
    const none = evaluate([0.9, 0.1, 0.2, 0.8], [1, 1], ['cs.AI', 'cs.LG']);
    expect(objectives(none)).toBeUndefined();
  });

  it('say nothing of a gap that is not known', () => {
    expect(objectives(figures(72, 4))).not.toHaveProperty('gap');
  });

  it('are absent without cs.AI', () => {
    expect(objectives(evaluate([1, 0], [0], ['math.CO', 'hep-th']))).toBeUndefined();
  });
});
