#pragma once

#include <ATen/ATen.h>

namespace arxiv {

// value = (stored - offset) × scale
struct Quantized {
  at::Tensor values;  // uint8, shaped as the original
  double scale;
  int64_t offset;
};

// Rounds a tensor of float32 or bfloat16 to 256 evenly spaced values from its smallest to its largest, 0
// among them. Throws NON_FINITE.
Quantized quantize(const at::Tensor& x);

// Rounds each row to 255 evenly spaced values, symmetric around 0: int8 values and one scale a row.
// x: rows × columns, float32.
std::pair<at::Tensor, at::Tensor> quantize_rows(const at::Tensor& x);

}  // namespace arxiv
