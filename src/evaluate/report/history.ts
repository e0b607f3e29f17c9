import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { METRICS, type SavedModel } from '../../model/saved-model.js';
import { fileError } from '../../util/files.js';
import { isNumber, isObject, TrainingRecordReader } from './record.js';

const EPOCH = [
  'trainLoss',
  'trainAccuracy',
  'validationLoss',
  'validationAccuracy',
  'validationMacroF1',
  'seconds',
] as const;

export type EpochFigures = { epoch: number } & Record<(typeof EPOCH)[number], number>;

/** Of the steps since the point before. */
export interface StepFigures {
  step: number;
  /** A mean. */
  loss: number;
  learningRate: number;
}

/** How a model learned, as training recorded it. */
export interface History {
  epochs: EpochFigures[];
  /** The epoch whose weights were kept. */
  bestEpoch?: number;
  /** What metrics.jsonl says of steps. */
  steps: StepFigures[];
}

/**
 * Reads how a model learned; empty where nothing is known, as of a model that was imported.
 *
 * @throws ArxivNativeError IO
 */
export async function readHistory(saved: SavedModel): Promise<History> {
  const record = new TrainingRecordReader(saved.training);
  const bestEpoch = record.number('bestEpoch');
  return {
    epochs: record
      .objects('history')
      .filter(each => ['epoch', ...EPOCH].every(key => isNumber(each[key]))) as unknown as EpochFigures[],
    ...(bestEpoch !== undefined && bestEpoch > 0 && { bestEpoch }),
    steps: await readSteps(join(saved.folder, METRICS)),
  };
}

/** A log that was cut short, or in which somebody wrote, tells what its whole lines tell. */
async function readSteps(file: string): Promise<StepFigures[]> {
  const steps: StepFigures[] = [];
  try {
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
      const { type, step, loss, learningRate } = parsed(line);
      if (type === 'step' && isNumber(step) && isNumber(loss) && isNumber(learningRate)) {
        steps.push({ step, loss, learningRate });
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError(error, `reading ${file}`);
  }
  return steps;
}

function parsed(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
