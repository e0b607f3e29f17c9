#include "model.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "devices.h"
#include "error.h"
#include "tensor_file.h"

namespace arxiv {
namespace {

at::ScalarType compute_type(const std::string& precision) {
  // int8 is the type of the products; what is between them is the next best.
  if (precision == "bf16" || (precision == "int8" && cpu_has_bf16())) return at::kBFloat16;
  if (precision == "fp16") return at::kHalf;
  return at::kFloat;
}

// Dynamic loss scaling for fp16, with the constants of PyTorch's GradScaler.
constexpr double kInitialLossScale = 65536, kGrowth = 2, kBackoff = 0.5;
constexpr int64_t kGrowthInterval = 2000;

std::vector<float> to_vector(const at::Tensor& tensor) {
  at::Tensor data = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  const float* begin = data.const_data_ptr<float>();
  return {begin, begin + data.numel()};
}

}  // namespace

Model::Model(ModelOptions options, const Cancellation& cancellation)
    : options_(std::move(options)),
      device_(options_.device),
      compute_(compute_type(options_.precision)),
      parameters_(device_, compute_, /*keep_masters=*/options_.trains),
      encoder_(options_.encoder, options_.trains ? options_.training.frozen_layers : 0,
               !options_.trains || options_.training.freeze_embeddings,
               options_.trains && options_.training.grouping == "layers", parameters_, compute_),
      loss_scale_(compute_ == at::kHalf ? kInitialLossScale : 1) {
  enter();
  cancellation.check();
  if (options_.pretrains) pretraining_.emplace(options_.pretraining, options_.encoder, parameters_);
  if (options_.classifies) head_.emplace(options_.head, options_.encoder.hidden_size, parameters_);
  parameters_.fill(options_.weights, options_.may_initialize, options_.seed);
  bool int8 = options_.precision == "int8";
  if (int8 || (!options_.trains && device_.is_cpu() && compute_ == at::kBFloat16)) {
    c10::InferenceMode guard;
    encoder_.pack(int8);
  }
  if (options_.trains) {
    loss_ = std::make_unique<Loss>(options_.training, device_);
    optimizer_ = std::make_unique<Optimizer>(options_.training, parameters_);
  }
}

// LibTorch's settings are the process's; each job puts its model's in place.
void Model::enter() const {
  int threads = static_cast<int>(options_.threads);
  if (at::get_num_threads() != threads) at::set_num_threads(threads);
  at::globalContext().setDeterministicAlgorithms(options_.deterministic, /*warn_only=*/false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

int64_t Model::papers(const PackedBatch& batch) const {
  if (!head_) throw Error("BAD_OPTION", "the model was created without a head");
  int64_t each = head_->sequences_per_paper();
  if (batch.offsets.empty() || batch.sequences() < 1 || batch.sequences() % each != 0) {
    throw bad_input("a batch of " + std::to_string(batch.sequences()) + " sequences; this head reads " +
                    std::to_string(each) + " a paper");
  }
  return batch.sequences() / each;
}

std::vector<ParameterInfo> Model::parameters() const {
  std::vector<ParameterInfo> infos;
  for (const auto& slice : parameters_.slices()) {
    const Parameter* p = slice.parameter;
    infos.push_back(
        {slice.name, slice.shape, p->group == ParameterGroup::kEncoder ? "encoder" : "head", p->trainable});
  }
  return infos;
}

std::vector<float> Model::predict(const PackedBatch& batch, const Cancellation& cancellation) {
  enter();
  c10::InferenceMode guard;
  Pass pass;
  pass.cancellation = &cancellation;
  if (pretraining_) throw Error("BAD_OPTION", "the model was created for pre-training");
  if (!head_ && batch.sequences() < 1) throw bad_input("a batch without sequences");
  int64_t sequences = head_ ? papers(batch) * head_->sequences_per_paper() : batch.sequences();
  Pack packed = pack(batch, 0, sequences, options_.encoder, device_);
  at::Tensor hidden = encoder_(packed, pass);
  return to_vector(head_ ? (*head_)(hidden, packed, pass) : means(hidden, packed));
}

// Forward and backward over a batch, so many of its sequences at a time.
void Model::accumulate(int64_t sequences, int64_t at_once, const Part& part, StepResult& result,
                       const Cancellation& cancellation) {
  uint64_t key = mix(options_.seed, passes_);
  parameters_.release_gradients();
  for (int64_t first = 0; first < sequences; first += at_once) {
    Pass pass;
    pass.training = true;
    pass.key = mix(key, static_cast<uint64_t>(first));
    pass.cancellation = &cancellation;
    // For the dropout that LibTorch draws.
    at::Generator generator = at::globalContext().defaultGenerator(device_);
    generator.set_current_seed(pass.key);
    at::Tensor loss = part(first, std::min(at_once, sequences - first), pass);
    double value = loss.item<double>();
    if (!std::isfinite(value)) throw Error("NON_FINITE", "the loss is not finite");
    result.loss += value;
    // A part without a masked word teaches nothing.
    if (loss.requires_grad()) (loss_scale_ == 1 ? loss : loss * loss_scale_).backward();
    parameters_.collect_gradients(first == 0);
  }
}

// What a step of any kind is around the passes over its batch.
void Model::take_step(StepResult& result, bool apply, double learning_rate_scale,
                      const std::function<void()>& accumulate) {
  enter();
  require_training();
  try {
    accumulate();
  } catch (...) {
    // What a cancelled or failed backward pass left behind must not flow into the next step.
    for (auto& p : parameters_.all()) p.value.mutable_grad().reset();
    throw;
  }
  passes_++;  // only now: a step that was refused or cancelled leaves no trace
  result.gradient_norm = optimizer_->gradient_norm(loss_scale_);
  if (!apply) return;
  result.applied = grow_or_shrink_loss_scale(result.gradient_norm);
  if (!result.applied) return;
  optimizer_->step(learning_rate_scale, result.gradient_norm);
  parameters_.refresh();
}

StepResult Model::train_step(const TrainBatch& batch, bool apply, const Cancellation& cancellation) {
  StepResult result{};
  int64_t count = papers(batch), each = head_->sequences_per_paper();
  if (batch.micro_batch < 1) throw bad_input("microBatch: a whole number above 0 expected");
  if (static_cast<int64_t>(batch.labels.size()) != count) {
    throw bad_input(std::to_string(batch.labels.size()) + " labels for " + std::to_string(count) + " papers");
  }
  int64_t classes = options_.head.classes;
  bool distils = options_.training.distils;
  for (int32_t label : batch.labels) {
    if (label < (distils ? -1 : 0) || label >= classes)
      throw bad_input("label " + std::to_string(label) + " is no class");
  }
  if (static_cast<int64_t>(batch.teacher.size()) != (distils ? count * classes : 0)) {
    throw bad_input(std::to_string(batch.teacher.size()) + " probabilities of a teacher for " +
                    std::to_string(count) + " papers");
  }
  auto part = [&](int64_t first, int64_t n, Pass& pass) {
    Pack packed = pack(batch, first * each, n * each, options_.encoder, device_);
    at::Tensor labels =
        at::tensor(std::vector<int64_t>(batch.labels.begin() + first, batch.labels.begin() + first + n))
            .to(device_);
    at::Tensor logits = (*head_)(encoder_(packed, pass), packed, pass);
    if (!distils) {
      result.correct += logits.argmax(-1).eq(labels).sum().item<int64_t>();
      return (*loss_)(logits, labels, loss_->denominator(batch.labels));
    }
    auto from = batch.teacher.begin() + first * classes;
    at::Tensor teacher =
        at::tensor(std::vector<float>(from, from + n * classes)).view({n, classes}).to(device_);
    at::Tensor wanted = at::where(labels.ge(0), labels, teacher.argmax(-1));
    result.correct += logits.argmax(-1).eq(wanted).sum().item<int64_t>();
    return loss_->distilled(logits, labels, teacher, batch.labels);
  };
  take_step(result, apply, batch.learning_rate_scale,
            [&] { accumulate(count, batch.micro_batch, part, result, cancellation); });
  return result;
}

// Returns whether the gradients may be applied.
bool Model::grow_or_shrink_loss_scale(double norm) {
  bool finite = std::isfinite(norm);
  if (compute_ != at::kHalf) {
    if (!finite) throw Error("NON_FINITE", "the gradients are not finite");
    return true;
  }
  if (!finite) {
    loss_scale_ *= kBackoff;
    steps_since_overflow_ = 0;
    if (loss_scale_ < 1) throw Error("NON_FINITE", "the gradients are not finite at any loss scale");
  } else if (++steps_since_overflow_ == kGrowthInterval) {
    loss_scale_ *= kGrowth;
    steps_since_overflow_ = 0;
  }
  return finite;
}

void Model::require_training() const {
  if (!optimizer_) throw Error("BAD_OPTION", "the model was created without training options");
}

std::vector<float> Model::read(const std::string& kind, const std::string& name) {
  enter();
  const auto& slice = parameters_.slice(name);
  at::Tensor whole;
  if (kind == "weight") {
    whole = slice.parameter->master;
    if (!whole.defined()) parameters_.require_kept();
  } else {
    require_training();
    if (kind == "gradient") whole = slice.parameter->gradient;
    if (kind == "exp_avg") whole = optimizer_->exp_avg(slice.parameter);
    if (kind == "exp_avg_sq") whole = optimizer_->exp_avg_sq(slice.parameter);
  }
  if (!whole.defined()) throw bad_input(name + " has no " + kind);
  return to_vector(slice.of(whole.detach()));
}

void Model::save(const std::string& file, const SaveOptions& options) {
  enter();
  parameters_.require_kept();
  c10::NoGradGuard guard;
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& slice : parameters_.slices())
    tensors.emplace_back(slice.name, slice.of(slice.parameter->master));
  Metadata metadata = options.metadata;
  if (options.optimizer) {
    require_training();
    for (const auto& slice : parameters_.slices()) {
      if (!slice.parameter->trainable) continue;
      tensors.emplace_back("exp_avg." + slice.name, slice.of(optimizer_->exp_avg(slice.parameter)));
      tensors.emplace_back("exp_avg_sq." + slice.name, slice.of(optimizer_->exp_avg_sq(slice.parameter)));
    }
    metadata["optimizer_steps"] = std::to_string(optimizer_->steps());
  }
  if (!options.names.empty()) {
    std::erase_if(tensors, [&](const auto& tensor) { return !options.names.contains(tensor.first); });
    for (auto& [name, tensor] : tensors) name = options.names.at(name);
  }
  write_safetensors(file, tensors, options.dtype, metadata);
}

void Model::load(const std::vector<TensorSource>& sources, int64_t optimizer_steps) {
  enter();
  parameters_.require_kept();
  c10::NoGradGuard guard;
  bool optimizer = optimizer_steps >= 0;
  if (optimizer) require_training();
  SourceIndex index = index_sources(sources);
  // Everything is read before anything is replaced.
  std::vector<std::pair<at::Tensor, at::Tensor>> replacements;
  auto read = [&](const std::string& name, const at::Tensor& target) {
    auto found = index.find(name);
    if (found == index.end()) throw bad_model("the weights lack " + name);
    at::Tensor value = at::empty(target.sizes(), at::kFloat);
    read_tensor(*found->second, value);
    replacements.emplace_back(target, value);
  };
  for (const auto& slice : parameters_.slices()) {
    read(slice.name, slice.of(slice.parameter->master));
    if (!optimizer || !slice.parameter->trainable) continue;
    read("exp_avg." + slice.name, slice.of(optimizer_->exp_avg(slice.parameter)));
    read("exp_avg_sq." + slice.name, slice.of(optimizer_->exp_avg_sq(slice.parameter)));
  }
  for (auto& [target, value] : replacements) target.copy_(value);
  parameters_.refresh();
  if (!optimizer) return;
  optimizer_->set_steps(optimizer_steps);
  passes_ = static_cast<uint64_t>(optimizer_steps);
}

}  // namespace arxiv
