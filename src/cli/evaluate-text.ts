import type { Evaluation } from '../evaluate/evaluate-model.js';
import {
  agreementSentences,
  classRows,
  comparisonSentence,
  confusionRows,
  examSentences,
  figureRows,
  objectiveRows,
  recordedSentences,
  topConfusionRows,
} from '../evaluate/evaluation-words.js';
import { printable } from '../util/format.js';
import { indent, table, WIDTH, wrap } from './table.js';

/** Columns that an indented table may take. */
const ROOM = WIDTH - 2;
/** Confusions that are listed where the matrix is too wide. */
const MOST_CONFUSIONS = 12;

/** An evaluation for a terminal of 80 columns. */
export function evaluationText(evaluation: Evaluation): string {
  const { model, baseline, baselineOmitted, objectives } = evaluation;
  const sections: [title: string, body: string[]][] = [
    [
      'Figures, with their 95 % intervals',
      [table(figureRows(evaluation)), ...agreementSentences(evaluation)],
    ],
    ['By class', [table(classRows(evaluation))]],
    confusion(evaluation),
    [
      'Against the baseline',
      baseline ? [comparisonSentence(baseline)] : baselineOmitted ? [baselineOmitted] : [],
    ],
    ['Accuracy as training recorded it', recordedSentences(evaluation)],
    [
      "The predecessor's objectives",
      objectives ? [table(objectiveRows(objectives)).replace(/ +$/gm, '')] : [],
    ],
  ];
  return [
    printable(model),
    ...examSentences(evaluation).map(block),
    ...sections
      .filter(([, body]) => body.length > 0)
      .flatMap(([title, body]) => ['', title, ...body.map(block)]),
    '',
  ].join('\n');
}

/** Sentences are wrapped, tables stand as they are. */
function block(text: string): string {
  return indent(text.includes('\n') ? text : wrap(text, ROOM));
}

function confusion({ metrics, labels }: Evaluation): [string, string[]] {
  const whole = table(confusionRows(metrics.confusion, labels));
  if (whole.split('\n').every(line => line.length <= ROOM)) {
    return ['Confusion: a row is what papers are, a column what was said', [whole]];
  }
  const rows = topConfusionRows(metrics.confusion, labels, MOST_CONFUSIONS);
  return ['Most frequent confusions', rows.length > 1 ? [table(rows)] : []];
}
