// Self-attention over ragged sequences, one head at a time in the processor's cache: nothing is padded,
// copied or kept but a number a row, forward and backward (after FlashAttention, Dao et al., 2022). For
// bfloat16 on processors with AVX-512's products of it; attention.h has the rest.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "dropout.h"

namespace arxiv {

// Whether this processor has the kernel, and it takes heads of this width.
bool has_fused_attention(int64_t head_width);

struct Ragged {
  std::vector<int64_t> starts, lengths;  // of each sequence, in rows
};

// qkv: tokens × 3·heads·width, bfloat16, contiguous. Returns tokens × heads·width.
at::Tensor fused_attention(const at::Tensor& qkv, const Ragged& sequences, int64_t heads,
                           double dropout_probability, Pass& pass);

}  // namespace arxiv
