#include "marshal.h"

#include <cmath>
#include <cstring>

namespace arxiv {
namespace {

// One object's fields, by name.
class Fields {
 public:
  Fields(Napi::Value value, const std::string& what) : what_(what) {
    if (!value.IsObject()) fail(value.Env(), what, "an object");
    object_ = value.As<Napi::Object>();
  }

  Napi::Value get(const char* name) const { return object_.Get(name); }

  std::string string(const char* name) const {
    Napi::Value value = get(name);
    if (!value.IsString()) fail(name, "a string");
    return value.As<Napi::String>();
  }

  double number(const char* name) const {
    Napi::Value value = get(name);
    if (!value.IsNumber()) fail(name, "a number");
    return value.As<Napi::Number>();
  }

  int64_t integer(const char* name) const { return whole(number(name), name, "an integer"); }

  bool boolean(const char* name) const {
    Napi::Value value = get(name);
    if (!value.IsBoolean()) fail(name, "a boolean");
    return value.As<Napi::Boolean>();
  }

  std::vector<double> numbers(const char* name) const {
    std::vector<double> values;
    each(name, [&](Napi::Value item) {
      if (!item.IsNumber()) fail(name, "an array of numbers");
      values.push_back(item.As<Napi::Number>().DoubleValue());
    });
    return values;
  }

  std::vector<int64_t> integers(const char* name) const {
    std::vector<int64_t> values;
    for (double value : numbers(name)) values.push_back(whole(value, name, "an array of integers"));
    return values;
  }

  std::vector<std::string> strings(const char* name) const {
    std::vector<std::string> values;
    each(name, [&](Napi::Value item) {
      if (!item.IsString()) fail(name, "an array of strings");
      values.push_back(item.As<Napi::String>());
    });
    return values;
  }

  std::vector<int32_t> int32s(const char* name) const {
    return elements<int32_t>(name, napi_int32_array, "an Int32Array");
  }

  std::vector<float> floats(const char* name) const {
    return elements<float>(name, napi_float32_array, "a Float32Array");
  }

 private:
  template <typename T>
  std::vector<T> elements(const char* name, napi_typedarray_type type, const char* expected) const {
    Napi::Value value = get(name);
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) fail(name, expected);
    auto array = value.As<Napi::TypedArrayOf<T>>();
    return {array.Data(), array.Data() + array.ElementLength()};
  }

  int64_t whole(double value, const char* name, const char* expected) const {
    bool exact = std::nearbyint(value) == value && std::fabs(value) <= 9007199254740991.0;
    if (!exact) fail(name, expected);
    return static_cast<int64_t>(value);
  }

  template <typename Visit>
  void each(const char* name, Visit visit) const {
    Napi::Value value = get(name);
    if (!value.IsArray()) fail(name, "an array");
    auto array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); i++) visit(array.Get(i));
  }

  [[noreturn]] void fail(const char* name, const char* expected) const {
    fail(object_.Env(), what_ + "." + name, expected);
  }
  [[noreturn]] static void fail(Napi::Env env, const std::string& what, const char* expected) {
    throw Napi::TypeError::New(env, what + ": " + expected + " expected");
  }

  std::string what_;
  Napi::Object object_;
};

EncoderShape to_encoder(Napi::Value value) {
  Fields f(value, "encoder");
  return {f.integer("vocabSize"),
          f.integer("hiddenSize"),
          f.integer("layers"),
          f.integer("attentionHeads"),
          f.integer("intermediateSize"),
          f.integer("maxPositions"),
          f.integer("typeVocabSize"),
          f.number("layerNormEps"),
          f.string("activation"),
          f.number("hiddenDropout"),
          f.number("attentionOutputDropout"),
          f.number("attentionDropout"),
          f.number("initializerRange"),
          f.integer("positionOffset"),
          f.integer("padTokenId"),
          f.integer("relativeAttentionBuckets")};
}

HeadShape to_head(Napi::Value value) {
  Fields f(value, "head");
  HeadShape head{f.string("type"),
                 f.integer("classes"),
                 f.integers("hidden"),
                 f.string("activation"),
                 f.numbers("dropout"),
                 f.number("embeddingDropout"),
                 f.integer("attentionHeads"),
                 f.number("attentionDropout")};
  return head;
}

TrainingShape to_training(Napi::Value value) {
  Fields f(value, "training");
  TrainingShape training{f.integer("frozenLayers"),
                         f.boolean("freezeEmbeddings"),
                         f.string("grouping"),
                         f.number("learningRate"),
                         f.number("headLearningRate"),
                         f.number("weightDecay"),
                         f.number("headWeightDecay"),
                         f.number("beta1"),
                         f.number("beta2"),
                         f.number("epsilon"),
                         f.number("clipNorm"),
                         f.string("loss"),
                         f.number("focalGamma"),
                         f.number("labelSmoothing"),
                         f.numbers("classWeights")};
  if (Napi::Value given = f.get("distillation"); !given.IsUndefined()) {
    Fields distillation(given, "distillation");
    training.distils = true;
    training.temperature = distillation.number("temperature");
    training.teacher_weight = distillation.number("teacherWeight");
  }
  return training;
}

void read_batch(const Fields& fields, PackedBatch& batch) {
  batch.ids = fields.int32s("ids");
  batch.offsets = fields.int32s("offsets");
}

