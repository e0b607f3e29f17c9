#include "parameters.h"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include "dropout.h"
#include "error.h"
#include "tensor_file.h"

namespace arxiv {

Initializer normal(double deviation, int64_t zero_row) {
  return [=](at::Tensor& t, at::Generator& g) {
    t.normal_(0, deviation, g);
    if (zero_row >= 0) t[zero_row].zero_();
  };
}

Initializer uniform(double bound) {
  return [=](at::Tensor& t, at::Generator& g) { t.uniform_(-bound, bound, g); };
}

Initializer constant(double value) {
  return [=](at::Tensor& t, at::Generator&) { t.fill_(value); };
}

Parameter& Parameters::add(Declaration declaration) {
  parameters_.push_back({{}, {}, {}, declaration.group, declaration.trainable});
  int64_t row = 0;
  for (const auto& name : declaration.names) {
    slices_.push_back(
        {name, declaration.shape, &parameters_.back(), static_cast<int64_t>(declarations_.size()), row});
    row += declaration.shape[0];
  }
  declarations_.push_back(std::move(declaration));
  return parameters_.back();
}

void Parameters::fill(const std::vector<TensorSource>& sources,
                      const std::vector<std::string>& may_initialize, uint64_t seed) {
  SourceIndex index = index_sources(sources);
  for (size_t i = 0; i < parameters_.size(); i++) {
    auto shape = declarations_[i].shape;
    shape[0] *= static_cast<int64_t>(declarations_[i].names.size());
    parameters_[i].master = at::empty(shape, at::kFloat);
  }
  for (const auto& slice : slices_) {
    at::Tensor target = slice.of(slice.parameter->master);
    if (auto found = index.find(slice.name); found != index.end()) {
      read_tensor(*found->second, target);
      continue;
    }
    bool may = false;
    for (const auto& prefix : may_initialize) may = may || slice.name.compare(0, prefix.size(), prefix) == 0;
    if (!may) throw bad_model("the weights lack " + slice.name);
    // One generator a name: a new head is the same whatever else was drawn or read.
    uint64_t key = seed;
    for (unsigned char c : slice.name) key = mix(key, c);
    at::Generator generator = at::detail::createCPUGenerator(key);
    declarations_[slice.index].initializer(target, generator);
  }
  for (size_t i = 0; i < parameters_.size(); i++) {
    Parameter& p = parameters_[i];
    p.master = p.master.to(device_);
    bool lower = compute_ != at::kFloat && !declarations_[i].always_float32;
    p.value = lower ? p.master.to(compute_) : p.master;
    if (!keep_masters_) p.master = p.value;
    p.value.set_requires_grad(p.trainable);
  }
}

void Parameters::refresh() {
  c10::NoGradGuard guard;
  std::vector<at::Tensor> values, masters;
  for (auto& p : parameters_) {
    if (p.value.is_same(p.master)) continue;
    values.push_back(p.value);
    masters.push_back(p.master);
  }
  if (!values.empty()) at::_foreach_copy_(values, masters);
}

void Parameters::require_kept() const {
  for (const auto& p : parameters_) {
    if (!p.master.defined())
      throw Error("BAD_OPTION",
                  "the weights of a model that only predicts in a lower precision are not kept");
  }
}

void Parameters::release_gradients() {
  for (auto& p : parameters_) {
    if (p.value.is_same(p.master)) p.gradient.reset();
  }
}

void Parameters::collect_gradients(bool first) {
  c10::NoGradGuard guard;
  for (auto& p : parameters_) {
    if (!p.trainable) continue;
    at::Tensor& fresh = p.value.mutable_grad();
    bool same_type = p.value.is_same(p.master);
    if (!fresh.defined()) {
      if (first) p.gradient = at::zeros_like(p.master);
      continue;
    }
    if (!first) {
      p.gradient.add_(fresh);
    } else if (same_type) {
      p.gradient = fresh;
    } else if (p.gradient.defined()) {
      p.gradient.copy_(fresh);
    } else {
      p.gradient = fresh.to(at::kFloat);
    }
    fresh.reset();
  }
}

const Parameters::Slice& Parameters::slice(const std::string& name) const {
  for (const auto& slice : slices_) {
    if (slice.name == name) return slice;
  }
  throw bad_input("no parameter is named " + name);
}

SourceIndex index_sources(const std::vector<TensorSource>& sources) {
  SourceIndex index;
  for (const auto& source : sources) index[source.name] = &source;
  return index;
}

}  // namespace arxiv
