// Attention over ragged sequences, one head at a time in the processor's cache: nothing is padded,
// copied or kept but a number a row, forward and backward (after FlashAttention, Dao et al., 2022). For
// bfloat16 on processors with AVX-512's products of it; attention.h has the rest.
#pragma once

#include <ATen/ATen.h>

#include "dropout.h"
#include "packing.h"

namespace arxiv {

// Whether this processor has the kernel, and it takes x in heads of this width.
bool takes_fused_attention(const at::Tensor& x, int64_t head_width);

// Of each sequence of queries the attention over its sequence of keys. q: tokens × heads·width; kv: its
// tokens × 2·heads·width, keys before values; or q has all three, tokens × 3·heads·width, and kv is
// undefined. bfloat16. Returns q's tokens × heads·width.
at::Tensor fused_attention(const at::Tensor& q, const at::Tensor& kv, const Ragged& queries,
                           const Ragged& keys, int64_t heads, double dropout_probability, Pass& pass);

}  // namespace arxiv
