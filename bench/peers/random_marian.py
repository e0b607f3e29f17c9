"""Writes a Marian model of an opus-mt model's size with random weights, for PyTorch and as the ONNX files of the Hub.

Its translations mean nothing, and none ends by itself: each is as long as it may be.
"""

import argparse
from pathlib import Path

import torch
from optimum.exporters.onnx import onnx_export_from_model
from transformers import GenerationConfig, MarianConfig, MarianMTModel

VOCABULARY = 65001
PAD = VOCABULARY - 1

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path)
parser.add_argument("--length", type=int, default=33, help="tokens of a translation, the start among them")
args = parser.parse_args()

torch.manual_seed(0)
config = MarianConfig(
    vocab_size=VOCABULARY,
    d_model=512,
    encoder_layers=6,
    decoder_layers=6,
    encoder_attention_heads=8,
    decoder_attention_heads=8,
    encoder_ffn_dim=2048,
    decoder_ffn_dim=2048,
    max_position_embeddings=512,
    activation_function="swish",
    scale_embedding=True,
    pad_token_id=PAD,
    decoder_start_token_id=PAD,
    eos_token_id=0,
    forced_eos_token_id=0,
)
model = MarianMTModel(config).eval()
model.generation_config = GenerationConfig(
    pad_token_id=PAD,
    decoder_start_token_id=PAD,
    eos_token_id=0,
    forced_eos_token_id=0,
    bad_words_ids=[[PAD]],
    max_length=args.length,
    num_beams=4,
)
model.save_pretrained(args.folder)
onnx_export_from_model(model, args.folder, task="text2text-generation-with-past", do_validation=False)
for name in ["decoder_model.onnx", "decoder_with_past_model.onnx"]:
    for part in args.folder.glob(f"{name}*"):
        part.unlink()
