#include "attention.h"

#include <cmath>
#include <limits>

namespace arxiv {

at::Tensor attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                  const at::Tensor& mask, double dropout_probability, Pass& pass) {
  double p = pass.training ? dropout_probability : 0;
  at::Tensor context;
  if (p > 0 && query.is_cpu()) {
    // LibTorch's CPU kernels know no dropout; its fallback draws Bernoulli numbers one by one.
    at::Tensor scaled = query / std::sqrt(static_cast<double>(query.size(-1)));
    at::Tensor scores = at::matmul(scaled, key.transpose(-2, -1));
    if (mask.defined()) {
      scores = mask.scalar_type() == at::kBool
                   ? scores.masked_fill(mask.logical_not(), -std::numeric_limits<float>::infinity())
                   : scores + mask;
    }
    context = at::matmul(dropout(scores.softmax(-1), p, pass), value);
  } else {
    std::optional<at::Tensor> given = mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt;
    // MPS's kernel is wrong on permuted views (pytorch#181133).
    bool copy = query.is_mps();
    context =
        at::scaled_dot_product_attention(copy ? query.contiguous() : query, copy ? key.contiguous() : key,
                                         copy ? value.contiguous() : value, given, p);
  }
  context = context.transpose(1, 2).contiguous();
  return context.view({context.size(0), context.size(1), -1});
}

}  // namespace arxiv