std::map<std::string, std::string> to_texts(Napi::Value value, const std::string& what) {
  std::map<std::string, std::string> texts;
  Fields fields(value, what);
  Napi::Array names = value.As<Napi::Object>().GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); i++) {
    std::string name = names.Get(i).ToString();
    texts[name] = fields.string(name.c_str());
  }
  return texts;
}

template <typename T>
Napi::Array to_array(Napi::Env env, const std::vector<T>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); i++) array.Set(i, values[i]);
  return array;
}

}  // namespace

ModelOptions to_model_options(Napi::Value value) {
  Fields f(value, "options");
  ModelOptions options;
  options.encoder = to_encoder(f.get("encoder"));
  options.pretrains = !f.get("pretraining").IsUndefined();
  if (options.pretrains) {
    Fields pretraining(f.get("pretraining"), "pretraining");
    options.pretraining = {pretraining.integer("classes"), pretraining.number("classWeight"),
                           pretraining.integer("teacherSize"), pretraining.number("teacherWeight")};
  }
  options.classifies = !f.get("head").IsUndefined();
  if (options.classifies) options.head = to_head(f.get("head"));
  options.trains = !f.get("training").IsUndefined();
  if (options.trains) options.training = to_training(f.get("training"));
  options.device = f.string("device");
  options.precision = f.string("precision");
  options.threads = f.integer("threads");
  options.seed = static_cast<uint64_t>(f.integer("seed"));
  options.deterministic = f.boolean("deterministic");
  options.weights = to_tensor_sources(f.get("weights"));
  options.may_initialize = f.strings("mayInitialize");
  return options;
}

std::vector<TensorSource> to_tensor_sources(Napi::Value value) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), "weights: an array expected");
  auto array = value.As<Napi::Array>();
  std::vector<TensorSource> sources;
  for (uint32_t i = 0; i < array.Length(); i++) {
    Napi::HandleScope scope(value.Env());
    Fields f(array.Get(i), "weights[" + std::to_string(i) + "]");
    TensorSource source{f.string("name"),   f.string("dtype"), f.string("file"), f.integers("shape"), {},
                        f.integer("offset")};
    if (!f.get("strides").IsUndefined()) source.strides = f.integers("strides");
    sources.push_back(std::move(source));
  }
  return sources;
}

PackedBatch to_packed_batch(Napi::Value value) {
  PackedBatch batch;
  read_batch(Fields(value, "batch"), batch);
  return batch;
}

TrainBatch to_train_batch(Napi::Value value) {
  Fields f(value, "batch");
  TrainBatch batch;
  read_batch(f, batch);
  batch.labels = f.int32s("labels");
  if (!f.get("teacher").IsUndefined()) batch.teacher = f.floats("teacher");
  batch.micro_batch = f.integer("microBatch");
  batch.learning_rate_scale = f.number("learningRateScale");
  return batch;
}

MaskedBatch to_masked_batch(Napi::Value value) {
  Fields f(value, "batch");
  MaskedBatch batch;
  read_batch(f, batch);
  batch.positions = f.int32s("positions");
  batch.targets = f.int32s("targets");
  batch.labels = f.int32s("labels");
  if (!f.get("teacher").IsUndefined()) batch.teacher = f.floats("teacher");
  batch.micro_batch = f.integer("microBatch");
  batch.learning_rate_scale = f.number("learningRateScale");
  return batch;
}

SaveOptions to_save_options(Napi::Value value) {
  Fields f(value, "options");
  SaveOptions options{f.boolean("optimizer"), to_texts(f.get("metadata"), "metadata"), "F32", {}};
  if (!f.get("dtype").IsUndefined()) options.dtype = f.string("dtype");
  if (!f.get("names").IsUndefined()) options.names = to_texts(f.get("names"), "names");
  return options;
}

Napi::Value from_floats(Napi::Env env, const std::vector<float>& values) {
  auto array = Napi::Float32Array::New(env, values.size());
  std::memcpy(array.Data(), values.data(), values.size() * sizeof(float));
  return array;
}

Napi::Value from_step_result(Napi::Env env, const StepResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("loss", result.loss);
  object.Set("gradientNorm", result.gradient_norm);
  object.Set("correct", static_cast<double>(result.correct));
  object.Set("applied", result.applied);
  return object;
}

Napi::Value from_pretrain_result(Napi::Env env, const PretrainResult& result) {
  auto object = from_step_result(env, result).As<Napi::Object>();
  object.Set("wordLoss", result.word_loss);
  object.Set("wordsCorrect", static_cast<double>(result.words_correct));
  object.Set("classLoss", result.class_loss);
  object.Set("teacherLoss", result.teacher_loss);
  return object;
}

Napi::Value from_parameters(Napi::Env env, const std::vector<ParameterInfo>& parameters) {
  Napi::Array array = Napi::Array::New(env, parameters.size());
  for (uint32_t i = 0; i < parameters.size(); i++) {
    const auto& p = parameters[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", p.name);
    object.Set("shape", to_array(env, std::vector<double>(p.shape.begin(), p.shape.end())));
    object.Set("group", p.group);
    object.Set("trainable", p.trainable);
    array.Set(i, object);
  }
  return array;
}

Napi::Value from_devices(Napi::Env env, const std::vector<DeviceInfo>& devices) {
  Napi::Array array = Napi::Array::New(env, devices.size());
  for (uint32_t i = 0; i < devices.size(); i++) {
    const auto& d = devices[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", d.name);
    object.Set("description", d.description);
    object.Set("precisions", to_array(env, d.precisions));
    object.Set("memory", d.memory);
    array.Set(i, object);
  }
  return array;
}

}  // namespace arxiv
