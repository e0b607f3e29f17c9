#include "fused_attention.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "attention_kernel.h"

namespace arxiv {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// Every head of every sequence: work that threads share.
template <typename Function>
void for_each_head(const std::vector<int64_t>& starts, const std::vector<int64_t>& lengths, int64_t heads,
                   const Function& work) {
  auto sequences = static_cast<int64_t>(starts.size());
  // Whole heads to each thread: every one gets all sequences, whatever their lengths and order.
  at::parallel_for(0, sequences * heads, 1, [&](int64_t begin, int64_t end) {
    AttentionScratch scratch;
    for (int64_t task = begin; task < end; task++) {
      int64_t s = task % sequences;
      work(starts[s], lengths[s], task / sequences, static_cast<uint64_t>(task), scratch);
    }
  });
}

AttentionHead head_of(const at::Tensor& qkv, int64_t start, int64_t length, int64_t head, int64_t heads,
                      double p, uint64_t key) {
  int64_t width = qkv.size(1) / (3 * heads);
  AttentionHead h;
  h.length = length, h.width = width, h.row = qkv.size(1), h.part = heads * width;
  h.qkv = static_cast<const uint16_t*>(qkv.const_data_ptr()) + start * h.row + head * width;
  h.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(width)));
  h.stream = dropout_stream(p, key);
  h.drops = p > 0;
  return h;
}

struct FusedAttention : torch::autograd::Function<FusedAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv,
                            const std::vector<int64_t>& starts, const std::vector<int64_t>& lengths,
                            int64_t heads, double p, int64_t key) {
    int64_t width = qkv.size(1) / 3;
    at::Tensor out = at::empty({qkv.size(0), width}, qkv.options());
    at::Tensor sums = at::empty({heads, qkv.size(0)}, qkv.options().dtype(at::kFloat));
    auto* to = static_cast<uint16_t*>(out.mutable_data_ptr());
    float* logsumexp = sums.mutable_data_ptr<float>();
    for_each_head(starts, lengths, heads,
                  [&](int64_t start, int64_t length, int64_t head, uint64_t task, AttentionScratch& scratch) {
                    AttentionHead h =
                        head_of(qkv, start, length, head, heads, p, mix(static_cast<uint64_t>(key), task));
                    attention_forward(h, to + start * width + head * h.width,
                                      logsumexp + head * qkv.size(0) + start, scratch);
                  });
    context->save_for_backward({qkv, out, sums});
    context->saved_data["starts"] = starts;
    context->saved_data["lengths"] = lengths;
    context->saved_data["heads"] = heads;
    context->saved_data["p"] = p;
    context->saved_data["key"] = key;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    variable_list saved = context->get_saved_variables();
    const at::Tensor &qkv = saved[0], &out = saved[1], &sums = saved[2];
    auto starts = context->saved_data["starts"].toIntVector(),
         lengths = context->saved_data["lengths"].toIntVector();
    int64_t heads = context->saved_data["heads"].toInt(), width = out.size(1);
    double p = context->saved_data["p"].toDouble();
    auto key = static_cast<uint64_t>(context->saved_data["key"].toInt());
    at::Tensor given = gradients[0].contiguous(), gradient = at::empty_like(qkv);
    const auto* from = static_cast<const uint16_t*>(given.const_data_ptr());
    const auto* result = static_cast<const uint16_t*>(out.const_data_ptr());
    auto* to = static_cast<uint16_t*>(gradient.mutable_data_ptr());
    const float* logsumexp = sums.const_data_ptr<float>();
    for_each_head(starts, lengths, heads,
                  [&](int64_t start, int64_t length, int64_t head, uint64_t task, AttentionScratch& scratch) {
                    AttentionHead h = head_of(qkv, start, length, head, heads, p, mix(key, task));
                    int64_t at = start * width + head * h.width;
                    attention_backward(h, result + at, from + at, logsumexp + head * qkv.size(0) + start,
                                       to + start * h.row + head * h.width, scratch);
                  });
    return {gradient, Variable(), Variable(), Variable(), Variable(), Variable()};
  }
};

}  // namespace

bool has_fused_attention(int64_t head_width) {
  return has_attention_kernel() && head_width % 16 == 0 && head_width <= kWidestHead;
}

at::Tensor fused_attention(const at::Tensor& qkv, const Ragged& sequences, int64_t heads,
                           double dropout_probability, Pass& pass) {
  double p = pass.training ? dropout_probability : 0;
  uint64_t key = p > 0 ? mix(pass.key, pass.calls++) : 0;
  return FusedAttention::apply(qkv.contiguous(), sequences.starts, sequences.lengths, heads, p,
                               static_cast<int64_t>(key));
}

}  // namespace arxiv
