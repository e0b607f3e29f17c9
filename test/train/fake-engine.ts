import { writeFileSync } from 'node:fs';
import { ArxivNativeError } from '../../src/errors.js';
import { encoderTensors } from '../../src/model/families.js';
import { headTensors } from '../../src/model/head-tensors.js';
import { openSafetensors } from '../../src/model/safetensors.js';
import type {
  EngineModel,
  ModelOptions,
  PackedBatch,
  StepResult,
  TensorSource,
  TrainBatch,
} from '../../src/native.js';

/** Stands for the engine where a test decides how each step and each prediction comes out. */
export class FakeModel implements EngineModel {
  readonly steps: TrainBatch[] = [];
  readonly saves: string[] = [];
  loads = 0;
  /** Its only weight: whatever it was trained on, in which order and at which rates, is in it. Files hold it. */
  weight = 1;
  optimizerSteps = 0;
  disposed = false;
  /** May throw, or change the outcome of a step, counted from 0. */
  onStep: (step: number) => Partial<StepResult> = () => ({});
  /** Logits of a batch, papers × 2. */
  onPredict: (papers: number) => number[] = papers => new Array(papers * 2).fill(0);
  onSave: (file: string) => void = () => {};

  constructor(readonly options: Pick<ModelOptions, 'encoder' | 'head'>) {}

  private get shapes(): Map<string, number[]> {
    const { encoder, head } = this.options;
    return new Map([...encoderTensors(encoder), ...headTensors(head!, encoder.hiddenSize)]);
  }

  parameters(): ReturnType<EngineModel['parameters']> {
    return [...this.shapes].map(([name, shape]) => ({ name, shape, group: 'encoder', trainable: true }));
  }

  async trainStep(batch: TrainBatch): Promise<StepResult> {
    this.steps.push(batch);
    const outcome = this.onStep(this.steps.length - 1);
    this.optimizerSteps += 1;
    const seen = [
      batch.learningRateScale,
      batch.microBatch,
      this.optimizerSteps,
      ...batch.ids,
      ...batch.labels,
    ];
    for (const value of seen) this.weight = Math.fround(Math.sin(this.weight * 7 + value));
    return { loss: 1, gradientNorm: 1, correct: batch.labels.length, applied: true, ...outcome };
  }

  async predict({ offsets }: PackedBatch, cancel?: Uint8Array): Promise<Float32Array> {
    const logits = this.onPredict((offsets.length - 1) / 2);
    if (cancel?.[0]) throw new ArxivNativeError('CANCELLED', 'cancelled');
    return Float32Array.from(logits);
  }

  async save(file: string, options: Parameters<EngineModel['save']>[1]): Promise<void> {
    this.onSave(file);
    this.saves.push(file);
    const metadata = {
      ...options.metadata,
      weight: String(this.weight),
      ...(options.optimizer && { optimizer_steps: String(this.optimizerSteps) }),
    };
    writeFileSync(file, safetensors(this.shapes, metadata));
  }

  async load(sources: TensorSource[], optimizerSteps?: number): Promise<void> {
    this.loads += 1;
    const { metadata } = await openSafetensors(sources[0]!.file);
    this.weight = Number(metadata.weight);
    if (optimizerSteps !== undefined) this.optimizerSteps = optimizerSteps;
  }

  dispose(): void {
    this.disposed = true;
  }

  backward(): never {
    throw new Error('training has no use for it');
  }

  pretrain(): never {
    throw new Error('training has no use for it');
  }

  read(): never {
    throw new Error('training has no use for it');
  }
}

/** A safetensors file of zeros. */
export function safetensors(shapes: Map<string, number[]>, metadata?: Record<string, string>): Buffer {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let end = 0;
  for (const [name, shape] of shapes) {
    const begin = end;
    end += 4 * shape.reduce((product, size) => product * size, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(end)]);
}
