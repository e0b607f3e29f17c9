#include "dropout.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "vectorize.h"

namespace arxiv {
namespace {

inline void store(float* out, float x) { *out = x; }
inline void store(uint16_t* out, float x) { *out = narrow(x); }

template <typename T>
inline __attribute__((always_inline)) void apply(const T* x, const T* residual, T* out, int64_t begin,
                                                 int64_t end, DropoutStream s) {
  if (residual) {
    for (int64_t i = begin; i < end; i++) {
      float factor = hash(static_cast<uint32_t>(i), s.key0, s.key1) >= s.threshold ? s.scale : 0.0f;
      store(out + i, load(x[i]) * factor + load(residual[i]));
    }
  } else {
    for (int64_t i = begin; i < end; i++) {
      float factor = hash(static_cast<uint32_t>(i), s.key0, s.key1) >= s.threshold ? s.scale : 0.0f;
      store(out + i, load(x[i]) * factor);
    }
  }
}

VECTORIZED void apply_float(const float* x, const float* residual, float* out, int64_t begin, int64_t end,
                            DropoutStream s) {
  apply(x, residual, out, begin, end, s);
}

VECTORIZED void apply_bfloat16(const uint16_t* x, const uint16_t* residual, uint16_t* out, int64_t begin,
                               int64_t end, DropoutStream s) {
  apply(x, residual, out, begin, end, s);
}

at::Tensor run(const at::Tensor& input, const std::optional<at::Tensor>& added, double p, uint64_t key) {
  at::Tensor x = input.contiguous();
  at::Tensor residual = added ? added->contiguous() : at::Tensor();
  at::Tensor out = at::empty_like(x);
  DropoutStream s = dropout_stream(p, key);
  at::parallel_for(0, x.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
    if (x.scalar_type() == at::kFloat) {
      apply_float(x.const_data_ptr<float>(), residual.defined() ? residual.const_data_ptr<float>() : nullptr,
                  out.mutable_data_ptr<float>(), begin, end, s);
    } else {
      apply_bfloat16(static_cast<const uint16_t*>(x.const_data_ptr()),
                     residual.defined() ? static_cast<const uint16_t*>(residual.const_data_ptr()) : nullptr,
                     static_cast<uint16_t*>(out.mutable_data_ptr()), begin, end, s);
    }
  });
  return out;
}

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct CounterDropout : torch::autograd::Function<CounterDropout> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const std::optional<at::Tensor>& residual, double p, int64_t key) {
    context->saved_data["p"] = p;
    context->saved_data["key"] = key;
    context->saved_data["residual"] = residual.has_value();
    return run(x, residual, p, static_cast<uint64_t>(key));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    at::Tensor x = run(gradients[0], std::nullopt, context->saved_data["p"].toDouble(),
                       static_cast<uint64_t>(context->saved_data["key"].toInt()));
    at::Tensor residual = context->saved_data["residual"].toBool() ? gradients[0] : at::Tensor();
    return {x, residual, Variable(), Variable()};
  }
};

}  // namespace

// splitmix64's finaliser (Steele, Lea and Flood, 2014) over both words.
uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t z = a + 0x9e3779b97f4a7c15ull * (b + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

at::Tensor dropout(const at::Tensor& x, double p, Pass& pass, const at::Tensor& residual) {
  if (!pass.training || p == 0) return residual.defined() ? x + residual : x;
  bool ours = x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
  if (ours) {
    std::optional<at::Tensor> added = residual.defined() ? std::optional<at::Tensor>(residual) : std::nullopt;
    return CounterDropout::apply(x, added, p, static_cast<int64_t>(mix(pass.key, pass.calls++)));
  }
  // Elsewhere the device's own generator, seeded once a pass, does as well.
  at::Tensor dropped = at::dropout(x, p, true);
  return residual.defined() ? dropped + residual : dropped;
}

}  // namespace arxiv
