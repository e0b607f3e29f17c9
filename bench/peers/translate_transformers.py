"""The peer of bench/translate.mjs: the same sentences through transformers' `generate`, on the same model.

Reads a JSON file of token ids (a list of sentences) and prints, as JSON, the seconds that they took, by the clock and
by the processor, after one batch that is not counted; the peak of its memory; and the ids that came out.
"""

import argparse
import json
import resource
import time

import torch
from transformers import GenerationConfig, MarianMTModel

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", required=True, help="folder with config.json and model.safetensors")
parser.add_argument("--sentences", required=True, help="JSON file of lists of token ids")
parser.add_argument("--beams", type=int, required=True)
parser.add_argument("--batch", type=int, required=True, help="sentences, of like length")
parser.add_argument("--threads", type=int, required=True)
args = parser.parse_args()

torch.set_num_threads(args.threads)
model = MarianMTModel.from_pretrained(args.model).eval()
standard = model.generation_config.to_diff_dict()
model.generation_config = GenerationConfig(**{**standard, "num_beams": args.beams})
pad = model.config.pad_token_id
with open(args.sentences, encoding="utf-8") as file:
    sentences = json.load(file)
order = sorted(range(len(sentences)), key=lambda i: -len(sentences[i]))
batches = [order[i : i + args.batch] for i in range(0, len(order), args.batch)]
written = [None] * len(sentences)


def translate(batch):
    longest = max(len(sentences[i]) for i in batch)
    ids = torch.full((len(batch), longest), pad)
    mask = torch.zeros_like(ids)
    for row, i in enumerate(batch):
        ids[row, : len(sentences[i])] = torch.tensor(sentences[i])
        mask[row, : len(sentences[i])] = 1
    for row, i in zip(model.generate(input_ids=ids, attention_mask=mask).tolist(), batch):
        row = row[1:]
        while row and row[-1] == pad:
            row.pop()
        written[i] = row


translate(batches[-1])
start, start_cpu = time.perf_counter(), time.process_time()
for batch in batches:
    translate(batch)
print(
    json.dumps(
        {
            "seconds": time.perf_counter() - start,
            "cpuSeconds": time.process_time() - start_cpu,
            "peakMib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "outputs": written,
        }
    )
)
