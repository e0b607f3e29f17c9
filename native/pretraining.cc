#include "pretraining.h"

namespace arxiv {

PretrainingHead::PretrainingHead(const PretrainingShape& shape, const EncoderShape& encoder,
                                 Parameters& parameters)
    : activation_(encoder.activation),
      embeddings_(parameters.slice("embeddings.word_embeddings.weight").parameter) {
  int64_t hidden = encoder.hidden_size;
  auto add = [&](const std::string& name, std::vector<int64_t> sizes, Initializer initializer,
                 ParameterGroup group = ParameterGroup::kEncoder) {
    return &parameters.add({{"head." + name}, std::move(sizes), group, true, std::move(initializer)});
  };
  transform_ = {add("transform.dense.weight", {hidden, hidden}, normal(encoder.initializer_range)),
                add("transform.dense.bias", {hidden}, constant(0))};
  norm_ = {add("transform.LayerNorm.weight", {hidden}, constant(1)),
           add("transform.LayerNorm.bias", {hidden}, constant(0)), encoder.layer_norm_eps};
  bias_ = add("bias", {encoder.vocab_size}, constant(0));
  // What the means of texts differ in is small: to read it, weights must grow far, and learn at a rate of
  // their own.
  auto linear = [&](const std::string& name, int64_t out) {
    ParameterGroup group = ParameterGroup::kHead;
    return Linear{add(name + ".weight", {out, hidden}, normal(encoder.initializer_range), group),
                  add(name + ".bias", {out}, constant(0), group)};
  };
  if (shape.classes > 0) classifier_ = linear("classifier", shape.classes);
  if (shape.teacher_size > 0) projection_ = linear("projection", shape.teacher_size);
}

at::Tensor PretrainingHead::words(const at::Tensor& hidden, const at::Tensor& rows) const {
  at::Tensor states = norm_(activate(transform_(take_rows(hidden, rows)), activation_));
  return at::linear(states, embeddings_->value.to(states.scalar_type()), bias_->value);
}

at::Tensor PretrainingHead::classes(const at::Tensor& means) const {
  return classifier_(means).to(at::kFloat);
}

at::Tensor PretrainingHead::projected(const at::Tensor& means) const {
  return projection_(means).to(at::kFloat);
}

}  // namespace arxiv
