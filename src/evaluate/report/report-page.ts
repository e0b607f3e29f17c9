import { basename, resolve } from 'node:path';
import type { SavedModel } from '../../model/saved-model.js';
import { counted, grouped, percent } from '../../util/format.js';
import {
  agreementSentences,
  classRows,
  comparisonSentence,
  confusionRows,
  examSentences,
  figureRows,
  objectiveRows,
  ranged,
  recordedSentences,
  ruleSentence,
  topConfusionRows,
} from '../evaluation-words.js';
import { countMetrics } from '../metrics.js';
import { possibleSources, trainingFacts } from '../own-data.js';
import { detailsHtml, type Html, html, page, type Section, shorten, tableHtml } from '../page.js';
import { figuresHtml, type TitledChart } from '../titled-charts.js';
import type { Mistake } from './mistakes.js';
import { TrainingRecordReader } from './record.js';
import { classChart, confusionChart, curveChart, historyCharts, reliabilityChart } from './report-charts.js';
import type { OmittedPart, Report } from './report-model.js';
import {
  caveats,
  dataTerms,
  importTerms,
  partRows,
  settingTerms,
  type Term,
  trainingTerms,
} from './training-terms.js';

/** Characters of an abstract that are shown: more than any of arXiv has. */
const ABSTRACT_SHOWN = 2000;
/** Classes whose matrix of confusions is a table, and confusions that are listed where there are more. */
const MOST_COLUMNS = 24;
const MOST_CONFUSIONS = 24;
/** Classes whose probabilities are told of a mistake. */
const MOST_PROBABILITIES = 4;

/** A report as a page in one file. */
export async function reportPage(saved: SavedModel, report: Report): Promise<string> {
  const record = new TrainingRecordReader(saved.training);
  const words = new Words(saved, report);
  const sections = await Promise.all([
    ...(report.evaluation ? examined(report, words) : recordedFigures(record, report, words)),
    learning(saved, report, words),
    origin(record, saved),
    mistakeSection(report),
  ]);
  return page(basename(saved.folder), lead(record, saved, report), sections.flat());
}

const OMITTED: Record<OmittedPart, string> = {
  evaluation: 'No papers were examined for this page',
  curve: 'What a threshold trades is not shown',
  baseline: 'There is no baseline',
  history: 'There is no history',
};

/** What a page says of what it lacks: a folder's place on this machine is nobody's business. */
class Words {
  readonly #places: [place: string, name: string][];

  constructor(
    saved: SavedModel,
    private readonly report: Report,
  ) {
    const data = trainingFacts(saved)?.data;
    const sources = data ? [...possibleSources(saved, data), data.source] : [];
    const places = [saved.folder, ...sources.flatMap(source => [resolve(source), source])];
    this.#places = places.map(place => [place, basename(place)]);
  }

  /** Why a part is not there; nothing if it is. */
  omitted(part: OmittedPart): Html {
    const found = this.report.omitted.find(each => each.part === part);
    if (found === undefined) return html``;
    const why = this.#places.reduce((text, [place, name]) => text.replaceAll(place, name), found.why);
    return noteHtml(`${OMITTED[part]}: ${why}.`);
  }
}

function lead(record: TrainingRecordReader, { labels, thresholds }: SavedModel, report: Report): Html {
  const { evaluation } = report;
  const name = record.text('recipe.name') ?? record.text('imported.file');
  const what = `A classifier of papers into ${labels.length} classes${name === undefined ? '' : `: ${name}`}.`;
  const accuracy = evaluation && `Accuracy ${ranged(evaluation.intervals.accuracy, percent)}, 95 % interval.`;
  const sentences = evaluation
    ? examSentences({ ...evaluation, data: { ...evaluation.data, source: basename(evaluation.data.source) } })
    : [ruleSentence(thresholds)];
  return html`<p>${what} ${accuracy ?? ''}</p>
${caveats(record).map(caveat => html`<p><strong>${caveat}</strong></p>\n`)}${noteHtml(sentences.join(' '))}`;
}

