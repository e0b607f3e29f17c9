#include "validate.h"

#include <algorithm>

#include "error.h"

namespace arxiv {
namespace {

void require(bool holds, const std::string& field, const std::string& expected) {
  if (!holds) throw Error("BAD_OPTION", field + ": " + expected + " expected");
}

void one_of(const std::string& value, const std::string& field, const std::vector<std::string>& allowed) {
  std::string list;
  for (const auto& name : allowed) list += (list.empty() ? "" : ", ") + name;
  require(std::find(allowed.begin(), allowed.end(), value) != allowed.end(), field, "one of " + list);
}

void size(int64_t value, const std::string& field) {
  require(value >= 1 && value < int64_t{1} << 48, field, "a whole number above 0");
}

void probability(double value, const std::string& field) {
  require(value >= 0 && value < 1, field, "a number from 0 to below 1");
}

void not_negative(double value, const std::string& field) {
  require(value >= 0, field, "a number of 0 or above");
}

void validate(const EncoderShape& encoder) {
  size(encoder.vocab_size, "encoder.vocabSize");
  size(encoder.hidden_size, "encoder.hiddenSize");
  require(encoder.layers >= 0, "encoder.layers", "a number of 0 or above");
  size(encoder.attention_heads, "encoder.attentionHeads");
  require(encoder.hidden_size % encoder.attention_heads == 0, "encoder.attentionHeads",
          "a divisor of hiddenSize");
  size(encoder.intermediate_size, "encoder.intermediateSize");
  size(encoder.max_positions, "encoder.maxPositions");
  require(encoder.position_offset >= 0 && encoder.position_offset < encoder.max_positions,
          "encoder.positionOffset", "a number from 0 to below maxPositions");
  require(encoder.pad_token_id >= 0 && encoder.pad_token_id < encoder.vocab_size, "encoder.padTokenId",
          "a number from 0 to below vocabSize");
  int64_t buckets = encoder.relative_attention_buckets;
  require(buckets == 0 || (buckets >= 4 && buckets <= 256 && buckets % 4 == 0),
          "encoder.relativeAttentionBuckets", "0, or a multiple of 4 up to 256,");
  require(encoder.type_vocab_size >= 0, "encoder.typeVocabSize", "a number of 0 or above");
  not_negative(encoder.layer_norm_eps, "encoder.layerNormEps");
  not_negative(encoder.initializer_range, "encoder.initializerRange");
  one_of(encoder.activation, "encoder.activation", {"gelu", "gelu_tanh", "relu"});
  probability(encoder.hidden_dropout, "encoder.hiddenDropout");
  probability(encoder.attention_output_dropout, "encoder.attentionOutputDropout");
  probability(encoder.attention_dropout, "encoder.attentionDropout");
}

void validate(const HeadShape& head, const EncoderShape& encoder) {
  one_of(head.type, "head.type", {"cross-attention", "concat", "cls", "mean"});
  size(head.classes, "head.classes");
  for (int64_t width : head.hidden) size(width, "head.hidden");
  require(head.dropout.size() == head.hidden.size(), "head.dropout", "one value for each of head.hidden");
  for (double p : head.dropout) probability(p, "head.dropout");
  one_of(head.activation, "head.activation", {"gelu", "relu"});
  probability(head.embedding_dropout, "head.embeddingDropout");
  if (head.type != "cross-attention") return;
  size(head.attention_heads, "head.attentionHeads");
  require(encoder.hidden_size % head.attention_heads == 0, "head.attentionHeads",
          "a divisor of encoder.hiddenSize");
  probability(head.attention_dropout, "head.attentionDropout");
}

void validate(const PretrainingShape& pretraining) {
  require(pretraining.classes >= 0 && pretraining.classes < int64_t{1} << 48, "pretraining.classes",
          "a number of 0 or above");
  not_negative(pretraining.class_weight, "pretraining.classWeight");
  require(pretraining.teacher_size >= 0 && pretraining.teacher_size < int64_t{1} << 48,
          "pretraining.teacherSize", "a number of 0 or above");
  not_negative(pretraining.teacher_weight, "pretraining.teacherWeight");
}

void validate(const TrainingShape& training, const EncoderShape& encoder, int64_t classes) {
  require(training.frozen_layers >= 0 && training.frozen_layers <= encoder.layers, "training.frozenLayers",
          "a number from 0 to encoder.layers");
  one_of(training.grouping, "training.grouping", {"encoder", "layers"});
  not_negative(training.learning_rate, "training.learningRate");
  not_negative(training.head_learning_rate, "training.headLearningRate");
  not_negative(training.weight_decay, "training.weightDecay");
  not_negative(training.head_weight_decay, "training.headWeightDecay");
  probability(training.beta1, "training.beta1");
  probability(training.beta2, "training.beta2");
  not_negative(training.epsilon, "training.epsilon");
  require(training.clip_norm > 0, "training.clipNorm", "a number above 0");
  one_of(training.loss, "training.loss", {"cross-entropy", "focal"});
  not_negative(training.focal_gamma, "training.focalGamma");
  require(training.label_smoothing >= 0 && training.label_smoothing <= 1, "training.labelSmoothing",
          "a number from 0 to 1");
  require(training.temperature > 0, "training.distillation.temperature", "a number above 0");
  require(training.teacher_weight >= 0 && training.teacher_weight <= 1, "training.distillation.teacherWeight",
          "a number from 0 to 1");
  const auto& weights = training.class_weights;
  require(weights.empty() || weights.size() == static_cast<size_t>(classes), "training.classWeights",
          "one weight a class, or none,");
  for (double weight : weights) not_negative(weight, "training.classWeights");
}

}  // namespace

void validate(const ModelOptions& options) {
  validate(options.encoder);
  require(!(options.pretrains && options.classifies), "head", "a head or a pretraining shape, not both,");
  require(!options.trains || options.pretrains || options.classifies, "training",
          "a head or a pretraining shape beside it");
  if (options.pretrains) validate(options.pretraining);
  if (options.classifies) validate(options.head, options.encoder);
  int64_t classes = options.pretrains ? options.pretraining.classes : options.head.classes;
  if (options.trains) validate(options.training, options.encoder, classes);
  one_of(options.precision, "precision", {"fp32", "bf16", "fp16", "int8"});
  require(options.precision != "int8" || (!options.trains && options.device == "cpu"), "precision",
          "a type that training and this device have (int8 is for prediction on a CPU)");
  require(options.threads >= 1 && options.threads <= 1024, "threads", "a number from 1 to 1024");
}

}  // namespace arxiv
