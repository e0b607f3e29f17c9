#include "encoder.h"

#include <limits>

#include "attention.h"
#include "fused_attention.h"
#include "relative_positions.h"

namespace arxiv {

at::Tensor Linear::operator()(const at::Tensor& x, const std::string& activation) const {
  if (packed) return (*packed)(x, activation);
  return activate(at::linear(x, weight->value, bias->value), activation);
}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, {x.size(-1)}, weight->value, bias->value, epsilon);
}

at::Tensor activate(const at::Tensor& x, const std::string& name) {
  if (name == "none") return x;
  if (name == "relu") return at::relu(x);
  return at::gelu(x, name == "gelu_tanh" ? "tanh" : "none");
}

Encoder::Encoder(const EncoderShape& shape, int64_t frozen_layers, bool freeze_embeddings,
                 bool embeddings_in_head_group, Parameters& parameters, at::ScalarType compute)
    : shape_(shape), compute_(compute) {
  int64_t hidden = shape.hidden_size;
  auto group = embeddings_in_head_group ? ParameterGroup::kHead : ParameterGroup::kEncoder;
  bool trainable = !freeze_embeddings;

  // Embeddings stay in float32 whatever the precision: a frequent token's gradient is a sum of many rows.
  auto add = [&](std::vector<std::string> names, std::vector<int64_t> sizes, Initializer initializer) {
    return &parameters.add(
        {std::move(names), std::move(sizes), group, trainable, std::move(initializer), true});
  };
  auto embedding = [&](const std::string& name, int64_t rows, int64_t padding = -1) {
    return add({"embeddings." + name + ".weight"}, {rows, hidden}, normal(shape.initializer_range, padding));
  };
  words_ = embedding("word_embeddings", shape.vocab_size, shape.pad_token_id);
  positions_ = embedding("position_embeddings", shape.max_positions, shape.position_offset - 1);
  if (shape.type_vocab_size > 0) types_ = embedding("token_type_embeddings", shape.type_vocab_size);
  embedding_norm_ = {add({"embeddings.LayerNorm.weight"}, {hidden}, constant(1)),
                     add({"embeddings.LayerNorm.bias"}, {hidden}, constant(0)), shape.layer_norm_eps};

  group = ParameterGroup::kEncoder;
  if (shape.relative_attention_buckets > 0) {
    // Every layer reads it, so it is frozen with what comes before the first of them.
    relative_positions_ =
        add({"encoder.relative_attention_bias.weight"},
            {shape.relative_attention_buckets, shape.attention_heads}, normal(shape.initializer_range));
  }
  for (int64_t n = 0; n < shape.layers; n++) {
    trainable = n >= frozen_layers;
    std::string prefix = "encoder.layer." + std::to_string(n) + ".";
    auto linear = [&](const std::vector<std::string>& names, int64_t out, int64_t in) {
      std::vector<std::string> weights, biases;
      for (const auto& name : names) {
        weights.push_back(prefix + name + ".weight");
        biases.push_back(prefix + name + ".bias");
      }
      return Linear{&parameters.add({weights, {out, in}, group, trainable, normal(shape.initializer_range)}),
                    &parameters.add({biases, {out}, group, trainable, constant(0)})};
    };
    auto norm = [&](const std::string& name) {
      return LayerNorm{
          &parameters.add({{prefix + name + ".weight"}, {hidden}, group, trainable, constant(1)}),
          &parameters.add({{prefix + name + ".bias"}, {hidden}, group, trainable, constant(0)}),
          shape.layer_norm_eps};
    };
    const std::string self = "attention.self.";
    Layer layer;
    layer.query_key_value = linear({self + "query", self + "key", self + "value"}, hidden, hidden);
    layer.attention_output = linear({"attention.output.dense"}, hidden, hidden);
    layer.attention_norm = norm("attention.output.LayerNorm");
    layer.intermediate = linear({"intermediate.dense"}, shape.intermediate_size, hidden);
    layer.output = linear({"output.dense"}, hidden, shape.intermediate_size);
    layer.output_norm = norm("output.LayerNorm");
    layers_.push_back(layer);
  }
}

