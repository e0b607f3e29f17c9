// Plain descriptions of a model and its batches, as they arrive from TypeScript (src/native.ts says what each
// means).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace arxiv {

struct TensorSource {
  std::string name, dtype, file;
  std::vector<int64_t> shape, strides;
  int64_t offset = 0;
};

struct EncoderShape {
  int64_t vocab_size, hidden_size, layers, attention_heads, intermediate_size, max_positions, type_vocab_size;
  double layer_norm_eps;
  std::string activation;
  double hidden_dropout, attention_output_dropout, attention_dropout, initializer_range;
  int64_t position_offset, pad_token_id, relative_attention_buckets;
};

struct HeadShape {
  std::string type;
  int64_t classes;
  std::vector<int64_t> hidden;
  std::string activation;
  std::vector<double> dropout;
  double embedding_dropout;
  int64_t attention_heads;
  double attention_dropout;
};

// What an encoder is pre-trained by, in place of a head's task.
struct PretrainingShape {
  int64_t classes;
  double class_weight;
  int64_t teacher_size;
  double teacher_weight;
};

struct TrainingShape {
  int64_t frozen_layers;
  bool freeze_embeddings;
  std::string grouping;
  double learning_rate, head_learning_rate, weight_decay, head_weight_decay, beta1, beta2, epsilon, clip_norm;
  std::string loss;
  double focal_gamma, label_smoothing;
  std::vector<double> class_weights;
  bool distils = false;
  double temperature = 1, teacher_weight = 0;
};

struct ModelOptions {
  EncoderShape encoder;
  bool classifies = false;
  HeadShape head{};
  bool pretrains = false;
  PretrainingShape pretraining{};
  bool trains = false;
  TrainingShape training{};
  std::string device, precision;
  int64_t threads;
  uint64_t seed;
  bool deterministic;
  std::vector<TensorSource> weights;
  std::vector<std::string> may_initialize;
};

struct PackedBatch {
  std::vector<int32_t> ids, offsets;
  int64_t sequences() const { return static_cast<int64_t>(offsets.size()) - 1; }
};

struct TrainBatch : PackedBatch {
  std::vector<int32_t> labels;
  std::vector<float> teacher;  // papers × classes
  int64_t micro_batch;
  double learning_rate_scale;
};

struct MaskedBatch : PackedBatch {
  std::vector<int32_t> positions, targets, labels;
  std::vector<float> teacher;  // sequences × teacher_size
  int64_t micro_batch;
  double learning_rate_scale;
};

struct StepResult {
  double loss, gradient_norm;
  int64_t correct;
  bool applied;
};

struct PretrainResult : StepResult {
  double word_loss, class_loss, teacher_loss;
  int64_t words_correct;
};

struct ParameterInfo {
  std::string name;
  std::vector<int64_t> shape;
  std::string group;
  bool trainable;
};

struct DeviceInfo {
  std::string name, description;
  std::vector<std::string> precisions;
  double memory;
};

using Metadata = std::map<std::string, std::string>;

struct SaveOptions {
  bool optimizer;
  Metadata metadata;
  std::string dtype;
  std::map<std::string, std::string> names;  // empty: all, by their own
};

}  // namespace arxiv
