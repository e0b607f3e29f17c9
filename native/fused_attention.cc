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

// What forward and backward compute on, and with what.
struct Attention {
  at::Tensor q, kv;  // keys and values lie behind the queries where kv is undefined
  Ragged queries, keys;
  int64_t heads;
  double p;
  uint64_t key;

  int64_t size() const { return kv.defined() ? q.size(1) : q.size(1) / 3; }
  const at::Tensor& with_keys() const { return kv.defined() ? kv : q; }

  // Where sequence s of head n has its first query in q, and its first key in with_keys().
  int64_t query_at(int64_t s, int64_t n) const { return queries.starts[s] * q.size(1) + n * size() / heads; }
  int64_t key_at(int64_t s, int64_t n) const {
    int64_t behind = kv.defined() ? 0 : size();
    return keys.starts[s] * with_keys().size(1) + behind + n * size() / heads;
  }

  // work: (head, s, n, scratch), for every head n of every sequence s; threads share them.
  template <typename Work>
  void for_each_head(const Work& work) const {
    auto sequences = static_cast<int64_t>(queries.starts.size());
    // Whole heads to each thread: every one gets all sequences, whatever their lengths and order.
    at::parallel_for(0, sequences * heads, 1, [&](int64_t begin, int64_t end) {
      AttentionScratch scratch;
      for (int64_t task = begin; task < end; task++) {
        int64_t s = task % sequences, n = task / sequences;
        work(head(s, n, mix(key, static_cast<uint64_t>(task))), s, n, scratch);
      }
    });
  }

 private:
  AttentionHead head(int64_t s, int64_t n, uint64_t stream) const {
    AttentionHead h;
    h.queries = queries.lengths[s], h.keys = keys.lengths[s], h.width = size() / heads;
    h.query_row = q.size(1), h.key_row = with_keys().size(1), h.out_row = size();
    h.query = static_cast<const uint16_t*>(q.const_data_ptr()) + query_at(s, n);
    h.key = static_cast<const uint16_t*>(with_keys().const_data_ptr()) + key_at(s, n);
    h.value = h.key + size();
    h.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(h.width)));
    h.stream = dropout_stream(p, stream);
    h.drops = p > 0;
    return h;
  }
};

struct FusedAttention : torch::autograd::Function<FusedAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q,
                            const std::optional<at::Tensor>& others, const Ragged& queries,
                            const Ragged& keys, int64_t heads, double p, int64_t key) {
    at::Tensor kv = others.value_or(at::Tensor());
    Attention attention{q, kv, queries, keys, heads, p, static_cast<uint64_t>(key)};
    at::Tensor out = at::empty({q.size(0), attention.size()}, q.options());
    at::Tensor sums = at::empty({heads, q.size(0)}, q.options().dtype(at::kFloat));
    auto* to = static_cast<uint16_t*>(out.mutable_data_ptr());
    float* logsumexp = sums.mutable_data_ptr<float>();
    attention.for_each_head([&](const AttentionHead& h, int64_t s, int64_t n, AttentionScratch& scratch) {
      int64_t row = queries.starts[s];
      attention_forward(h, to + row * h.out_row + n * h.width, logsumexp + n * q.size(0) + row, scratch);
    });
    context->save_for_backward({q, kv, out, sums});
    context->saved_data["query_starts"] = queries.starts;
    context->saved_data["query_lengths"] = queries.lengths;
    context->saved_data["key_starts"] = keys.starts;
    context->saved_data["key_lengths"] = keys.lengths;
    context->saved_data["heads"] = heads;
    context->saved_data["p"] = p;
    context->saved_data["key"] = key;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    variable_list saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &kv = saved[1], &out = saved[2], &sums = saved[3];
    auto list = [&](const char* name) { return context->saved_data[name].toIntVector(); };
    Attention attention{q,
                        kv,
                        {list("query_starts"), list("query_lengths")},
                        {list("key_starts"), list("key_lengths")},
                        context->saved_data["heads"].toInt(),
                        context->saved_data["p"].toDouble(),
                        static_cast<uint64_t>(context->saved_data["key"].toInt())};
    at::Tensor given = gradients[0].contiguous(), of_q = at::empty_like(q);
    at::Tensor of_kv = kv.defined() ? at::empty_like(kv) : at::Tensor();
    const auto* from = static_cast<const uint16_t*>(given.const_data_ptr());
    const auto* result = static_cast<const uint16_t*>(out.const_data_ptr());
    const float* logsumexp = sums.const_data_ptr<float>();
    auto* to_q = static_cast<uint16_t*>(of_q.mutable_data_ptr());
    auto* to_keys = kv.defined() ? static_cast<uint16_t*>(of_kv.mutable_data_ptr()) : to_q;
    attention.for_each_head([&](const AttentionHead& h, int64_t s, int64_t n, AttentionScratch& scratch) {
      int64_t row = attention.queries.starts[s], at = row * h.out_row + n * h.width;
      uint16_t* to_key = to_keys + attention.key_at(s, n);
      attention_backward(h, result + at, from + at, logsumexp + n * q.size(0) + row,
                         {to_q + attention.query_at(s, n), to_key, to_key + h.out_row}, scratch);
    });
    return {of_q, of_kv, Variable(), Variable(), Variable(), Variable(), Variable()};
  }
};

}  // namespace

bool takes_fused_attention(const at::Tensor& x, int64_t head_width) {
  return x.is_cpu() && x.scalar_type() == at::kBFloat16 && has_attention_kernel() && head_width % 16 == 0 &&
         head_width <= kWidestHead;
}

at::Tensor fused_attention(const at::Tensor& q, const at::Tensor& kv, const Ragged& queries,
                           const Ragged& keys, int64_t heads, double dropout_probability, Pass& pass) {
  double p = pass.training ? dropout_probability : 0;
  uint64_t key = p > 0 ? mix(pass.key, pass.calls++) : 0;
  std::optional<at::Tensor> others = kv.defined() ? std::optional<at::Tensor>(kv.contiguous()) : std::nullopt;
  return FusedAttention::apply(q.contiguous(), others, queries, keys, heads, p, static_cast<int64_t>(key));
}

}  // namespace arxiv
