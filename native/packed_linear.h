// Linear layers of a model that only predicts: their weights are put once into the order, or the type, that
// oneDNN's fastest kernels read.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>

namespace arxiv {

class PackedLinear {
 public:
  virtual ~PackedLinear() = default;
  // x: rows × in. Returns activation(x · weightᵀ + bias), rows × out, in x's type; the activation is computed
  // before the result is rounded. Its name is one of `activate`'s, or "none".
  virtual at::Tensor operator()(const at::Tensor& x, const std::string& activation) const = 0;
};

// weight: out × in, bfloat16; bias: out; x bfloat16. Null where this LibTorch has no such kernels.
std::unique_ptr<PackedLinear> pack_bfloat16(const at::Tensor& weight, const at::Tensor& bias);

// Weights as int8 with a scale for each output; activations as uint8 with a scale and an offset found for
// each call. weight: out × in; x may be float32 or bfloat16. Throws UNSUPPORTED where there
// are no such products.
std::unique_ptr<PackedLinear> pack_int8(const at::Tensor& weight, const at::Tensor& bias);

// Whether this processor and this LibTorch have int8 products that are worth it.
bool has_int8();

}  // namespace arxiv
