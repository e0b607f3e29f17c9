#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "error.h"
#include "model.h"

namespace arxiv {
namespace {

void validate(const MaskedBatch& batch, int64_t vocabulary, const PretrainingShape& shape) {
  int64_t classes = shape.classes;
  const auto &positions = batch.positions, &targets = batch.targets;
  if (batch.micro_batch < 1) throw bad_input("microBatch: a whole number above 0 expected");
  if (batch.sequences() < 1) throw bad_input("a batch without sequences");
  if (positions.empty() || positions.size() != targets.size()) {
    throw bad_input(std::to_string(positions.size()) + " masked positions with " +
                    std::to_string(targets.size()) + " targets");
  }
  for (size_t i = 0; i < positions.size(); i++) {
    if (positions[i] < 0 || positions[i] >= static_cast<int64_t>(batch.ids.size()) ||
        (i > 0 && positions[i] <= positions[i - 1])) {
      throw bad_input("masked position " + std::to_string(positions[i]) + " is out of range or out of order");
    }
    if (targets[i] < 0 || targets[i] >= vocabulary) {
      throw bad_input("target " + std::to_string(targets[i]) + " is outside the encoder's vocabulary");
    }
  }
  size_t labels = classes > 0 ? static_cast<size_t>(batch.sequences()) : 0;
  if (batch.labels.size() != labels) {
    throw bad_input(std::to_string(batch.labels.size()) + " labels; " + std::to_string(labels) + " expected");
  }
  for (int32_t label : batch.labels) {
    if (label < -1 || label >= classes) throw bad_input("label " + std::to_string(label) + " is no class");
  }
  size_t teacher = static_cast<size_t>(batch.sequences() * shape.teacher_size);
  if (batch.teacher.size() != teacher) {
    throw bad_input(std::to_string(batch.teacher.size()) + " values of a teacher; " +
                    std::to_string(teacher) + " expected");
  }
}

constexpr double kLeastNorm = 1e-8;  // as PyTorch's CosineSimilarity has it

// The masked tokens of a pack's sequences: where they stand in it, and what stood there.
struct Masked {
  std::vector<int64_t> rows, targets;
};

Masked masked(const MaskedBatch& batch, const Pack& pack, int64_t first) {
  Masked found;
  for (int64_t s = 0; s < pack.sequences(); s++) {
    int64_t begin = batch.offsets[first + s], end = batch.offsets[first + s + 1];
    auto at = std::lower_bound(batch.positions.begin(), batch.positions.end(), begin);
    for (; at != batch.positions.end() && *at < end; ++at) {
      found.rows.push_back(pack.starts[s] + *at - begin);
      found.targets.push_back(batch.targets[at - batch.positions.begin()]);
    }
  }
  return found;
}

}  // namespace

PretrainResult Model::pretrain(const MaskedBatch& batch, Purpose purpose, const Cancellation& cancellation) {
  if (!pretraining_) throw Error("BAD_OPTION", "the model was not created for pre-training");
  const PretrainingShape& shape = options_.pretraining;
  validate(batch, options_.encoder.vocab_size, shape);
  PretrainResult result{};
  double words = static_cast<double>(batch.positions.size());
  double labelled = static_cast<double>(
      std::count_if(batch.labels.begin(), batch.labels.end(), [](int32_t label) { return label >= 0; }));
  auto to_device = [&](const std::vector<int64_t>& values) {
    return at::tensor(values, at::kLong).to(device_);
  };
  auto loss_of = [](const at::Tensor& logits, const at::Tensor& targets, double denominator) {
    return at::cross_entropy_loss(logits.to(at::kFloat), targets, {}, at::Reduction::Sum) / denominator;
  };
  auto of_words = [&](const at::Tensor& hidden, const Masked& masked) {
    at::Tensor logits = pretraining_->words(hidden, to_device(masked.rows));
    at::Tensor wanted = to_device(masked.targets), loss = loss_of(logits, wanted, words);
    result.word_loss += loss.item<double>();
    result.words_correct += logits.detach().argmax(-1).eq(wanted).sum().item<int64_t>();
    return loss;
  };
  auto of_classes = [&](const at::Tensor& means, int64_t first, int64_t count) {
    std::vector<int64_t> labels(batch.labels.begin() + first, batch.labels.begin() + first + count);
    at::Tensor logits = pretraining_->classes(means), wanted = to_device(labels);
    // A text without a class has the label that is passed over.
    at::Tensor loss = at::cross_entropy_loss(logits, wanted, {}, at::Reduction::Sum, -1) / labelled;
    result.class_loss += loss.item<double>();
    result.correct += logits.detach().argmax(-1).eq(wanted).sum().item<int64_t>();
    return loss;
  };
  auto of_teacher = [&](const at::Tensor& means, int64_t first, int64_t count) {
    auto from = batch.teacher.begin() + first * shape.teacher_size;
    std::vector<float> said(from, from + count * shape.teacher_size);
    at::Tensor teacher = at::tensor(said).view({count, shape.teacher_size}).to(device_);
    at::Tensor cosines = at::cosine_similarity(pretraining_->projected(means), teacher, 1, kLeastNorm);
    at::Tensor loss = (1 - cosines).sum() / static_cast<double>(batch.sequences());
    result.teacher_loss += loss.item<double>();
    return loss;
  };
  auto part = [&](int64_t first, int64_t count, Pass& pass) {
    Pack packed = pack(batch, first, count, options_.encoder, device_);
    at::Tensor hidden = encoder_(packed, pass);
    at::Tensor loss = at::zeros({}, at::TensorOptions().dtype(at::kFloat).device(device_));
    if (Masked found = masked(batch, packed, first); !found.rows.empty()) {
      loss = loss + of_words(hidden, found);
    }
    if (labelled == 0 && shape.teacher_size == 0) return loss;
    at::Tensor states = means(hidden, packed).to(hidden.scalar_type());
    if (labelled > 0) loss = loss + shape.class_weight * of_classes(states, first, count);
    if (shape.teacher_size > 0) loss = loss + shape.teacher_weight * of_teacher(states, first, count);
    return loss;
  };
  if (purpose == Purpose::kEvaluate) {
    enter();
    c10::InferenceMode guard;
    for (int64_t first = 0; first < batch.sequences(); first += batch.micro_batch) {
      Pass pass;
      pass.cancellation = &cancellation;
      result.loss += part(first, std::min(batch.micro_batch, batch.sequences() - first), pass).item<double>();
    }
    return result;
  }
  take_step(result, purpose == Purpose::kStep, batch.learning_rate_scale,
            [&] { accumulate(batch.sequences(), batch.micro_batch, part, result, cancellation); });
  return result;
}

}  // namespace arxiv
