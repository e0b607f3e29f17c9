#include "loss.h"

#include <algorithm>

namespace arxiv {

Loss::Loss(const TrainingShape& training, at::Device device) : training_(training) {
  if (!training.class_weights.empty()) weights_ = at::tensor(training.class_weights, at::kFloat).to(device);
}

namespace {

double labelled(const std::vector<int32_t>& labels) {
  return static_cast<double>(
      std::count_if(labels.begin(), labels.end(), [](int32_t label) { return label >= 0; }));
}

}  // namespace

double Loss::denominator(const std::vector<int32_t>& labels) const {
  if (training_.loss == "focal" || training_.class_weights.empty()) return labelled(labels);
  double total = 0;
  for (int32_t label : labels) total += label < 0 ? 0 : training_.class_weights[label];
  return total;
}

at::Tensor Loss::operator()(const at::Tensor& logits, const at::Tensor& labels, double denominator) const {
  std::optional<at::Tensor> weights = weights_.defined() ? std::optional<at::Tensor>(weights_) : std::nullopt;
  bool focal = training_.loss == "focal";
  // What has the ignored label counts for 0.
  at::Tensor loss =
      at::cross_entropy_loss(logits, labels, weights, focal ? at::Reduction::None : at::Reduction::Sum, -1,
                             training_.label_smoothing);
  if (focal) loss = ((-(-loss).expm1()).pow(training_.focal_gamma) * loss).sum();
  return loss / denominator;
}

at::Tensor Loss::distilled(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& teacher,
                           const std::vector<int32_t>& batch_labels) const {
  double temperature = training_.temperature, weight = training_.teacher_weight;
  double papers = static_cast<double>(batch_labels.size());
  at::Tensor student = (logits / temperature).log_softmax(-1);
  at::Tensor divergence = at::kl_div(student, teacher, at::Reduction::None).sum(-1);
  at::Tensor shares = at::where(labels.ge(0), weight, 1.0).to(at::kFloat);
  at::Tensor loss = (divergence * shares).sum() * (temperature * temperature / papers);
  double known = labelled(batch_labels);
  if (known == 0 || weight == 1) return loss;
  return loss + (*this)(logits, labels, denominator(batch_labels)) * ((1 - weight) * known / papers);
}

}  // namespace arxiv
