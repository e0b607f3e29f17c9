import { counted, grouped } from '../../util/format.js';
import type { CalibrationBin } from '../calibration.js';
import { type Chart, COLORS, columnsOf, FAINT, fitInto, legendOf } from '../charts.js';
import type { Evaluation } from '../evaluate-model.js';
import { points } from '../evaluation-words.js';
import { largest, type TitledChart } from '../titled-charts.js';
import type { EpochFigures, StepFigures } from './history.js';
import type { ThresholdCurve } from './report-model.js';

/** Beyond these a chart shows the largest classes only. */
const MOST_BARS = 24;
/** Classes whose confusions have room for their numbers, and for a colour. */
const MOST_NUMBERS = 8;
const MOST_CELLS = 40;
/** Points of a line: more cannot be told apart. */
const MOST_POINTS = 200;
/** Rows of a table that says what a line shows. */
const MOST_ROWS = 12;

const SHARE = { format: '.0%', tickCount: 5 };
/** Pixels that labels beside a y axis have, for what text takes is only estimated, and % is wide. */
const BESIDE = { minExtent: 36 };
const WHOLE = { domain: [0, 1] };
const quantitative = (field: string, more: object = {}) => ({ field, type: 'quantitative', ...more });

/** Precision, recall and F1 of each class with their intervals. */
export function classChart({ metrics, intervals, labels }: Evaluation): TitledChart {
  const figures = ['precision', 'recall', 'F1'] as const;
  const shown = largest(
    metrics.perClass.map(each => each.support),
    MOST_BARS,
  );
  const values = shown.flatMap(k => {
    const { precision, recall, f1 } = intervals.perClass[k]!;
    return [precision, recall, f1].map(({ value, low, high }, i) => ({
      label: labels[k],
      figure: figures[i],
      value,
      low,
      high,
    }));
  });
  const position = {
    y: { field: 'label', type: 'nominal', sort: null, title: null, scale: { paddingInner: 0.3 } },
    yOffset: { field: 'figure', type: 'nominal', sort: figures },
  };
  return {
    title: 'Precision, recall and F1 a class',
    chart: {
      height: { step: 13, for: 'offset' },
      data: { values },
      layer: [
        {
          mark: { type: 'bar', height: { band: 0.85 } },
          encoding: {
            ...position,
            x: quantitative('value', { title: null, scale: WHOLE, axis: { ...SHARE, grid: true } }),
            color: colorOf('figure', figures),
          },
        },
        {
          mark: { type: 'rule', strokeWidth: 1.2 },
          encoding: { ...position, x: quantitative('low'), x2: { field: 'high' } },
        },
      ],
    },
    alt: 'Bars of precision, recall and F1 of each class, with their intervals; the table below has them.',
    note: [
      'The lines are 95 % intervals.',
      ...(shown.length < labels.length ? [`The ${shown.length} largest of ${labels.length} classes.`] : []),
    ].join(' '),
  };
}

/** The matrix of confusions in colour; undefined for classes too many to show. */
export function confusionChart(
  matrix: readonly (readonly number[])[],
  labels: readonly string[],
): TitledChart | undefined {
  if (labels.length > MOST_CELLS) return undefined;
  const columns = columnsOf(labels);
  const withNumbers = labels.length <= MOST_NUMBERS && fitInto(columns.band, matrix.flat().map(grouped));
  const values = matrix.flatMap((row, i) => {
    const papers = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, j) => ({
      is: labels[i],
      said: labels[j],
      count,
      share: count / Math.max(1, papers),
      right: i === j,
    }));
  });
  return {
    title: 'What papers are (rows), and what was said (columns)',
    chart: {
      height: { step: withNumbers ? 38 : Math.max(12, Math.floor(320 / labels.length)) },
      data: { values },
      encoding: {
        y: { field: 'is', type: 'nominal', sort: labels, title: null },
        x: { field: 'said', type: 'nominal', sort: labels, title: null, axis: columns.axis },
      },
      layer: [
        {
          mark: { type: 'rect' },
          encoding: {
            color: {
              field: 'right',
              type: 'nominal',
              scale: { domain: [true, false], range: [COLORS[0], COLORS[1]] },
              legend: null,
            },
            fillOpacity: quantitative('share', {
              scale: { domain: [0, 1], range: [0.04, 0.75] },
              legend: null,
            }),
          },
        },
        ...(withNumbers
          ? [{ mark: { type: 'text' }, encoding: { text: quantitative('count', { format: ',d' }) } }]
          : []),
      ],
    },
    alt: 'The matrix of confusions, each row coloured by the shares of its papers; the table has the numbers.',
    note: 'Blue where both agree; the stronger the colour, the larger the share of the row.',
  };
}