/** What an exam tells. */
function examined(report: Report, words: Words): (Promise<Section> | Section)[] {
  const { labels, calibration = [], curve } = report;
  const evaluation = report.evaluation!;
  const { metrics, baseline, baselineOmitted, objectives, decision } = evaluation;
  const recorded = recordedSentences(evaluation);
  const own = decision.method === 'thresholds' && curve ? decision.thresholds[curve.label] : undefined;
  return [
    {
      title: 'Figures',
      body: html`${tableHtml(figureRows(evaluation))}${agreementSentences(evaluation).map(noteHtml)}${recorded.map(
        sentence => noteHtml(`Accuracy as training recorded it: ${sentence}`),
      )}`,
    },
    ...(objectives
      ? [
          {
            title: "The predecessor's objectives",
            body: tableHtml([['objective', 'here', ''], ...objectiveRows(objectives)]),
          },
        ]
      : []),
    section('Classes', async () => [
      await figuresHtml([classChart(evaluation), ...confusionCharts(metrics.confusion, labels)]),
      tableHtml(classRows(evaluation)),
      ...confusionsHtml(metrics.confusion, labels),
    ]),
    section('Probabilities and thresholds', async () => [
      await figuresHtml([reliabilityChart(calibration), ...(curve ? [curveChart(curve, own)] : [])]),
      noteHtml(
        `Expected calibration error: ${percent(metrics.calibrationError)}${
          decision.temperature === undefined
            ? '. The tune command fits a temperature by the validation papers.'
            : `, with a temperature of ${decision.temperature.toPrecision(3)}.`
        }`,
      ),
      words.omitted('curve'),
    ]),
    ...(baseline
      ? [
          {
            title: 'Beside the baseline',
            body: html`<p>${comparisonSentence(baseline)}</p>
${tableHtml([
  ['papers', 'baseline right', 'baseline wrong'],
  ['model right', grouped(baseline.mcnemar.both), grouped(baseline.mcnemar.onlyFirst)],
  ['model wrong', grouped(baseline.mcnemar.onlySecond), grouped(baseline.mcnemar.neither)],
])}${tableHtml([
  ['F1', 'model', 'baseline'],
  ...metrics.perClass.map(({ label, f1 }, k) => [
    label,
    percent(f1),
    percent(baseline.metrics.perClass[k]!.f1),
  ]),
])}${noteHtml('The baseline is TF-IDF of words and pairs of words with logistic regression, trained on the same papers.')}`,
          },
        ]
      : baselineOmitted
        ? [{ title: 'Beside the baseline', body: words.omitted('baseline') }]
        : []),
  ];
}

/** Where there are no papers, what training wrote down. */
function recordedFigures(
  record: TrainingRecordReader,
  { labels }: Report,
  words: Words,
): (Promise<Section> | Section)[] {
  const part = (['test', 'validation'] as const).find(name => matrixOf(record, name, labels) !== undefined);
  if (part === undefined) return [{ title: 'Figures', body: words.omitted('evaluation') }];
  const matrix = matrixOf(record, part, labels)!;
  const { accuracy, macro, perClass } = countMetrics(matrix, labels);
  const papers = perClass.reduce((sum, { support }) => sum + support, 0);
  return [
    section('Figures', async () => [
      words.omitted('evaluation'),
      html`<p>As training recorded it, of ${counted(papers, `${part} paper`)} by the most probable class: accuracy ${percent(accuracy)}, macro-F1 ${percent(macro.f1)}.</p>\n`,
      await figuresHtml(confusionCharts(matrix, labels)),
      tableHtml([
        ['', 'precision', 'recall', 'F1', 'papers'],
        ...perClass.map(each => [
          each.label,
          ...[each.precision, each.recall, each.f1].map(percent),
          grouped(each.support),
        ]),
      ]),
      ...confusionsHtml(matrix, labels),
    ]),
  ];
}

/** The recorded confusions of a part, if they are such. */
function matrixOf(
  record: TrainingRecordReader,
  part: string,
  { length }: readonly string[],
): number[][] | undefined {
  const matrix = record.value(`${part}.confusion`);
  const isCount = (cell: unknown) => Number.isSafeInteger(cell) && (cell as number) >= 0;
  const isRow = (row: unknown) => Array.isArray(row) && row.length === length && row.every(isCount);
  if (!Array.isArray(matrix) || matrix.length !== length || !matrix.every(isRow)) return undefined;
  return matrix.flat().some(cell => cell > 0) ? matrix : undefined;
}

function confusionCharts(matrix: readonly (readonly number[])[], labels: readonly string[]): TitledChart[] {
  const table = labels.length > MOST_COLUMNS ? undefined : confusionRows(matrix, labels);
  const chart = confusionChart(matrix, labels);
  return chart ? [{ ...chart, ...(table && { table }) }] : [];
}

