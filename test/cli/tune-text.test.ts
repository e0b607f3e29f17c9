import { describe, expect, it } from 'vitest';
import { tuningText } from '../../src/cli/tune-text.js';
import { evaluate } from '../../src/evaluate/metrics.js';
import type { Tuning } from '../../src/evaluate/tune-model.js';

const metrics = evaluate([0.9, 0.1, 0.2, 0.8], [0, 1], ['cs.AI', 'cs.LG']);
const both = { before: metrics, after: metrics };
const point = { accuracy: 0.5, macroF1: 0.5, precision: 0.5, recall: 0.5 };
const tuning: Tuning = {
  model: '/models/a',
  source: '/data',
  before: { method: 'argmax' },
  after: { method: 'argmax', temperature: 1.5 },
  figures: { validation: both, test: both },
  // Of more points than are shown.
  curve: Array.from({ length: 101 }, (_, i) => ({ ...point, threshold: 1 - i / 100 })),
  written: false,
};

describe('the text of a tuning', () => {
  it('shows the chosen threshold among the others', () => {
    const after = { method: 'thresholds' as const, thresholds: { 'cs.AI': 1 - 13 / 100 } };
    const text = tuningText({ ...tuning, after }, { class: 'cs.AI' });
    const chosen = text.split('\n').filter(line => line.endsWith('chosen'));
    expect(chosen.map(line => line.trim().split(/ {2,}/)[0])).toEqual(['0.870']);
    expect(text).not.toContain('No threshold');
    expect(text).not.toMatch(/ $/m);
  });

  it('says where none is better than the most probable class', () => {
    const objective = 'macroF1';
    expect(tuningText(tuning, { class: 'cs.AI', objective })).toContain(
      'No threshold of cs.AI raises macro-F1 on the validation papers.',
    );
    expect(tuningText(tuning, { all: true })).toContain(
      'No thresholds raise accuracy on the validation papers.',
    );
    expect(tuningText(tuning, {})).not.toContain('raise');
  });

  it('warns of a temperature that is only the end of what was tried', () => {
    const at = (temperature: number) =>
      tuningText({ ...tuning, after: { method: 'argmax', temperature } }, {});
    for (const limit of [100, 0.01]) expect(at(limit)).toContain('Warning: the temperature ran to the end');
    expect(at(1.5)).not.toContain('Warning');
  });

  it('shows words alone beside before and after, or says why it cannot', () => {
    const better = evaluate([0.9, 0.1, 0.8, 0.2], [0, 0], ['cs.AI', 'cs.LG']);
    const baseline = { source: '/data', figures: { validation: metrics, test: better } };
    const [validation, test] = tuningText({ ...tuning, baseline }, {}).split('On the test papers');
    const logLoss = (of: number) => of.toFixed(3);
    const rows = (last: number) =>
      new RegExp(
        `log loss +${logLoss(metrics.logLoss)} +${logLoss(metrics.logLoss)} +${logLoss(last)}$`,
        'm',
      );
    expect(validation).toMatch(rows(metrics.logLoss));
    expect(test).toMatch(rows(better.logLoss));
    const baselineOmitted = '/data: no such file';
    expect(tuningText({ ...tuning, baselineOmitted }, {})).toContain(
      '\nNo baseline\n  /data: no such file\n',
    );
    expect(tuningText(tuning, {})).not.toMatch(/baseline/i);
  });

  it('says of other data what the model has seen of it', () => {
    const seen = { validation: { train: 3, validation: 0 }, test: { train: 0, validation: 0 } };
    expect(tuningText({ ...tuning, seen }, { data: 'other' })).toContain(
      'The model was trained on 3 of these papers',
    );
    expect(tuningText(tuning, { data: 'other' })).toContain('is not known');
    expect(tuningText(tuning, {})).not.toContain('known');
  });
});