/** The reliability diagram. */
export function reliabilityChart(bins: readonly CalibrationBin[]): TitledChart {
  const values = bins.filter(bin => bin.papers > 0);
  const diagonal = [0, 1].map(p => ({ p }));
  const x = (field: string) =>
    quantitative(field, { title: 'probability of the most probable class', scale: WHOLE, axis: SHARE });
  const y = (field: string) =>
    quantitative(field, { title: 'share that is right', scale: WHOLE, axis: SHARE });
  return {
    title: 'How often it is right, by how sure it is',
    chart: {
      height: 280,
      layer: [
        {
          data: { values: diagonal },
          mark: { type: 'line', strokeDash: [4, 3], strokeWidth: 1, color: FAINT },
          encoding: { x: x('p'), y: y('p') },
        },
        { data: { values }, mark: { type: 'line' }, encoding: { x: x('confidence'), y: y('accuracy') } },
        {
          data: { values },
          mark: { type: 'circle', opacity: 0.85 },
          encoding: {
            x: x('confidence'),
            y: y('accuracy'),
            size: quantitative('papers', { scale: { range: [16, 320] }, legend: null }),
          },
        },
      ],
    },
    alt: 'A reliability diagram: share of right answers over the probability of the most probable class.',
    note: 'On the dashed line a probability is what it says; below it the model is too sure. The larger a point, the more papers.',
    table: [
      ['probability', 'papers', 'mean', 'right'],
      ...values.map(({ lower, upper, papers, confidence, accuracy }) => [
        `${points(lower)}–${points(upper)} %`,
        papers.toLocaleString('en-US'),
        `${points(confidence)} %`,
        `${points(accuracy)} %`,
      ]),
    ],
  };
}

/** What the threshold of a class trades. @param threshold the model's own, where it has one */
export function curveChart(
  { label, papers, points: curve }: ThresholdCurve,
  threshold?: number,
): TitledChart {
  const names = ['precision', 'recall', 'accuracy', 'macro-F1'] as const;
  const end = Math.ceil(10 * Math.max(threshold ?? 0, ...curve.map(point => point.threshold))) / 10;
  const values = thinned(curve, MOST_POINTS).flatMap(point =>
    [point.precision, point.recall, point.accuracy, point.macroF1].map((value, i) => ({
      threshold: point.threshold,
      figure: names[i],
      value,
    })),
  );
  return {
    title: `What a threshold of ${label} trades`,
    chart: {
      height: 230,
      layer: [
        {
          data: { values },
          mark: { type: 'line', interpolate: 'step-after', strokeWidth: 1.6 },
          encoding: {
            x: quantitative('threshold', {
              title: 'threshold',
              scale: { domain: [0, end] },
              axis: { tickCount: 6 },
            }),
            y: quantitative('value', { title: null, scale: WHOLE, axis: { ...SHARE, ...BESIDE } }),
            color: colorOf('figure', names),
          },
        },
        ...(threshold === undefined
          ? []
          : [
              {
                data: { values: [{ threshold }] },
                mark: { type: 'rule', strokeDash: [4, 3] },
                encoding: { x: quantitative('threshold') },
              },
            ]),
      ],
    },
    alt: `Precision and recall of ${label}, accuracy and macro-F1 over its threshold; the table has them.`,
    note: [
      `Of ${counted(papers, 'validation paper')}: ${label} is chosen wherever its probability reaches the threshold, elsewhere the most probable class.`,
      ...(threshold === undefined ? [] : [`The dashed line is the model's own: ${threshold.toFixed(3)}.`]),
    ].join(' '),
    table: [
      ['threshold', 'precision', 'recall', 'accuracy', 'macro-F1'],
      ...thinned(curve, MOST_ROWS).map(({ threshold: at, precision, recall, accuracy, macroF1 }) => [
        at.toFixed(3),
        ...[precision, recall, accuracy, macroF1].map(value => `${points(value)} %`),
      ]),
    ],
  };
}

