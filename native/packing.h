// Ragged batches: sequences end to end, padded only where attention needs a rectangle.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "config.h"

namespace arxiv {

// Sequences of like length that share one rectangle in attention.
struct Group {
  int64_t sequences, length, tokens;
  at::Tensor rows;  // where each token stands in the rectangle; undefined when nothing is padded
  at::Tensor keys;  // bool, sequences × 1 × 1 × length, true where there is a token; undefined likewise
};

// Sequences that lie among the rows of a tensor.
struct Ragged {
  std::vector<int64_t> starts, lengths;  // of each, in rows
};

// A batch on its device, its sequences sorted by length, longest first.
struct Pack {
  at::Tensor ids, positions;             // int64, one a token
  std::vector<Group> groups;             // together all tokens, in order
  std::vector<int64_t> starts, lengths;  // of each sequence, in the caller's order, in tokens
  int64_t sequences() const { return static_cast<int64_t>(starts.size()); }
};

// Sequences [first, first + count) of the batch. Throws BAD_INPUT on an id, length or offset out of range.
Pack pack(const PackedBatch& batch, int64_t first, int64_t count, const EncoderShape& encoder,
          at::Device device);

// A subset of a pack's sequences (every `stride`-th from `first`), as the rows of a rectangle.
struct Side {
  int64_t sequences, length;
  Ragged ragged;      // where each sequence lies among this side's tokens
  at::Tensor tokens;  // int64: the rows of the pack that belong to this side
  at::Tensor rows;    // int64: where each of them stands in the rectangle
  at::Tensor keys;    // bool, sequences × length
};

Side side(const Pack& pack, int64_t first, int64_t stride);

// A zero tensor of `rows` rows in which row to[i] is row i of x. Indices here are unique, so that each
// function's gradient is a plain gather or scatter the other way round, with a fixed order of summation.
at::Tensor place_rows(const at::Tensor& x, const at::Tensor& to, int64_t rows);

// The inverse: row i of the result is row `from[i]` of x.
at::Tensor take_rows(const at::Tensor& x, const at::Tensor& from);

// Means over each sequence's tokens, in the caller's order, in float32 (of sums in x's type). x: tokens ×
// size, in the pack's order.
at::Tensor means(const at::Tensor& x, const Pack& pack);

}  // namespace arxiv
