// BERT's encoder (Devlin et al., 2019) and its cousins', over packed tokens.
#pragma once

#include <vector>

#include "dropout.h"
#include "packed_linear.h"
#include "packing.h"
#include "parameters.h"

namespace arxiv {

struct Linear {
  Parameter *weight, *bias;
  std::shared_ptr<PackedLinear> packed{};  // takes the weight's place once it is there
  at::Tensor operator()(const at::Tensor& x, const std::string& activation = "none") const;
};

struct LayerNorm {
  Parameter *weight, *bias;
  double epsilon;
  at::Tensor operator()(const at::Tensor& x) const;
};

at::Tensor activate(const at::Tensor& x, const std::string& name);

class Encoder {
 public:
  // `frozen_layers` counts from the input.
  Encoder(const EncoderShape& shape, int64_t frozen_layers, bool freeze_embeddings,
          bool embeddings_in_head_group, Parameters& parameters, at::ScalarType compute);

  // For a model that only predicts, on a CPU: the layers' weights in the form that its products are fastest
  // with.
  void pack(bool int8);

  // Last hidden states, tokens × hidden size, in the pack's order.
  at::Tensor operator()(const Pack& pack, Pass& pass) const;

 private:
  struct Layer {
    Linear query_key_value, attention_output, intermediate, output;
    LayerNorm attention_norm, output_norm;
  };

  at::Tensor embed(const Pack& pack, Pass& pass) const;
  std::vector<at::Tensor> attention_masks(const Pack& pack) const;
  at::Tensor self_attention(const Layer& layer, const at::Tensor& x, const Pack& pack,
                            const std::vector<at::Tensor>& masks, Pass& pass) const;
  at::Tensor run_layer(const Layer& layer, const at::Tensor& x, const Pack& pack,
                       const std::vector<at::Tensor>& masks, Pass& pass) const;

  EncoderShape shape_;
  at::ScalarType compute_;
  Parameter *words_, *positions_, *types_ = nullptr, *relative_positions_ = nullptr;
  LayerNorm embedding_norm_;
  std::vector<Layer> layers_;
};

}  // namespace arxiv
