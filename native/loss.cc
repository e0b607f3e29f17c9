#include "loss.h"

namespace arxiv {

Loss::Loss(const TrainingShape& training, at::Device device) : training_(training) {
  if (!training.class_weights.empty()) weights_ = at::tensor(training.class_weights, at::kFloat).to(device);
}

double Loss::denominator(const std::vector<int32_t>& labels) const {
  if (training_.loss == "focal" || training_.class_weights.empty()) return static_cast<double>(labels.size());
  double total = 0;
  for (int32_t label : labels) total += training_.class_weights[label];
  return total;
}

at::Tensor Loss::operator()(const at::Tensor& logits, const at::Tensor& labels, double denominator) const {
  std::optional<at::Tensor> weights = weights_.defined() ? std::optional<at::Tensor>(weights_) : std::nullopt;
  bool focal = training_.loss == "focal";
  at::Tensor loss =
      at::cross_entropy_loss(logits, labels, weights, focal ? at::Reduction::None : at::Reduction::Sum, -100,
                             training_.label_smoothing);
  if (focal) loss = ((-(-loss).expm1()).pow(training_.focal_gamma) * loss).sum();
  return loss / denominator;
}

}  // namespace arxiv
