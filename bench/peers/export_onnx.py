"""Writes the classifier of a work as ONNX: model.onnx in float32, and model_quantized.onnx with onnxruntime's dynamic
int8, in a folder of the layout that transformers.js reads. Arguments: the work's folder, the folder to write.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic

from pytorch import Work

NAMES = ["title_ids", "title_mask", "abstract_ids", "abstract_mask"]


class WithIntegerMasks(torch.nn.Module):
    """JavaScript's libraries give masks as integers."""

    def __init__(self, model):
        super().__init__()
        self.model = model

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
