// transformers.js as a contestant, offline, on the same ONNX files as onnx.mjs. Spec: see there.
import { basename, dirname } from 'node:path';
import { spec } from '../worker.mjs';
import { answerPredictions } from './padded.mjs';

process.env.ORT_DISABLE_TELEMETRY = '1';
const { AutoModel, AutoTokenizer, env } = await import('@huggingface/transformers');
env.allowRemoteModels = false;
env.localModelPath = dirname(spec.onnx);
const name = basename(spec.onnx);
const tokenizer = await AutoTokenizer.from_pretrained(name);
const model = await AutoModel.from_pretrained(name, {
  dtype: spec.precision === 'int8' ? 'q8' : 'fp32',
  device: 'cpu',
  session_options: { intraOpNumThreads: spec.threads, interOpNumThreads: 1 },
});

await answerPredictions(
  async (papers, lengths) => {
    const inputs = {};
    for (const side of ['title', 'abstract']) {
      const texts = papers.map(paper => paper[side]);
      const tokens = await tokenizer(texts, { padding: true, truncation: true, max_length: lengths[side] });
      inputs[`${side}_ids`] = tokens.input_ids;
      inputs[`${side}_mask`] = tokens.attention_mask;
    }
    return (await model(inputs)).logits;
  },
  { 'transformers.js': env.version },
);
