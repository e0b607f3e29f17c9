// AdamW (Loshchilov and Hutter, 2019) over the two parameter groups, with clipping of the global gradient
// norm.
#pragma once

#include "parameters.h"

namespace arxiv {

class Optimizer {
 public:
  Optimizer(const TrainingShape& training, Parameters& parameters);

  // The global norm of the gradients, which `scale` is divided out of first. Infinite or NaN if any is.
  double gradient_norm(double scale);

  // One step on the gradients at hand, whose norm is given, clipped.
  void step(double learning_rate_scale, double norm);

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

  // Moments by parameter, zero until the first step. Undefined for what is frozen.
  at::Tensor exp_avg(const Parameter* parameter);
  at::Tensor exp_avg_sq(const Parameter* parameter);

 private:
  struct Group {
    double learning_rate, weight_decay;
    std::vector<Parameter*> parameters;
    std::vector<at::Tensor> exp_avgs, exp_avg_sqs;
  };

  at::Tensor moment(const Parameter* parameter, std::vector<at::Tensor> Group::*moments);

  TrainingShape training_;
  std::vector<Group> groups_;
  int64_t steps_ = 0;
};

}  // namespace arxiv
