"""PyTorch + transformers as a contestant: the other end of the protocol in ../contest.mjs.

A spec (JSON, the one argument) has work, task (train, predict, tokenize), precision (fp32; autocast, which is bf16
autocast; bf16, where the weights are bf16 too), compile and threads. Compiled models get texts of full length, since
every other length would be compiled anew; the others are padded to the longest of a batch.
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModel, AutoTokenizer

from train_pytorch import CLIP_NORM, HEAD_DECAY_FACTOR, HEAD_RATE_FACTOR, LABEL_SMOOTHING, Classifier

BATCH = 64


class Work:
    def __init__(self, spec):
        folder = Path(spec["work"])
        facts = json.loads((folder / "work.json").read_text())
        self.encoder, self.saved = facts["encoder"], Path(facts["model"])
        self.labels, self.lengths, self.training = facts["labels"], facts["lengths"], facts["training"]
        with open(facts["papers"], encoding="utf-8") as lines:
            self.rows = [json.loads(line) for line in lines]
        self.tokenizer = AutoTokenizer.from_pretrained(self.encoder)
        self.fixed = spec.get("compile", False)

    def range(self, message):
        start = message["first"]
        return [self.rows[index % len(self.rows)] for index in range(start, start + message["count"])]

    def inputs(self, rows):
        """Ids and mask of the titles, ids and mask of the abstracts."""
        inputs = []
        for side in ("title", "abstract"):
            encoded = self.tokenizer(
                [row[side] for row in rows],
                truncation=True,
                max_length=self.lengths[side],
                padding="max_length" if self.fixed else True,
                return_tensors="pt",
            )
            inputs += [encoded["input_ids"], encoded["attention_mask"].bool()]
        return inputs

    def model(self):
        """The classifier with the weights that ours has."""
        model = Classifier(AutoModel.from_pretrained(self.encoder, dtype=torch.float32), len(self.labels))
        weights = load_file(self.saved / "model.safetensors")
        head = {name.removeprefix("head."): value for name, value in weights.items() if name.startswith("head.")}
        _, unexpected = model.load_state_dict(head, strict=False)
        if unexpected:
            raise SystemExit(f"the head has no {unexpected[0]}")
        return model


def train(work, spec):
    model = work.model().train()
    rules = work.training
    model.bert.encoder.layer[: rules["frozenLayers"]].requires_grad_(False)
    encoder = [parameter for parameter in model.bert.parameters() if parameter.requires_grad]
    head = [parameter for name, parameter in model.named_parameters() if not name.startswith("bert.")]
    rate, decay = rules["learningRate"], rules["weightDecay"]
    groups = [
        {"params": encoder, "lr": rate, "weight_decay": decay},
        {"params": head, "lr": HEAD_RATE_FACTOR * rate, "weight_decay": HEAD_DECAY_FACTOR * decay},
    ]
    optimizer = torch.optim.AdamW(groups)
    weights = torch.tensor(rules["classWeights"], dtype=torch.float32) if rules["classWeights"] else None
    forward = torch.compile(model, dynamic=False) if spec.get("compile") else model

    def prepare(message):
        rows = work.range(message)
        inputs, targets = work.inputs(rows), torch.tensor([work.labels.index(row["label"]) for row in rows])

        def step():
            optimizer.zero_grad()
            with autocast(spec):
                logits = forward(*inputs)
            loss = F.cross_entropy(logits.float(), targets, weight=weights, label_smoothing=LABEL_SMOOTHING)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimizer.step()
            return {"loss": loss.item()}

        return step

    return prepare


def predict(work, spec):
    model = work.model().eval()
    if spec["precision"] == "bf16":
        model = model.to(torch.bfloat16)
    if spec.get("compile"):
        from torch._inductor import config

        config.freezing = True
        model = torch.compile(model, dynamic=False)

    def prepare(message):
        rows = work.range(message)

        @torch.no_grad()
        def run():
            probabilities = []
            for start in range(0, len(rows), BATCH):
                with autocast(spec):
                    logits = model(*work.inputs(rows[start : start + BATCH]))
                probabilities += logits.float().softmax(-1).tolist()
            return {"probabilities": probabilities} if message.get("show") else {}

        return run

    return prepare


def tokenize(work, _):
    def prepare(message):
        rows = work.range(message)

        def run():
            tokens = 0
            for side, limit in work.lengths.items():
                encoded = work.tokenizer([row[side] for row in rows], truncation=True, max_length=limit)
                tokens += sum(map(len, encoded["input_ids"]))
            return {"tokens": tokens}

        return run

    return prepare


def autocast(spec):
    return torch.autocast("cpu", torch.bfloat16, enabled=spec["precision"] == "autocast")


def write(**values):
    print(json.dumps(values), flush=True)


def main():
    spec = json.loads(sys.argv[1])
    torch.manual_seed(42)
    torch.set_num_threads(spec["threads"])
    transformers.utils.logging.set_verbosity_error()
    prepare = {"train": train, "predict": predict, "tokenize": tokenize}[spec["task"]](Work(spec), spec)
    write(ready=True, torch=torch.__version__, transformers=transformers.__version__)
    for line in sys.stdin:
        run = prepare(json.loads(line))
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        result = run()
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
        write(
            seconds=seconds,
            cpuSeconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            pageFaults=after.ru_minflt - before.ru_minflt,
            peakMib=after.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
            **result,
        )


if __name__ == "__main__":
    main()
