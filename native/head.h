// The classifiers on top of the encoder.
#pragma once

#include <vector>

#include "encoder.h"

namespace arxiv {

class Head {
 public:
  Head(const HeadShape& shape, int64_t hidden_size, Parameters& parameters);

  // hidden: tokens × hidden size, in the pack's order. Returns float32 logits, papers × classes.
  at::Tensor operator()(const at::Tensor& hidden, const Pack& pack, Pass& pass) const;

  int64_t sequences_per_paper() const { return shape_.type == "cls" || shape_.type == "mean" ? 1 : 2; }

 private:
  // PyTorch's nn.MultiheadAttention: the rows of in_proj are query, key, value.
  struct CrossAttention {
    Parameter *in_weight, *in_bias;
    Linear out;
  };

  // papers × what the classifier reads of each.
  at::Tensor pooled(const at::Tensor& hidden, const Pack& pack, Pass& pass) const;
  at::Tensor mean(const at::Tensor& hidden, const Side& side) const;
  at::Tensor pooled_pair(const at::Tensor& hidden, const Pack& pack, Pass& pass) const;
  at::Tensor cross_attend(const CrossAttention& attention, const at::Tensor& query, const Side& query_side,
                          const at::Tensor& other, const Side& other_side, Pass& pass) const;
  at::Tensor pool(const Linear& scorer, const at::Tensor& x, const Side& side) const;
  at::Tensor fuse(at::Tensor x, Pass& pass) const;

  HeadShape shape_;
  CrossAttention title_to_abstract_, abstract_to_title_;
  LayerNorm title_norm_, abstract_norm_;
  Linear title_scorer_, abstract_scorer_;
  std::vector<std::pair<Linear, LayerNorm>> fusion_;
  Linear classifier_;
};

}  // namespace arxiv
