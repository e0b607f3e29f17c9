// Scaled dot-product attention (Vaswani et al., 2017) over one rectangle of sequences.
#pragma once

#include <ATen/ATen.h>

#include "dropout.h"

namespace arxiv {

// query: B × heads × Lq × d; key, value: B × heads × Lk × d; mask, broadcastable to B × heads × Lq × Lk:
// bool, true where a key may be attended to, or what is added to the scores, of query's type, or undefined
// for all keys alike. Each query must have a key. Returns B × Lq × heads · d.
at::Tensor attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                  const at::Tensor& mask, double dropout_probability, Pass& pass);

}  // namespace arxiv