/** Loss and accuracy by epoch, loss and learning rate by step: those that have more than one point. */
export function historyCharts(epochs: readonly EpochFigures[], steps: readonly StepFigures[]): TitledChart[] {
  const averaged = averages(steps, MOST_POINTS);
  return [
    ...(epochs.length > 1
      ? [
          epochChart('Loss an epoch', epochs, each => [each.trainLoss, each.validationLoss], '.2f'),
          epochChart(
            'Accuracy an epoch',
            epochs,
            each => [each.trainAccuracy, each.validationAccuracy],
            '.0%',
          ),
        ]
      : []),
    ...(averaged.length > 1
      ? [
          stepChart('Loss of training, by step', averaged, 'loss', '.2f'),
          stepChart('Learning rate, by step', averaged, 'learningRate', '.1e'),
        ]
      : []),
  ];
}

function epochChart(
  title: string,
  epochs: readonly EpochFigures[],
  pick: (each: EpochFigures) => [train: number, validation: number],
  format: string,
): TitledChart {
  const names = ['training', 'validation'] as const;
  const values = epochs.flatMap(each =>
    pick(each).map((value, i) => ({ epoch: each.epoch, part: names[i], value })),
  );
  return {
    title,
    chart: {
      height: 170,
      data: { values },
      mark: { type: 'line', point: { size: 30 } },
      encoding: {
        x: quantitative('epoch', {
          title: 'epoch',
          scale: { nice: false },
          axis: { format: 'd', tickMinStep: 1, tickCount: Math.min(8, epochs.length) },
        }),
        y: quantitative('value', {
          title: null,
          scale: { zero: false },
          axis: { ...BESIDE, format, tickCount: 4 },
        }),
        color: colorOf('part', names),
      },
    },
    alt: `${title}, of the training and the validation papers; the table below has it.`,
  };
}

function stepChart(
  title: string,
  steps: readonly StepFigures[],
  field: 'loss' | 'learningRate',
  format: string,
): TitledChart {
  const first = steps[0]!;
  const last = steps.at(-1)!;
  return {
    title,
    chart: {
      height: 150,
      data: { values: steps },
      mark: { type: 'line', strokeWidth: 1.6 },
      encoding: {
        x: quantitative('step', { title: 'step', axis: { format: ',d', tickMinStep: 1, tickCount: 5 } }),
        y: quantitative(field, {
          title: null,
          scale: { zero: field === 'learningRate' },
          axis: { format, tickCount: 4 },
        }),
      },
    },
    alt: `${title}: ${first[field].toPrecision(3)} at step ${first.step}, ${last[field].toPrecision(3)} at step ${last.step}.`,
  };
}

function colorOf(field: string, names: readonly string[]): Chart {
  return {
    field,
    type: 'nominal',
    scale: { domain: names, range: COLORS.slice(0, names.length) },
    legend: legendOf(names),
  };
}

/** At most so many of a list, evenly, its first and last among them. */
function thinned<T>(list: readonly T[], most: number): T[] {
  if (list.length <= most) return [...list];
  return Array.from({ length: most }, (_, i) => list[Math.round((i * (list.length - 1)) / (most - 1))]!);
}

/** At most so many points, each the mean of those that it stands for, at the last of them. */
function averages(steps: readonly StepFigures[], most: number): StepFigures[] {
  const size = Math.ceil(steps.length / most);
  return Array.from({ length: Math.ceil(steps.length / size) || 0 }, (_, i) => {
    const bucket = steps.slice(i * size, (i + 1) * size);
    const mean = (field: 'loss' | 'learningRate') =>
      bucket.reduce((sum, each) => sum + each[field], 0) / bucket.length;
    return { step: bucket.at(-1)!.step, loss: mean('loss'), learningRate: mean('learningRate') };
  });
}
