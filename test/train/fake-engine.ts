import { writeFileSync } from 'node:fs';
import { ArxivNativeError } from '../../src/errors.js';
import { encoderTensors } from '../../src/model/families.js';
import { headTensors } from '../../src/model/head-tensors.js';
import type { EngineModel, ModelOptions, PackedBatch, StepResult, TrainBatch } from '../../src/native.js';

/** Stands for the engine where a test decides how each step and each prediction comes out. */
export class FakeModel implements EngineModel {
  readonly steps: TrainBatch[] = [];
  readonly saves: string[] = [];
  loads = 0;
  disposed = false;
  /** May throw, or change the outcome of a step, counted from 0. */
  onStep: (step: number) => Partial<StepResult> = () => ({});
  /** Logits of a batch, papers × 2. */
  onPredict: (papers: number) => number[] = papers => new Array(papers * 2).fill(0);
  onSave: () => void = () => {};

  constructor(readonly options: Pick<ModelOptions, 'encoder' | 'head'>) {}

  private get shapes(): Map<string, number[]> {
    const { encoder, head } = this.options;
    return new Map([...encoderTensors(encoder), ...headTensors(head, encoder.hiddenSize)]);
  }

  parameters(): ReturnType<EngineModel['parameters']> {
    return [...this.shapes].map(([name, shape]) => ({ name, shape, group: 'encoder', trainable: true }));
  }

  async trainStep(batch: TrainBatch): Promise<StepResult> {
    this.steps.push(batch);
    const outcome = this.onStep(this.steps.length - 1);
    return { loss: 1, gradientNorm: 1, correct: batch.labels.length, applied: true, ...outcome };
  }

  async predict({ offsets }: PackedBatch, cancel?: Uint8Array): Promise<Float32Array> {
    const logits = this.onPredict((offsets.length - 1) / 2);
    if (cancel?.[0]) throw new ArxivNativeError('CANCELLED', 'cancelled');
    return Float32Array.from(logits);
  }

  async save(file: string): Promise<void> {
    this.onSave();
    this.saves.push(file);
    writeFileSync(file, safetensors(this.shapes));
  }

  async load(): Promise<void> {
    this.loads += 1;
  }

  dispose(): void {
    this.disposed = true;
  }

  backward(): never {
    throw new Error('training has no use for it');
  }

  read(): never {
    throw new Error('training has no use for it');
  }
}

/** A safetensors file of zeros. */
export function safetensors(shapes: Map<string, number[]>): Buffer {
  const header: Record<string, unknown> = {};
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
