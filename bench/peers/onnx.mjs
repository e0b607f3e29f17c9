// onnxruntime-node as a contestant, on what export_onnx.py wrote. The spec has precision (fp32 or int8), onnx (the
// folder) and threads; tokens are made by our tokenizer, since onnxruntime has none.
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { Tokenizer } from '../../dist/text/tokenizer.js';
import { spec } from '../worker.mjs';
import { answerPredictions, padded } from './padded.mjs';

const tokenizer = await Tokenizer.open(spec.onnx);
const file = spec.precision === 'int8' ? 'model_quantized.onnx' : 'model.onnx';
const session = await ort.InferenceSession.create(join(spec.onnx, 'onnx', file), {
  intraOpNumThreads: spec.threads,
  interOpNumThreads: 1,
  executionProviders: ['cpu'],
});

await answerPredictions(
  async (papers, lengths) => {
    const feeds = {};
    for (const side of ['title', 'abstract']) {
      const { ids, mask, shape } = padded(
        papers.map(paper => tokenizer.encode(paper[side], lengths[side])),
        tokenizer.padTokenId,
      );
      feeds[`${side}_ids`] = new ort.Tensor('int64', ids, shape);
      feeds[`${side}_mask`] = new ort.Tensor('int64', mask, shape);
    }
    return (await session.run(feeds)).logits;
  },
  { onnxruntimeNode: ort.env.versions?.node },
);
