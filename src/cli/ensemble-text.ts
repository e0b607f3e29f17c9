import type { AgainstOther, Ensemble, EnsembleMember } from '../evaluate/ensemble-models.js';
import { decimal, leftOutSentences, points, ranged, ruleSentence } from '../evaluate/evaluation-words.js';
import type { Figures } from '../evaluate/figures.js';
import type { JudgedPart } from '../evaluate/parts.js';
import { counted, grouped, printable } from '../util/format.js';
import {
  BASELINE,
  baselineText,
  differenceText,
  omittedText,
  pText,
  seenText,
  shortName,
} from './compare-text.js';
import { indent, table, WIDTH, wrap } from './table.js';

const TITLES = {
  validation: 'On the validation papers, which fitted the weights: in %, with 95 % intervals',
  test: 'On the test papers, which fitted nothing: in %, with 95 % intervals',
};

/** An ensemble for a terminal of 80 columns. */
export function ensembleText(ensemble: Ensemble): string {
  const { members, papers, source, leftOut, device, precision, baseline, baselineOmitted } = ensemble;
  return [
    ...members.flatMap(memberText),
    '',
    wrapped(
      `${counted(papers.validation, 'validation paper')} and ${counted(papers.test, 'test paper')} of ${printable(source)}. On ${device}, ${precision}.${baseline ? ` ${baselineText(baseline)}` : ''}`,
    ),
    ...(['validation', 'test'] as const).flatMap(part => [
      '',
      TITLES[part],
      ...leftOutSentences(leftOut[part]).map(text => indent(wrapped(text))),
      indent(figures(ensemble, part)),
      ...against(ensemble, part).map(text => indent(wrapped(text))),
    ]),
    ...omittedText(baselineOmitted),
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

function figures({ members, figures: of, best, baseline }: Ensemble, part: JudgedPart): string {
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
    ...(baseline ? [row(BASELINE, '', baseline.figures[part])] : []),
  ]);
}

function against({ best, againstBest, againstBaseline }: Ensemble, part: JudgedPart): string[] {
  const name = `${shortName(best)} (*, the best member by validation)`;
  return [
    differenceSentences(name, 'that member', againstBest[part]),
    ...(againstBaseline ? [differenceSentences('the baseline', 'the baseline', againstBaseline[part])] : []),
  ];
}

function differenceSentences(name: string, other: string, { difference, mcnemar }: AgainstOther): string {
  const { accuracy, macro, logLoss } = difference;
  return `Against ${name}: accuracy ${differenceText(accuracy)} points, macro-F1 ${differenceText(macro.f1)}, log loss ${differenceText(logLoss, decimal)}. Only the ensemble is right on ${grouped(mcnemar.onlyFirst)}, only ${other} on ${grouped(mcnemar.onlySecond)}: McNemar's p = ${pText(mcnemar.pValue)}.`;
}

function wrapped(text: string): string {
  return wrap(text, WIDTH - 2);
}
