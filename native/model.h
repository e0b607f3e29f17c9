// A model in the engine: encoder, head and, when it trains, its optimiser. Every method runs on the engine
// thread.
#pragma once

#include <memory>

#include "head.h"
#include "loss.h"
#include "optimizer.h"

namespace arxiv {

class Model {
 public:
  Model(ModelOptions options, const Cancellation& cancellation);

  std::vector<ParameterInfo> parameters() const;
  std::vector<float> predict(const PackedBatch& batch, const Cancellation& cancellation);
  // Forward and backward over the batch in micro-batches, then the optimiser unless `apply` is false.
  StepResult train_step(const TrainBatch& batch, bool apply, const Cancellation& cancellation);
  std::vector<float> read(const std::string& kind, const std::string& name);
  void save(const std::string& file, bool optimizer, Metadata metadata);
  void load(const std::vector<TensorSource>& sources, int64_t optimizer_steps);

 private:
  void enter() const;
  int64_t papers(const PackedBatch& batch) const;
  double accumulate(const TrainBatch& batch, const Cancellation& cancellation, int64_t& correct);
  bool grow_or_shrink_loss_scale(double norm);
  void require_training() const;

  ModelOptions options_;
  at::Device device_;
  at::ScalarType compute_;
  Parameters parameters_;
  Encoder encoder_;
  Head head_;
  std::unique_ptr<Loss> loss_;
  std::unique_ptr<Optimizer> optimizer_;
  uint64_t passes_ =
      0;  // the clock of the dropout's random numbers: completed steps, and fp16's that overflowed
  double loss_scale_;
  int64_t steps_since_overflow_ = 0;
};

}  // namespace arxiv
