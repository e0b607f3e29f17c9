"""Writes the classifier of a work as ONNX: model.onnx in float32, and model_quantized.onnx with onnxruntime's dynamic
int8, in a folder of the layout that transformers.js reads. Arguments: the work's folder, the folder to write.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic

from pytorch import Work

NAMES = ["title_ids", "title_mask", "abstract_ids", "abstract_mask"]


class CrossAttention(torch.nn.Module):
    """What nn.MultiheadAttention computes, whose own trace has the lengths of its example as constants."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, query, key, value, key_padding_mask, need_weights):
        inner = self.attention
        weights, biases = inner.in_proj_weight.chunk(3), inner.in_proj_bias.chunk(3)
        query, key, value = (
            F.linear(x, weight, bias).reshape(x.shape[0], x.shape[1], inner.num_heads, -1).transpose(1, 2)
            for x, weight, bias in zip((query, key, value), weights, biases)
        )
        mask = ~key_padding_mask[:, None, None, :]
        context = F.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2)
        return inner.out_proj(context.reshape(context.shape[0], context.shape[1], -1)), None


class WithIntegerMasks(torch.nn.Module):
    """JavaScript's libraries give masks as integers."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        for name in ("cross_attn_title_to_abstract", "cross_attn_abstract_to_title"):
            setattr(model, name, CrossAttention(getattr(model, name)))

    def forward(self, title_ids, title_mask, abstract_ids, abstract_mask):
        return self.model(title_ids, title_mask.bool(), abstract_ids, abstract_mask.bool())


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    transformers.utils.logging.set_verbosity_error()
    work = Work({"work": folder})
    (out / "onnx").mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(work.saved / name, out / name)
    shutil.copy(Path(work.encoder) / "config.json", out / "config.json")
    inputs = [tensor.long() for tensor in work.inputs(work.rows[:2])]
    axes = {name: {0: "papers", 1: f"{name.split('_')[0]}_tokens"} for name in NAMES}
    full = out / "onnx" / "model.onnx"
    with torch.no_grad():
        torch.onnx.export(
            WithIntegerMasks(work.model()).eval(),
            tuple(inputs),
            str(full),
            input_names=NAMES,
            output_names=["logits"],
            dynamic_axes={**axes, "logits": {0: "papers"}},
            opset_version=17,
            dynamo=False,
        )
    quantize_dynamic(str(full), str(out / "onnx" / "model_quantized.onnx"), weight_type=QuantType.QInt8)
    print(json.dumps({"onnx": str(out)}))


if __name__ == "__main__":
    main()