/** Of classes too many for a matrix of numbers. */
function confusionsHtml(matrix: readonly (readonly number[])[], labels: readonly string[]): Html[] {
  if (labels.length <= MOST_COLUMNS) return [];
  const rows = topConfusionRows(matrix, labels, MOST_CONFUSIONS);
  return [html`<h3>Most frequent confusions</h3>\n`, tableHtml(rows)];
}

function mistakeSection({ evaluation, mistakes = [] }: Report): Section[] {
  if (evaluation === undefined) return [];
  const { confusion, papers } = evaluation.metrics;
  const wrong = confusion.reduce((left, row, k) => left - row[k]!, papers);
  if (wrong > 0 && mistakes.length === 0) return [];
  const shown =
    wrong === 0
      ? 'None: every paper was given its class.'
      : `${grouped(mistakes.length)} of ${grouped(wrong)}: those to whose own class the model gave the smallest probability.`;
  return [{ title: 'Worst mistakes', body: html`${noteHtml(shown)}${mistakes.map(mistakeHtml)}` }];
}

function mistakeHtml(mistake: Mistake): Html {
  const { id, title, abstract, otherCategories, label, predicted, probabilities } = mistake;
  const ranking = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  const shown = ranking.filter(([name], i) => i < MOST_PROBABILITIES || name === label || name === predicted);
  const crossListed = otherCategories.includes(predicted) ? ', which is another of its categories' : '';
  const rest = shown.length < ranking.length ? ' · …' : '';
  return html`<article>
<h3>${title || 'no title'}</h3>
<p>Is <strong>${label}</strong>, was taken for <strong>${predicted}</strong>${crossListed}.</p>
<p class="note">${shown.map(([name, p]) => `${name} ${percent(p)}`).join(' · ')}${rest}</p>
<p>${shorten(abstract, ABSTRACT_SHOWN)}</p>
<p class="note">${[id, ...otherCategories.map(category => `also ${category}`)].join(' · ')}</p>
</article>
`;
}

function learning(saved: SavedModel, { history }: Report, words: Words): Promise<Section> {
  const { epochs, steps, bestEpoch } = history;
  return section('How it learned', async () => [
    words.omitted('history'),
    await figuresHtml(historyCharts(epochs, steps)),
    ...(epochs.length === 0
      ? []
      : [
          tableHtml([
            ['epoch', 'training loss', 'accuracy', 'validation loss', 'accuracy', 'macro-F1'],
            ...epochs.map(each => [
              `${each.epoch}${each.epoch === bestEpoch ? ', kept' : ''}`,
              each.trainLoss.toFixed(3),
              percent(each.trainAccuracy),
              each.validationLoss.toFixed(3),
              percent(each.validationAccuracy),
              percent(each.validationMacroF1),
            ]),
          ]),
          noteHtml(
            `Figures of training are means over the epoch, with dropout.${saved.words ? ' All are of the encoder alone, without the words beside it.' : ''}`,
          ),
        ]),
  ]);
}

function origin(record: TrainingRecordReader, { labels, lengths, head }: SavedModel): Section[] {
  const [training, data, imported] = [trainingTerms(record), dataTerms(record), importTerms(record)];
  const parts = partRows(record, labels);
  const settings = settingTerms(record);
  const reads = Object.entries(lengths).map(([text, tokens]) => `${text} ${tokens}`);
  return [
    {
      title: 'What was trained, and how',
      body: html`${imported.length > 0 ? [noteHtml('It was imported: of its training is known what its file states, which was not measured here.'), termsHtml(imported)] : ''}${termsHtml(
        [...training, ['head', head.type], ['reads at most', `${reads.join(', ')} tokens`]],
      )}${settings.length > 0 ? detailsHtml('Every setting of the recipe', termsHtml(settings)) : ''}`,
    },
    ...(data.length > 0
      ? [{ title: 'On what', body: html`${termsHtml(data)}${parts ? tableHtml(parts) : ''}` }]
      : []),
  ];
}

async function section(title: string, body: () => Promise<Html[]>): Promise<Section> {
  return { title, body: html`${await body()}` };
}

function termsHtml(terms: readonly Term[]): Html {
  return html`<dl>${terms.map(([term, text]) => html`<dt>${term}</dt><dd>${text}</dd>\n`)}</dl>\n`;
}

function noteHtml(text: string): Html {
  return html`<p class="note">${text}</p>\n`;
}
