#pragma once

#include <ATen/ATen.h>

#include "config.h"

namespace arxiv {

// The loss of some papers as a share of their batch's: shares of a batch's parts add up to the loss of the
// whole.
//
// logits: float32, papers × classes; labels: int64. Cross-entropy with label smoothing and class weights is
// PyTorch's (the mean weighted by the labels' weights); focal loss (Lin et al., 2017) is the mean of (1 -
// e^-c)^gamma · c, with c each paper's weighted, smoothed cross-entropy.
class Loss {
 public:
  Loss(const TrainingShape& training, at::Device device);

  // What divides a sum over papers: the labels' total weight, or their number.
  double denominator(const std::vector<int32_t>& labels) const;

  at::Tensor operator()(const at::Tensor& logits, const at::Tensor& labels, double denominator) const;

  // The same with a teacher (Hinton, Vinyals and Dean, 2015), whose softened probabilities are given, papers
  // × classes: the mean over papers of T² · KL(teacher ‖ softmax(logits / T)), which for one with a label is
  // mixed with the loss above by the teacher's weight. A paper without a label has -1.
  at::Tensor distilled(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& teacher,
                       const std::vector<int32_t>& batch_labels) const;

 private:
  TrainingShape training_;
  at::Tensor weights_;
};

}  // namespace arxiv
