// The parameters of a model: float32 masters, the copies a lower precision computes with, their names in
// files.
#pragma once

#include <ATen/ATen.h>

#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "config.h"

namespace arxiv {

using Initializer = std::function<void(at::Tensor&, at::Generator&)>;
// `zero_row` of the first axis is left at 0; -1 for none.
Initializer normal(double deviation, int64_t zero_row = -1);
Initializer uniform(double bound);
Initializer constant(double value);

enum class ParameterGroup { kEncoder, kHead };

struct Parameter {
  at::Tensor master;    // float32; the value itself in a model that only predicts
  at::Tensor value;     // what the forward pass reads; the master itself unless the precision is lower
  at::Tensor gradient;  // float32, of the whole batch; undefined until a backward pass
  ParameterGroup group;
  bool trainable;

  void release() { master = value = gradient = at::Tensor(); }
};

class Parameters {
 public:
  // Without masters, values alone are kept: what a model that only predicts needs.
  Parameters(at::Device device, at::ScalarType compute, bool keep_masters)
      : device_(device), compute_(compute), keep_masters_(keep_masters) {}

  struct Declaration {
    // Several names are stacked along the first axis: one matrix, several names in files.
    std::vector<std::string> names;
    std::vector<int64_t> shape;  // of each
    ParameterGroup group;
    bool trainable;
    Initializer initializer;
    bool always_float32 = false;
  };

  // The reference stays valid. Values are undefined until `fill`.
  Parameter& add(Declaration declaration);

  // Reads or draws every parameter. Throws BAD_MODEL for one that is absent and may not be drawn, or
  // mis-shaped.
  void fill(const std::vector<TensorSource>& sources, const std::vector<std::string>& may_initialize,
            uint64_t seed);

  // Writes the masters into the lower-precision copies.
  void refresh();

  // Forgets gradients that the next backward pass replaces, so that both are not held at once.
  void release_gradients();

  // Moves the gradients of a backward pass from the values to the float32 gradients: adds, or starts afresh.
  void collect_gradients(bool first);

  // Throws BAD_OPTION where some were released: nothing can be read, saved or replaced.
  void require_kept() const;

  std::deque<Parameter>& all() { return parameters_; }

  struct Slice {
    std::string name;
    std::vector<int64_t> shape;
    Parameter* parameter;
    int64_t index, row;  // of the parameter; of the first row in it
    at::Tensor of(const at::Tensor& whole) const { return whole.narrow(0, row, shape[0]); }
  };
  const std::vector<Slice>& slices() const { return slices_; }
  const Slice& slice(const std::string& name) const;

 private:
  at::Device device_;
  at::ScalarType compute_;
  bool keep_masters_;
  std::deque<Parameter> parameters_;
  std::vector<Declaration> declarations_;
  std::vector<Slice> slices_;
};

using SourceIndex = std::unordered_map<std::string, const TensorSource*>;
SourceIndex index_sources(const std::vector<TensorSource>& sources);

}  // namespace arxiv
