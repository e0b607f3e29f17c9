// The engine's own sources without Node, part by part, on Google Benchmark: `npm run bench -- kernels` builds
// and runs it. Its own flags are --encoder=HIDDEN,LAYERS,HEADS,INTERMEDIATE,VOCABULARY,POSITIONS,
// --lengths=TITLE,ABSTRACT,… (tokens), --frozen=LAYERS, --threads=N and --scratch=FILE (removed at the end).
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <benchmark/benchmark.h>
#include <c10/core/InferenceMode.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <numeric>
#include <sstream>

#include "../native/attention.h"
#include "../native/devices.h"
#include "../native/model.h"
#include "../native/packed_linear.h"

namespace {

using namespace arxiv;

struct Setting {
  EncoderShape encoder{31090, 768, 12, 12, 3072, 512, 2, 1e-12, "gelu", 0.1, 0.1, 0.1, 0.02, 0, 0, 0};
  HeadShape head{"cross-attention", 4, {512, 256, 128}, "gelu", {0.35, 0.35, 0.28}, 0.1, 8, 0.1};
  TrainingShape training{3,    false, "encoder",       5e-5, 2.5e-4, 0.01, 0.02, 0.9, 0.999,
                         1e-8, 1,     "cross-entropy", 2,    0.1,    {}};
  std::vector<int64_t> lengths;
  int threads = 1;
  std::string scratch = "bench_kernels.scratch";
} setting;

// What this CPU trains in, and what it predicts in.
std::vector<std::string> training_precisions() {
  return cpu_has_bf16() ? std::vector<std::string>{"fp32", "bf16"} : std::vector<std::string>{"fp32"};
}

std::vector<std::string> precisions() {
  std::vector<std::string> found = training_precisions();
  if (has_int8()) found.push_back("int8");
  return found;
}

// As the engine has it: int8 is the type of the products, bf16 that of what is between them.
at::ScalarType type_of(const std::string& precision) {
  return precision == "fp32" || !cpu_has_bf16() ? at::kFloat : at::kBFloat16;
}

TrainBatch batch_of(const std::vector<int64_t>& lengths) {
  TrainBatch batch;
  batch.offsets.push_back(0);
  uint64_t random = 1;
  for (int64_t length : lengths) {
    for (int64_t i = 0; i < length; i++) {
      random = mix(random, static_cast<uint64_t>(i));
      batch.ids.push_back(
          static_cast<int32_t>(5 + random % static_cast<uint64_t>(setting.encoder.vocab_size - 5)));
    }
    batch.offsets.push_back(static_cast<int32_t>(batch.ids.size()));
  }
  for (size_t paper = 0; paper < lengths.size() / 2; paper++)
    batch.labels.push_back(static_cast<int32_t>(paper % 4));
  batch.micro_batch = static_cast<int64_t>(lengths.size() / 2);
  batch.learning_rate_scale = 1;
  return batch;
}

// Every title and every abstract as long as the longest: what a program computes that pads.
std::vector<int64_t> padded(std::vector<int64_t> lengths) {
  int64_t longest[2] = {0, 0};
  for (size_t i = 0; i < lengths.size(); i++) longest[i % 2] = std::max(longest[i % 2], lengths[i]);
  for (size_t i = 0; i < lengths.size(); i++) lengths[i] = longest[i % 2];
  return lengths;
}

int64_t tokens() { return std::accumulate(setting.lengths.begin(), setting.lengths.end(), int64_t{0}); }

// The last thing that was made: Google Benchmark calls a function several times, and a model takes a second
// to make.
template <typename T>
T& kept(const std::string& key, const std::function<std::unique_ptr<T>()>& make) {
  static std::string of;
  static std::unique_ptr<T> thing;
  if (of != key || !thing) {
    thing.reset();
    thing = make();
    of = key;
  }
  return *thing;
}

void add(const std::string& name, const std::function<void(benchmark::State&)>& function) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [function](benchmark::State& state) {
                                 try {
                                   function(state);
                                 } catch (const std::exception& error) {
                                   std::string message = error.what();
                                   state.SkipWithError(message.substr(0, message.find('\n')).c_str());
                                 }
                               })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->MeasureProcessCPUTime();
}

