#include "optimizer.h"

#include <c10/core/GradMode.h>

namespace arxiv {

Optimizer::Optimizer(const TrainingShape& training, Parameters& parameters) : training_(training) {
  groups_.push_back({training.learning_rate, training.weight_decay, {}, {}, {}});
  groups_.push_back({training.head_learning_rate, training.head_weight_decay, {}, {}, {}});
  for (auto& parameter : parameters.all()) {
    if (!parameter.trainable) continue;
    Group& group = groups_[parameter.group == ParameterGroup::kEncoder ? 0 : 1];
    group.parameters.push_back(&parameter);
    group.exp_avgs.push_back(at::zeros_like(parameter.master));
    group.exp_avg_sqs.push_back(at::zeros_like(parameter.master));
  }
}

double Optimizer::gradient_norm(double scale) {
  std::vector<at::Tensor> gradients;
  for (auto& group : groups_) {
    for (auto* parameter : group.parameters) gradients.push_back(parameter->gradient);
  }
  if (scale != 1) at::_foreach_mul_(gradients, 1 / scale);
  return at::stack(at::_foreach_norm(gradients, 2)).norm().item<double>();
}

void Optimizer::step(double learning_rate_scale, double norm) {
  c10::NoGradGuard guard;
  steps_++;
  // torch.nn.utils.clip_grad_norm_ multiplies by this coefficient; the fused kernel divides by its inverse on
  // the way.
  double coefficient = training_.clip_norm / (norm + 1e-6);
  for (auto& group : groups_) {
    if (group.parameters.empty()) continue;
    std::vector<at::Tensor> masters, gradients;
    for (auto* parameter : group.parameters) {
      masters.push_back(parameter->master.detach());
      gradients.push_back(parameter->gradient);
    }
    at::Tensor count = at::full({}, static_cast<double>(steps_), masters[0].options());
    std::vector<at::Tensor> counts(masters.size(), count);
    std::optional<at::Tensor> divisor;
    if (coefficient < 1 && masters[0].is_mps()) {
      at::_foreach_mul_(gradients, coefficient);  // MPS's fused step passes over the gradient scale
    } else if (coefficient < 1) {
      divisor = at::full({}, 1 / coefficient, masters[0].options());
    }
    at::_fused_adamw_(masters, gradients, group.exp_avgs, group.exp_avg_sqs, {}, counts,
                      group.learning_rate * learning_rate_scale, training_.beta1, training_.beta2,
                      group.weight_decay, training_.epsilon, /*amsgrad=*/false, /*maximize=*/false, divisor);
  }
}

at::Tensor Optimizer::exp_avg(const Parameter* parameter) { return moment(parameter, &Group::exp_avgs); }
at::Tensor Optimizer::exp_avg_sq(const Parameter* parameter) {
  return moment(parameter, &Group::exp_avg_sqs);
}

at::Tensor Optimizer::moment(const Parameter* parameter, std::vector<at::Tensor> Group::*moments) {
  for (auto& group : groups_) {
    for (size_t i = 0; i < group.parameters.size(); i++) {
      if (group.parameters[i] == parameter) return (group.*moments)[i];
    }
  }
  return {};
}

}  // namespace arxiv
