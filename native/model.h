// A model in the engine: encoder, head and, when it trains, its optimiser. Every method runs on the engine
// thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "head.h"
#include "loss.h"
#include "optimizer.h"
#include "pretraining.h"

namespace arxiv {

class Model {
 public:
  Model(ModelOptions options, const Cancellation& cancellation);

  std::vector<ParameterInfo> parameters() const;
  std::vector<float> predict(const PackedBatch& batch, const Cancellation& cancellation);
  // Forward and backward over the batch in micro-batches, then the optimiser unless `apply` is false.
  StepResult train_step(const TrainBatch& batch, bool apply, const Cancellation& cancellation);
  // The same for masked words. With `kEvaluate` there is neither dropout nor a gradient.
  enum class Purpose { kStep, kGradients, kEvaluate };
  PretrainResult pretrain(const MaskedBatch& batch, Purpose purpose, const Cancellation& cancellation);
  std::vector<float> read(const std::string& kind, const std::string& name);
  void save(const std::string& file, const SaveOptions& options);
  void load(const std::vector<TensorSource>& sources, int64_t optimizer_steps);

 private:
  // The loss of sequences [first, first + count) of a batch, as a share of the batch's.
  using Part = std::function<at::Tensor(int64_t first, int64_t count, Pass& pass)>;

  void enter() const;
  int64_t papers(const PackedBatch& batch) const;
  void accumulate(int64_t sequences, int64_t at_once, const Part& part, StepResult& result,
                  const Cancellation& cancellation);
  void take_step(StepResult& result, bool apply, double learning_rate_scale,
                 const std::function<void()>& accumulate);
  bool grow_or_shrink_loss_scale(double norm);
  void require_training() const;

  ModelOptions options_;
  at::Device device_;
  at::ScalarType compute_;
  Parameters parameters_;
  Encoder encoder_;
  std::optional<Head> head_;  // of a classifier
  std::optional<PretrainingHead> pretraining_;
  std::unique_ptr<Loss> loss_;
  std::unique_ptr<Optimizer> optimizer_;
  uint64_t passes_ =
      0;  // the clock of the dropout's random numbers: completed steps, and fp16's that overflowed
  double loss_scale_;
  int64_t steps_since_overflow_ = 0;
};

}  // namespace arxiv
