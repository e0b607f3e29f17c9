import type { Ensemble, EnsembleMember, EnsemblePart } from '../evaluate/ensemble-models.js';
import { decimal, leftOutSentences, points, ranged, ruleSentence } from '../evaluate/evaluation-words.js';
import type { Figures } from '../evaluate/figures.js';
import { counted, grouped, printable } from '../util/format.js';
import { differenceText, pText, seenText, shortName } from './compare-text.js';
import { indent, table, WIDTH, wrap } from './table.js';

const TITLES = {
  validation: 'On the validation papers, which fitted the weights: in %, with 95 % intervals',
  test: 'On the test papers, which fitted nothing: in %, with 95 % intervals',
};

/** An ensemble for a terminal of 80 columns. */
export function ensembleText(ensemble: Ensemble): string {
  const { members, papers, source, leftOut, device, precision } = ensemble;
  return [
    ...members.flatMap(memberText),
    '',
    wrapped(
      `${counted(papers.validation, 'validation paper')} and ${counted(papers.test, 'test paper')} of ${printable(source)}. On ${device}, ${precision}.`,
    ),
    ...(['validation', 'test'] as const).flatMap(part => [
      '',
      TITLES[part],
      ...leftOutSentences(leftOut[part]).map(text => indent(wrapped(text))),
      indent(figures(ensemble, part)),
      indent(wrapped(against(ensemble, part))),
    ]),
    '',
  ].join('\n');
}

function memberText({ name, model, decision, seen }: EnsembleMember): string[] {
  const rule = decision.method === 'argmax' && !decision.temperature ? [] : [ruleSentence(decision)];
  // That its own validation papers selected it is known; that it was trained on them would spoil the weights.
  const met = seen && {
    train: seen.validation.train + seen.test.train,
    validation: seen.test.validation,
  };
  return [printable(model), ...[...rule, ...seenText(name, met)].map(text => indent(wrapped(text)))];
}

function figures({ members, figures: of, best }: Ensemble, part: EnsemblePart): string {
  const row = (name: string, weight: string, { metrics, intervals }: Figures) => [
    name,
    weight,
    ranged(intervals.accuracy, points),
    ranged(intervals.macro.f1, points),
    decimal(metrics.logLoss),
    points(metrics.calibrationError),
  ];
  return table([
    ['', 'weight', 'accuracy', 'macro-F1', 'log loss', 'calibr.'],
    ...members.map(({ name, weight, figures: own }) =>
      row(`${shortName(name)}${name === best ? ' *' : ''}`, weight.toFixed(3), own[part]),
    ),
    row('ensemble', '', of[part]),
  ]);
}

function against({ best, againstBest }: Ensemble, part: EnsemblePart): string {
  const { difference, mcnemar } = againstBest[part];
  const { accuracy, macro, logLoss } = difference;
  return `Against ${shortName(best)} (*, the best member by validation): accuracy ${differenceText(accuracy)} points, macro-F1 ${differenceText(macro.f1)}, log loss ${differenceText(logLoss, decimal)}. Only the ensemble is right on ${grouped(mcnemar.onlyFirst)}, only that member on ${grouped(mcnemar.onlySecond)}: McNemar's p = ${pText(mcnemar.pValue)}.`;
}

function wrapped(text: string): string {
  return wrap(text, WIDTH - 2);
}
