#include "pretraining.h"

namespace arxiv {

PretrainingHead::PretrainingHead(const PretrainingShape& shape, const EncoderShape& encoder,
                                 Parameters& parameters)
    : activation_(encoder.activation),
      embeddings_(parameters.slice("embeddings.word_embeddings.weight").parameter) {
  auto add = [&](const std::string& name, std::vector<int64_t> sizes, Initializer initializer) {
    return &parameters.add(
        {{"head." + name}, std::move(sizes), ParameterGroup::kHead, true, std::move(initializer)});
  };
  int64_t hidden = encoder.hidden_size;
  transform_ = {add("transform.dense.weight", {hidden, hidden}, normal(encoder.initializer_range)),
                add("transform.dense.bias", {hidden}, constant(0))};
  norm_ = {add("transform.LayerNorm.weight", {hidden}, constant(1)),
           add("transform.LayerNorm.bias", {hidden}, constant(0)), encoder.layer_norm_eps};
  bias_ = add("bias", {encoder.vocab_size}, constant(0));
  if (shape.classes == 0) return;
  classifier_ = {add("classifier.weight", {shape.classes, hidden}, normal(encoder.initializer_range)),
                 add("classifier.bias", {shape.classes}, constant(0))};
}

at::Tensor PretrainingHead::words(const at::Tensor& hidden, const at::Tensor& rows) const {
  at::Tensor states = norm_(activate(transform_(take_rows(hidden, rows)), activation_));
  return at::linear(states, embeddings_->value.to(states.scalar_type()), bias_->value);
}

at::Tensor PretrainingHead::classes(const at::Tensor& hidden, const Pack& pack) const {
  int64_t sequences = pack.sequences(), tokens = hidden.size(0);
  // The sums as one product: slices would each leave a gradient as large as all hidden states.
  at::Tensor members = at::zeros({sequences, tokens});
  for (int64_t s = 0; s < sequences; s++) members[s].narrow(0, pack.starts[s], pack.lengths[s]).fill_(1);
  at::Tensor sums = at::matmul(members.to(hidden.options()), hidden).to(at::kFloat);
  at::Tensor means = sums / at::tensor(pack.lengths, sums.options()).unsqueeze(1);
  return classifier_(means.to(hidden.scalar_type())).to(at::kFloat);
}

}  // namespace arxiv
