#include "head.h"

#include <cmath>

#include "attention.h"
#include "fused_attention.h"

namespace arxiv {
namespace {

constexpr double kInitializerRange = 0.02;
constexpr double kLayerNormEps = 1e-5;  // PyTorch's default, which the predecessor's head uses

}  // namespace

Head::Head(const HeadShape& shape, int64_t hidden_size, Parameters& parameters) : shape_(shape) {
  auto add = [&](const std::string& name, std::vector<int64_t> sizes, Initializer initializer) {
    return &parameters.add(
        {{"head." + name}, std::move(sizes), ParameterGroup::kHead, true, std::move(initializer)});
  };
  auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    return Linear{add(name + ".weight", {out, in}, normal(kInitializerRange)),
                  add(name + ".bias", {out}, constant(0))};
  };
  auto norm = [&](const std::string& name, int64_t size) {
    return LayerNorm{add(name + ".weight", {size}, constant(1)), add(name + ".bias", {size}, constant(0)),
                     kLayerNormEps};
  };
  // As PyTorch initialises nn.MultiheadAttention: Xavier uniform in, Kaiming uniform (a = √5) out, biases
  // zero.
  auto attention = [&](const std::string& name) {
    double h = static_cast<double>(hidden_size);
    return CrossAttention{
        add(name + ".in_proj_weight", {3 * hidden_size, hidden_size}, uniform(std::sqrt(6 / (4 * h)))),
        add(name + ".in_proj_bias", {3 * hidden_size}, constant(0)),
        {add(name + ".out_proj.weight", {hidden_size, hidden_size}, uniform(1 / std::sqrt(h))),
         add(name + ".out_proj.bias", {hidden_size}, constant(0))}};
  };
  if (shape.type == "cross-attention") {
    title_to_abstract_ = attention("cross_attn_title_to_abstract");
    abstract_to_title_ = attention("cross_attn_abstract_to_title");
    title_norm_ = norm("norm_title", hidden_size);
    abstract_norm_ = norm("norm_abstract", hidden_size);
  }
  int64_t width = hidden_size;
  if (sequences_per_paper() == 2) {
    title_scorer_ = linear("title_pool_attn", 1, hidden_size);
    abstract_scorer_ = linear("abstract_pool_attn", 1, hidden_size);
    width *= 2;
  }
  // Indices as in an nn.Sequential of Linear, LayerNorm, activation, Dropout.
  for (size_t i = 0; i < shape.hidden.size(); i++) {
    std::string index = std::to_string(4 * i), next = std::to_string(4 * i + 1);
    fusion_.push_back(
        {linear("fusion." + index, shape.hidden[i], width), norm("fusion." + next, shape.hidden[i])});
    width = shape.hidden[i];
  }
  classifier_ = linear("fusion." + std::to_string(4 * shape.hidden.size()), shape.classes, width);
}

at::Tensor Head::operator()(const at::Tensor& hidden, const Pack& pack, Pass& pass) const {
  pass.check();
  at::Tensor h = dropout(hidden, shape_.embedding_dropout, pass);
  return fuse(pooled(h, pack, pass), pass).to(at::kFloat);
}

at::Tensor Head::pooled(const at::Tensor& hidden, const Pack& pack, Pass& pass) const {
  if (shape_.type == "cls") return take_rows(hidden, at::tensor(pack.starts, at::kLong).to(hidden.device()));
  return shape_.type == "mean" ? mean(hidden, side(pack, 0, 1)) : pooled_pair(hidden, pack, pass);
}

at::Tensor Head::mean(const at::Tensor& hidden, const Side& side) const {
  at::Tensor states = place_rows(take_rows(hidden, side.tokens), side.rows, side.sequences * side.length)
                          .view({side.sequences, side.length, -1});
  return (states.sum(1, false, at::kFloat) / side.keys.sum(1, true)).to(hidden.scalar_type());
}

at::Tensor Head::pooled_pair(const at::Tensor& hidden, const Pack& pack, Pass& pass) const {
  Side titles = side(pack, 0, 2), abstracts = side(pack, 1, 2);
  at::Tensor title = take_rows(hidden, titles.tokens), abstract = take_rows(hidden, abstracts.tokens);
  if (shape_.type == "cross-attention") {
    at::Tensor t =
        title_norm_(title + cross_attend(title_to_abstract_, title, titles, abstract, abstracts, pass));
    at::Tensor a =
        abstract_norm_(abstract + cross_attend(abstract_to_title_, abstract, abstracts, title, titles, pass));
    title = t, abstract = a;
  }
  return at::cat({pool(title_scorer_, title, titles), pool(abstract_scorer_, abstract, abstracts)}, 1);
}

at::Tensor Head::cross_attend(const CrossAttention& attention, const at::Tensor& query,
                              const Side& query_side, const at::Tensor& other, const Side& other_side,
                              Pass& pass) const {
  int64_t h = query.size(1), heads = shape_.attention_heads;
  const at::Tensor &weight = attention.in_weight->value, &bias = attention.in_bias->value;
  at::Tensor q = at::linear(query, weight.narrow(0, 0, h), bias.narrow(0, 0, h));
  at::Tensor kv = at::linear(other, weight.narrow(0, h, 2 * h), bias.narrow(0, h, 2 * h));
  if (takes_fused_attention(q, h / heads)) {
    return attention.out(
        fused_attention(q, kv, query_side.ragged, other_side.ragged, heads, shape_.attention_dropout, pass));
  }
  q = place_rows(q, query_side.rows, query_side.sequences * query_side.length)
          .view({query_side.sequences, query_side.length, heads, -1})
          .transpose(1, 2);
  kv = place_rows(kv, other_side.rows, other_side.sequences * other_side.length)
           .view({other_side.sequences, other_side.length, 2, heads, -1})
           .permute({2, 0, 3, 1, 4});
  at::Tensor keys = other_side.keys.view({other_side.sequences, 1, 1, other_side.length});
  at::Tensor context = attend(q, kv[0], kv[1], keys, shape_.attention_dropout, pass).view({-1, h});
  return attention.out(take_rows(context, query_side.rows));
}

// Learned attention pooling: the mean of the sequence's states, weighted by the softmax of a linear score.
at::Tensor Head::pool(const Linear& scorer, const at::Tensor& x, const Side& side) const {
  int64_t rows = side.sequences * side.length;
  at::Tensor scores =
      place_rows(scorer(x).to(at::kFloat), side.rows, rows).view({side.sequences, side.length});
  at::Tensor weights = scores.masked_fill(side.keys.logical_not(), -1e9).softmax(-1).to(x.scalar_type());
  at::Tensor states = place_rows(x, side.rows, rows).view({side.sequences, side.length, -1});
  return at::bmm(weights.unsqueeze(1), states).squeeze(1);
}

at::Tensor Head::fuse(at::Tensor x, Pass& pass) const {
  for (size_t i = 0; i < fusion_.size(); i++) {
    const auto& [linear, norm] = fusion_[i];
    x = dropout(activate(norm(linear(x)), shape_.activation), shape_.dropout[i], pass);
  }
  return classifier_(x);
}

}  // namespace arxiv