void Encoder::pack(bool int8) {
  for (auto& layer : layers_) {
    for (Linear* linear :
         {&layer.query_key_value, &layer.attention_output, &layer.intermediate, &layer.output}) {
      at::Tensor &weight = linear->weight->value, &bias = linear->bias->value;
      linear->packed = int8 ? pack_int8(weight, bias) : pack_bfloat16(weight, bias);
      if (linear->packed) linear->weight->release();
    }
  }
}

at::Tensor Encoder::embed(const Pack& pack, Pass& pass) const {
  // The padding token's rows learn nothing, should a text name it.
  at::Tensor x = at::embedding(words_->value, pack.ids, shape_.pad_token_id) +
                 at::embedding(positions_->value, pack.positions, shape_.position_offset - 1);
  if (types_) x = x + types_->value[0];
  return dropout(embedding_norm_(x), shape_.hidden_dropout, pass).to(compute_);
}

// For each group what `attend` wants: the same for all layers.
std::vector<at::Tensor> Encoder::attention_masks(const Pack& pack) const {
  std::vector<at::Tensor> masks;
  if (!relative_positions_) {
    for (const auto& group : pack.groups) masks.push_back(group.keys);
    return masks;
  }
  // The first group is the longest; the others see a corner of its bias.
  at::Tensor bias = relative_position_bias(relative_positions_->value, pack.groups[0].length).to(compute_);
  for (const auto& group : pack.groups) {
    at::Tensor mask = bias.narrow(2, 0, group.length).narrow(3, 0, group.length);
    if (group.keys.defined())
      mask = mask.masked_fill(group.keys.logical_not(), -std::numeric_limits<float>::infinity());
    masks.push_back(mask);
  }
  return masks;
}

at::Tensor Encoder::self_attention(const Layer& layer, const at::Tensor& x, const Pack& pack,
                                   const std::vector<at::Tensor>& masks, Pass& pass) const {
  at::Tensor projected = layer.query_key_value(x);
  int64_t heads = shape_.attention_heads;
  if (!relative_positions_ && takes_fused_attention(projected, shape_.hidden_size / heads)) {
    Ragged each{pack.starts, pack.lengths};
    return fused_attention(projected, {}, each, each, heads, shape_.attention_dropout, pass);
  }
  std::vector<int64_t> tokens;
  for (const auto& group : pack.groups) tokens.push_back(group.tokens);
  std::vector<at::Tensor> chunks = projected.split_with_sizes(tokens), contexts;
  for (size_t g = 0; g < chunks.size(); g++) {
    const Group& group = pack.groups[g];
    int64_t rows = group.sequences * group.length;
    at::Tensor rectangle = group.rows.defined() ? place_rows(chunks[g], group.rows, rows) : chunks[g];
    // sequences × length × 3 × heads × d, to 3 times sequences × heads × length × d
    at::Tensor qkv = rectangle.view({group.sequences, group.length, 3, heads, -1}).permute({2, 0, 3, 1, 4});
    at::Tensor context =
        attend(qkv[0], qkv[1], qkv[2], masks[g], shape_.attention_dropout, pass).view({rows, -1});
    contexts.push_back(group.rows.defined() ? take_rows(context, group.rows) : context);
  }
  return contexts.size() == 1 ? contexts[0] : at::cat(contexts);
}

at::Tensor Encoder::run_layer(const Layer& layer, const at::Tensor& x, const Pack& pack,
                              const std::vector<at::Tensor>& masks, Pass& pass) const {
  at::Tensor attended = layer.attention_output(self_attention(layer, x, pack, masks, pass));
  at::Tensor h = layer.attention_norm(dropout(attended, shape_.attention_output_dropout, pass, x));
  at::Tensor wide = layer.intermediate(h, shape_.activation);
  return layer.output_norm(dropout(layer.output(wide), shape_.hidden_dropout, pass, h));
}

at::Tensor Encoder::operator()(const Pack& pack, Pass& pass) const {
  at::Tensor x = embed(pack, pass);
  std::vector<at::Tensor> masks = attention_masks(pack);
  for (const auto& layer : layers_) {
    pass.check();
    x = run_layer(layer, x, pack, masks, pass);
    if (x.requires_grad()) {
      x.register_hook([&pass](const at::Tensor&) { pass.check(); });
    }
  }
  return x;
}

}  // namespace arxiv
