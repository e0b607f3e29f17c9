"""The peer of `arxiv-native train --recipe v5.0`: the same model, data and rules in PyTorch + transformers.

Reads train.jsonl, validation.jsonl and test.jsonl (title, abstract, and the label in `label` or first in
categories), as `arxiv-native prepare` writes them. Writes JSON lines to --out as it goes: one when it starts, one an epoch, one at
the end; and the test predictions of the epoch that was best on validation to --predictions.
"""

import argparse
import json
import math
import platform
import resource
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from torch import nn
from transformers import AutoModel, AutoTokenizer

HIDDEN, DROPOUT = (512, 256, 128), (0.35, 0.35, 0.28)
EMBEDDING_DROPOUT = 0.1
CROSS_ATTENTION_HEADS, CROSS_ATTENTION_DROPOUT = 8, 0.1
INITIAL_DEVIATION = 0.02
HEAD_RATE_FACTOR, HEAD_DECAY_FACTOR = 5, 2
CLIP_NORM = 1.0
LABEL_SMOOTHING = 0.1
CLASS_WEIGHTS = {"cs.AI": 2.0}
FROZEN_LAYERS_OF_12 = 3


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True, help="folder of a BERT checkpoint and its tokenizer")
    parser.add_argument("--data", required=True, type=Path, help="folder with the three parts of the split")
    parser.add_argument("--out", required=True, type=Path, help="JSON lines about the run")
    parser.add_argument("--predictions", type=Path, help="JSON lines: id, label and predicted of each test paper")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="bf16 is autocast")
    parser.add_argument("--padding", choices=["dynamic", "fixed"], default="dynamic")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=12)
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--freeze", type=int, help="encoder layers (default: 3 of 12, in proportion)")
    parser.add_argument("--max-title", type=int, default=32)
    parser.add_argument("--max-abstract", type=int, default=128)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, help="default: PyTorch's own choice")
    return parser.parse_args()


class AttentionPool(nn.Linear):
    def __init__(self, width):
        super().__init__(width, 1)

    def forward(self, states, mask):
        scores = super().forward(states).squeeze(-1).float().masked_fill(~mask, -1e9)
        return (torch.softmax(scores, dim=1).unsqueeze(-1).to(states.dtype) * states).sum(dim=1)


class Classifier(nn.Module):
    def __init__(self, encoder, classes):
        super().__init__()
        width = encoder.config.hidden_size
        self.bert = encoder
        self.dropout = nn.Dropout(EMBEDDING_DROPOUT)
        self.cross_attn_title_to_abstract = self.cross_attention(width)
        self.cross_attn_abstract_to_title = self.cross_attention(width)
        self.norm_title = nn.LayerNorm(width)
        self.norm_abstract = nn.LayerNorm(width)
        self.title_pool_attn = AttentionPool(width)
        self.abstract_pool_attn = AttentionPool(width)
        stack, size = [], 2 * width
        for hidden, dropout in zip(HIDDEN, DROPOUT):
            stack += [nn.Linear(size, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout)]
            size = hidden
        self.fusion = nn.Sequential(*stack, nn.Linear(size, classes))
        # The cross-attentions keep PyTorch's own initialisation.
        for layer in (self.title_pool_attn, self.abstract_pool_attn, *self.fusion):
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=INITIAL_DEVIATION)
                nn.init.zeros_(layer.bias)

    @staticmethod
    def cross_attention(width):
        return nn.MultiheadAttention(
            width, CROSS_ATTENTION_HEADS, dropout=CROSS_ATTENTION_DROPOUT, batch_first=True
        )

    def encode(self, ids, mask):
        return self.dropout(self.bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state)

    def forward(self, title_ids, title_mask, abstract_ids, abstract_mask):
        title, abstract = self.encode(title_ids, title_mask), self.encode(abstract_ids, abstract_mask)
        of_title, _ = self.cross_attn_title_to_abstract(
            title, abstract, abstract, key_padding_mask=~abstract_mask, need_weights=False
        )
        of_abstract, _ = self.cross_attn_abstract_to_title(
            abstract, title, title, key_padding_mask=~title_mask, need_weights=False
        )
        pooled_title = self.title_pool_attn(self.norm_title(title + of_title), title_mask)
        pooled_abstract = self.abstract_pool_attn(self.norm_abstract(abstract + of_abstract), abstract_mask)
        return self.fusion(torch.cat([pooled_title, pooled_abstract], dim=1))


def read(file):
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def label_of(row):
    return row.get("label") or row["categories"][0]


class Papers:
    """One part of the split, tokenized once."""

    def __init__(self, file, tokenizer, labels, arguments):
        rows = read(file)
        self.ids = [row["id"] for row in rows]
        self.labels = torch.tensor([labels.index(label_of(row)) for row in rows])
        self.limits = {"title": arguments.max_title, "abstract": arguments.max_abstract}
        self.tokens = {
            side: tokenizer([row[side] for row in rows], truncation=True, max_length=limit)["input_ids"]
            for side, limit in self.limits.items()
        }
        self.pad = tokenizer.pad_token_id
        self.fixed = arguments.padding == "fixed"

    def batch(self, indices):
        """The model's inputs for these papers, and their labels."""
        inputs = []
        for side, limit in self.limits.items():
            sequences = [self.tokens[side][index] for index in indices]
            length = limit if self.fixed else max(map(len, sequences))
            ids = torch.tensor([sequence + [self.pad] * (length - len(sequence)) for sequence in sequences])
            lengths = torch.tensor([len(sequence) for sequence in sequences])
            inputs += [ids, torch.arange(length) < lengths.unsqueeze(1)]
        return inputs, self.labels[indices]


