import { InferenceSession, Tensor } from 'onnxruntime-node';
import { ArxivNativeError } from '../../errors.js';
import { Decoder } from './decoder.js';
import { type Generation, type MarianShape, readMarianConfig } from './generation.js';
import { modelFile } from './model-files.js';

/** A Marian encoder-decoder on onnxruntime. It must not be loaded where LibTorch is. */
export class MarianModel {
  private constructor(
    readonly shape: MarianShape,
    readonly generation: Generation,
    private readonly encoder: InferenceSession,
    private readonly decoder: InferenceSession,
  ) {}

  /**
   * @param threads that each operation is divided among
   * @throws ArxivNativeError BAD_MODEL naming the file
   */
  static async load(folder: string, threads: number): Promise<MarianModel> {
    const { shape, generation } = await readMarianConfig(folder);
    const open = async (part: 'encoder' | 'decoder', inputs: string[]): Promise<InferenceSession> => {
      const file = modelFile(folder, part);
      const session = await InferenceSession.create(file, {
        executionProviders: ['cpu'],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
      }).catch(error => {
        throw new ArxivNativeError('BAD_MODEL', `${file}: onnxruntime cannot load it (${error.message})`, {
          remedy: `Copy or export the model again. If ${folder} lies in the cache, remove it, and it is fetched again.`,
          cause: error,
        });
      });
      const lacking = inputs.filter(name => !session.inputNames.includes(name));
      const unknown = session.inputNames.filter(name => !inputs.includes(name));
      if (lacking.length + unknown.length === 0) return session;
      const found = lacking.length > 0 ? `has no input ${lacking[0]}` : `wants an input ${unknown[0]}`;
      throw new ArxivNativeError('BAD_MODEL', `${file}: the ${part} ${found}`, {
        remedy: 'Export the model again, with optimum-cli export onnx --task text2text-generation-with-past.',
      });
    };
    const encoder = await open('encoder', ['input_ids', 'attention_mask']);
    const decoder = await open('decoder', Decoder.inputs(shape));
    return new MarianModel(shape, generation, encoder, decoder);
  }

  /**
   * Reads sentences, and makes ready to write.
   *
   * @param inputs token ids, each with the end token; shorter ones are padded to the longest
   * @param beams rows that each may come to need
   */
  async read(inputs: readonly (readonly number[])[], beams: number): Promise<Decoder> {
    const length = Math.max(...inputs.map(ids => ids.length));
    const dims = [inputs.length, length];
    const ids = new BigInt64Array(inputs.length * length).fill(BigInt(this.generation.pad));
    const mask = new BigInt64Array(ids.length);
    for (const [row, input] of inputs.entries()) {
      for (const [i, id] of input.entries()) ids[row * length + i] = BigInt(id);
      mask.fill(1n, row * length, row * length + input.length);
    }
    const { last_hidden_state: states } = await this.encoder.run({
      input_ids: new Tensor('int64', ids, dims),
      attention_mask: new Tensor('int64', mask, dims),
    });
    return new Decoder(
      this.decoder,
      this.shape,
      mask,
      states!.data as Float32Array,
      length,
      inputs.length,
      beams,
    );
  }

  async close(): Promise<void> {
    await this.encoder.release();
    await this.decoder.release();
  }
}