void count_flops(benchmark::State& state, double flops) {
  state.counters["flops"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
}

// Operators without a C++ function of their own.
at::Tensor call(const char* name, std::vector<c10::IValue> arguments) {
  auto found = c10::Dispatcher::singleton().findSchema({name, ""});
  if (!found) throw std::runtime_error(std::string("this LibTorch has no ") + name);
  found->callBoxed(&arguments);
  return arguments.at(0).toTensor();
}

c10::IValue no_scalars() { return c10::List<std::optional<at::Scalar>>(); }

void gemm(benchmark::State& state, const std::string& precision, bool packed, int64_t out, int64_t in) {
  c10::InferenceMode guard;
  at::Tensor x = at::randn({tokens(), in}), w = at::randn({out, in}) * 0.02;
  std::function<at::Tensor()> product;
  if (precision == "int8") {
    at::Tensor quantized = (w * 1000).clamp(-127, 127).to(at::kChar);
    at::Tensor weight = call("onednn::qlinear_prepack", {quantized, std::vector<int64_t>{tokens(), in}});
    at::Tensor u8 = (x * 20 + 128).clamp(0, 255).to(at::kByte), scales = at::full({out}, 0.001);
    at::Tensor zeros = at::zeros({out}, at::kInt);
    product = [=] {
      return call("onednn::qlinear_pointwise",
                  {u8, 0.05, int64_t{128}, weight, scales, zeros, c10::IValue(), 1.0, int64_t{0},
                   static_cast<int64_t>(at::kBFloat16), "none", no_scalars(), "none"});
    };
  } else {
    x = x.to(type_of(precision)), w = w.to(type_of(precision));
    at::Tensor weight = packed ? call("mkldnn::_reorder_linear_weight", {w, tokens()}) : w;
    product = [=] {
      return packed
                 ? call("mkldnn::_linear_pointwise", {x, weight, c10::IValue(), "none", no_scalars(), "none"})
                 : at::linear(x, weight);
    };
  }
  for (auto _ : state) benchmark::DoNotOptimize(product());
  count_flops(state, 2.0 * static_cast<double>(tokens() * out * in));
}

void add_gemms() {
  int64_t h = setting.encoder.hidden_size, wide = setting.encoder.intermediate_size;
  const std::tuple<const char*, int64_t, int64_t> shapes[] = {{"query_key_value", 3 * h, h},
                                                              {"attention_output", h, h},
                                                              {"intermediate", wide, h},
                                                              {"output", h, wide}};
  for (const auto& [name, out, in] : shapes) {
    auto one = [&, name = name, out = out, in = in](const std::string& precision, bool packed) {
      add("gemm/" + precision + (packed ? "/packed/" : "/plain/") + name,
          [=](benchmark::State& state) { gemm(state, precision, packed, out, in); });
    };
    for (const auto& precision : training_precisions()) one(precision, false), one(precision, true);
    if (has_int8()) one("int8", true);
  }
}

struct Layers {
  Parameters parameters;
  Encoder encoder;
  Layers(int64_t layers, const std::string& precision, bool trains)
      : parameters(at::kCPU, type_of(precision), trains),
        encoder(shape(layers), 0, true, false, parameters, type_of(precision)) {
    parameters.fill({}, {""}, 1);
    c10::InferenceMode guard;
    if (!trains && precision != "fp32") encoder.pack(precision == "int8");
  }
  static EncoderShape shape(int64_t layers) {
    EncoderShape shape = setting.encoder;
    shape.layers = layers;
    return shape;
  }
};

void run_layers(benchmark::State& state, int64_t layers, const std::string& precision, bool trains,
                bool pads) {
  Layers& it = kept<Layers>(std::to_string(layers) + precision + std::to_string(trains),
                            [&] { return std::make_unique<Layers>(layers, precision, trains); });
  TrainBatch batch = batch_of(pads ? padded(setting.lengths) : setting.lengths);
  std::unique_ptr<c10::InferenceMode> guard;
  if (!trains) guard = std::make_unique<c10::InferenceMode>();
  Pack packed = pack(batch, 0, batch.sequences(), setting.encoder, at::kCPU);
  for (auto _ : state) {
    Pass pass;
    pass.training = trains;
    at::Tensor hidden = it.encoder(packed, pass);
    if (!trains) continue;
    hidden.backward(hidden.detach());
    it.parameters.collect_gradients(true);
  }
}

void add_layers() {
  for (const auto& precision : training_precisions()) {
    add("embeddings/" + precision, [=](benchmark::State& s) { run_layers(s, 0, precision, false, false); });
  }
  // With the embeddings before it, which do not train.
  auto layer = [](const std::string& precision, bool trains) {
    for (bool pads : {false, true}) {
      add("layer/" + precision + (trains ? "/train" : "/infer") + (pads ? "/padded" : "/packed"),
          [=](benchmark::State& s) { run_layers(s, 1, precision, trains, pads); });
    }
  };
  for (const auto& precision : precisions()) layer(precision, false);
  for (const auto& precision : training_precisions()) layer(precision, true);
}

// All abstracts as one rectangle.
void attention(benchmark::State& state, const std::string& precision, bool trains) {
  int64_t length = padded(setting.lengths).at(1),
          sequences = static_cast<int64_t>(setting.lengths.size() / 2);
  int64_t heads = setting.encoder.attention_heads, h = setting.encoder.hidden_size;
  at::Tensor qkv = at::randn({sequences, length, 3, heads, h / heads}).to(type_of(precision));
  qkv.requires_grad_(trains);
  for (auto _ : state) {
    Pass pass;
    pass.training = trains;
    at::Tensor parts = qkv.permute({2, 0, 3, 1, 4});
    at::Tensor out = attend(parts[0], parts[1], parts[2], {}, setting.encoder.attention_dropout, pass);
    if (trains) out.backward(out.detach());
    qkv.mutable_grad().reset();
  }
  count_flops(state, (trains ? 3.0 : 1.0) * 4.0 * static_cast<double>(sequences * length * length * h));
}

struct HeadAlone {
  Parameters parameters;
  Head head;
  HeadAlone(const HeadShape& shape, const std::string& precision)
      : parameters(at::kCPU, type_of(precision), true), head(shape, setting.encoder.hidden_size, parameters) {
    parameters.fill({}, {""}, 1);
  }
};

void run_head(benchmark::State& state, const std::string& type, const std::string& precision) {
  HeadShape shape = setting.head;
  shape.type = type;
  HeadAlone& it =
      kept<HeadAlone>(type + precision, [&] { return std::make_unique<HeadAlone>(shape, precision); });
  TrainBatch batch = batch_of(setting.lengths);
  Pack packed = pack(batch, 0, batch.sequences(), setting.encoder, at::kCPU);
  at::Tensor hidden =
      at::randn({tokens(), setting.encoder.hidden_size}).to(type_of(precision)).requires_grad_(true);
  for (auto _ : state) {
    Pass pass;
    pass.training = true;
    it.head(hidden, packed, pass).sum().backward();
    it.parameters.collect_gradients(true);
    hidden.mutable_grad().reset();
  }
}

void run_loss(benchmark::State& state, const std::string& kind) {
  TrainingShape training = setting.training;
  training.loss = kind;
  training.class_weights = {2, 1, 1, 1};
  Loss loss(training, at::kCPU);
  TrainBatch batch = batch_of(setting.lengths);
  at::Tensor logits = at::randn({batch.micro_batch, 4}).requires_grad_(true);
  at::Tensor labels = at::tensor(std::vector<int64_t>(batch.labels.begin(), batch.labels.end()));
  for (auto _ : state) {
    loss(logits, labels, loss.denominator(batch.labels)).backward();
    logits.mutable_grad().reset();
  }
}

ModelOptions model_options(const std::string& precision, bool trains) {
  ModelOptions options{};
  options.encoder = setting.encoder;
  options.classifies = true;
  options.head = setting.head;
  options.trains = trains;
  options.training = setting.training;
  options.device = "cpu";
  options.precision = precision;
  options.threads = setting.threads;
  options.seed = 1;
  options.deterministic = false;
  options.may_initialize = {""};
  return options;
}

const std::atomic<bool> kOpen{false};

Model& model(const std::string& precision, bool trains) {
  return kept<Model>(precision + std::to_string(trains), [&] {
    return std::make_unique<Model>(model_options(precision, trains), Cancellation(nullptr, &kOpen));
  });
}

void run_model(benchmark::State& state, const std::string& precision, bool trains) {
  Model& it = model(precision, trains);
  TrainBatch batch = batch_of(setting.lengths);
  Cancellation never(nullptr, &kOpen);
  for (auto _ : state) {
    if (trains) {
      it.train_step(batch, true, never);
    } else {
      it.predict(batch, never);
    }
  }
}

struct Trained {
  Parameters parameters;
  Encoder encoder;
  Head head;
  Optimizer optimizer;
  explicit Trained(const std::string& precision)
      : parameters(at::kCPU, type_of(precision), true),
        encoder(setting.encoder, setting.training.frozen_layers, false, false, parameters,
                type_of(precision)),
        head(setting.head, setting.encoder.hidden_size, parameters),
        optimizer((parameters.fill({}, {""}, 1), setting.training), parameters) {
    for (auto& parameter : parameters.all()) {
      if (parameter.trainable) parameter.gradient = at::randn(parameter.master.sizes()) * 1e-3;
    }
  }
};

// The gradients' norm, clipping, AdamW, and the copies in a lower precision.
void run_optimizer(benchmark::State& state, const std::string& precision) {
  Trained& it = kept<Trained>(precision, [&] { return std::make_unique<Trained>(precision); });
  for (auto _ : state) {
    it.optimizer.step(1, it.optimizer.gradient_norm(1));
    it.parameters.refresh();
  }
}

// Float32 from a file that the system has in memory, into a model that only predicts.
void load_weights(benchmark::State& state, const std::string& precision) {
  Parameters parameters(at::kCPU, type_of(precision), false);
  Encoder encoder(setting.encoder, 0, true, false, parameters, type_of(precision));
  std::vector<TensorSource> sources;
  int64_t offset = 0;
  for (const auto& slice : parameters.slices()) {
    sources.push_back({slice.name, "F32", setting.scratch, slice.shape, {}, offset});
    offset += 4 * std::accumulate(slice.shape.begin(), slice.shape.end(), int64_t{1}, std::multiplies<>());
  }
  std::ofstream file(setting.scratch, std::ios::binary);
  std::vector<float> values(1 << 20, 0.02f);
  for (int64_t left = offset; left > 0; left -= 4 << 20) {
    file.write(reinterpret_cast<const char*>(values.data()), std::min<int64_t>(left, 4 << 20));
  }
  file.close();
  if (!file) throw std::runtime_error("cannot write " + setting.scratch);
  for (auto _ : state) parameters.fill(sources, {}, 1);
  state.SetBytesProcessed(state.iterations() * offset);
  std::remove(setting.scratch.c_str());
}

void add_parts() {
  for (const std::string kind : {"cross-entropy", "focal"}) {
    add("loss/" + kind, [=](benchmark::State& s) { run_loss(s, kind); });
  }
  for (const auto& precision : training_precisions()) {
    add("attention/" + precision + "/infer", [=](benchmark::State& s) { attention(s, precision, false); });
    add("attention/" + precision + "/train", [=](benchmark::State& s) { attention(s, precision, true); });
    for (const std::string type : {"cross-attention", "concat"}) {
      add("head/" + precision + "/" + type, [=](benchmark::State& s) { run_head(s, type, precision); });
    }
    add("optimizer/" + precision, [=](benchmark::State& s) { run_optimizer(s, precision); });
    add("weights/" + precision, [=](benchmark::State& s) { load_weights(s, precision); });
    add("model/" + precision + "/train", [=](benchmark::State& s) { run_model(s, precision, true); });
  }
  for (const auto& precision : precisions()) {
    add("model/" + precision + "/infer", [=](benchmark::State& s) { run_model(s, precision, false); });
  }
}

std::vector<int64_t> numbers(const std::string& list) {
  std::vector<int64_t> all;
  std::stringstream stream(list);
  for (std::string number; std::getline(stream, number, ',');) all.push_back(std::stoll(number));
  return all;
}

// Takes the flags that are its own, and leaves the others to Google Benchmark.
void parse(int& count, char** arguments) {
  int kept = 1;
  for (int i = 1; i < count; i++) {
    std::string argument = arguments[i], name = argument.substr(0, argument.find('='));
    std::string value = name.size() < argument.size() ? argument.substr(name.size() + 1) : "";
    if (name == "--encoder") {
      std::vector<int64_t> sizes = numbers(value);
      setting.encoder.hidden_size = sizes.at(0), setting.encoder.layers = sizes.at(1);
      setting.encoder.attention_heads = sizes.at(2), setting.encoder.intermediate_size = sizes.at(3);
      setting.encoder.vocab_size = sizes.at(4), setting.encoder.max_positions = sizes.at(5);
    } else if (name == "--lengths") {
      setting.lengths = numbers(value);
    } else if (name == "--frozen") {
      setting.training.frozen_layers = std::stoll(value);
    } else if (name == "--threads") {
      setting.threads = std::stoi(value);
    } else if (name == "--scratch") {
      setting.scratch = value;
    } else {
      arguments[kept++] = arguments[i];
    }
  }
  count = kept;
  if (setting.lengths.empty()) setting.lengths = std::vector<int64_t>(24, 80);
}

}  // namespace

int main(int count, char** arguments) {
  parse(count, arguments);
  configure_process();
  at::set_num_threads(setting.threads);
  add_gemms();
  add_layers();
  add_parts();
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