def optimizer_for(model, arguments):
    """Two groups: what trains of the encoder, embeddings too, and the head."""
    encoder = [parameter for parameter in model.bert.parameters() if parameter.requires_grad]
    head = [parameter for name, parameter in model.named_parameters() if not name.startswith("bert.")]
    return torch.optim.AdamW(
        [
            {"params": encoder, "lr": arguments.lr, "weight_decay": arguments.weight_decay},
            {
                "params": head,
                "lr": HEAD_RATE_FACTOR * arguments.lr,
                "weight_decay": HEAD_DECAY_FACTOR * arguments.weight_decay,
            },
        ]
    )


def autocast(arguments):
    return torch.autocast("cpu", torch.bfloat16, enabled=arguments.precision == "bf16")


@torch.no_grad()
def predict(model, papers, arguments, batch_size=64):
    model.eval()
    predicted = []
    for start in range(0, len(papers.ids), batch_size):
        inputs, _ = papers.batch(range(start, min(start + batch_size, len(papers.ids))))
        with autocast(arguments):
            predicted.append(model(*inputs).argmax(dim=1))
    return torch.cat(predicted)


def score(predicted, papers, labels):
    hits = predicted == papers.labels
    scores = {"accuracy": round(100 * hits.float().mean().item(), 2)}
    for index, label in enumerate(labels):
        scores[f"recall {label}"] = round(100 * hits[papers.labels == index].float().mean().item(), 2)
    return scores


def peak_memory():
    """Most resident memory so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 2**20 if platform.system() == "Darwin" else peak / 2**10)


def step_times(seconds):
    ordered = sorted(seconds)
    return {
        "steps": len(ordered),
        "step_seconds_min": round(ordered[0], 4),
        "step_seconds_median": round(statistics.median(ordered), 4),
        "step_seconds_mean": round(statistics.fmean(ordered), 4),
        "step_seconds_p10": round(ordered[len(ordered) // 10], 4),
        "step_seconds_p90": round(ordered[len(ordered) * 9 // 10], 4),
    }


def main():
    arguments = parse_arguments()
    torch.manual_seed(arguments.seed)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    labels = sorted({label_of(row) for row in read(arguments.data / "train.jsonl")})
    tokenizer = AutoTokenizer.from_pretrained(arguments.encoder)
    train, validation, test = (
        Papers(arguments.data / f"{part}.jsonl", tokenizer, labels, arguments)
        for part in ("train", "validation", "test")
    )
    # A float16 checkpoint would otherwise be trained in float16.
    model = Classifier(AutoModel.from_pretrained(arguments.encoder, dtype=torch.float32), len(labels))
    layers = model.bert.encoder.layer
    frozen = arguments.freeze
    if frozen is None:
        frozen = math.floor(FROZEN_LAYERS_OF_12 * len(layers) / 12 + 0.5)
    layers[:frozen].requires_grad_(False)

    optimizer = optimizer_for(model, arguments)
    total = arguments.epochs * math.ceil(len(train.ids) / arguments.batch_size)
    warm_up = total // 10
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: step / max(1, warm_up) if step < warm_up else (total - step) / max(1, total - warm_up),
    )
    class_weights = torch.tensor([CLASS_WEIGHTS.get(label, 1.0) for label in labels])

    out = arguments.out.open("w")

    def record(event, **values):
        line = json.dumps({"event": event, **values})
        print(line, flush=True)
        out.write(line + "\n")
        out.flush()

    record(
        "start",
        arguments={name: str(value) if isinstance(value, Path) else value for name, value in vars(arguments).items()},
        versions={"torch": torch.__version__, "transformers": transformers.__version__},
        threads=torch.get_num_threads(),
        frozen_layers=frozen,
        steps=total,
        papers=[len(part.ids) for part in (train, validation, test)],
    )
    best = -1.0
    for epoch in range(1, arguments.epochs + 1):
        began = time.perf_counter()
        seconds, losses = [], []
        model.train()
        order = torch.randperm(len(train.ids)).tolist()
        for start in range(0, len(order), arguments.batch_size):
            step_began = time.perf_counter()
            inputs, targets = train.batch(order[start : start + arguments.batch_size])
            optimizer.zero_grad()
            with autocast(arguments):
                logits = model(*inputs)
            loss = F.cross_entropy(
                logits.float(), targets, weight=class_weights, label_smoothing=LABEL_SMOOTHING
            )
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            seconds.append(time.perf_counter() - step_began)
        train_seconds = time.perf_counter() - began
        of_validation = score(predict(model, validation, arguments), validation, labels)
        predicted = predict(model, test, arguments)
        record(
            "epoch",
            epoch=epoch,
            loss=round(statistics.fmean(losses), 4),
            validation=of_validation,
            test=score(predicted, test, labels),
            **step_times(seconds),
            train_seconds=round(train_seconds, 1),
            epoch_seconds=round(time.perf_counter() - began, 1),
            peak_mib=peak_memory(),
        )
        if of_validation["accuracy"] > best:
            best, best_epoch, best_scores = of_validation["accuracy"], epoch, score(predicted, test, labels)
            if arguments.predictions:
                write_predictions(arguments.predictions, test, predicted, labels)
    record("end", best_epoch=best_epoch, validation_accuracy=best, test=best_scores, peak_mib=peak_memory())


def write_predictions(file, papers, predicted, labels):
    rows = zip(papers.ids, papers.labels.tolist(), predicted.tolist())
    lines = [json.dumps({"id": i, "label": labels[label], "predicted": labels[guess]}) for i, label, guess in rows]
    file.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
