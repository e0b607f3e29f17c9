#include "packed_linear.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "error.h"
#include "quantize.h"

namespace arxiv {
namespace {

// oneDNN's operators have no C++ header: they are reached by name, boxed. A LibTorch in which they take
// another number of arguments counts as one that lacks them.
std::optional<c10::OperatorHandle> find_operator(const char* name, size_t arguments) {
  auto found = c10::Dispatcher::singleton().findSchema({name, ""});
  return found && found->schema().arguments().size() == arguments ? found : std::nullopt;
}

std::optional<c10::OperatorHandle> find_prepack() { return find_operator("onednn::qlinear_prepack", 2); }
std::optional<c10::OperatorHandle> find_quantized() { return find_operator("onednn::qlinear_pointwise", 13); }

at::Tensor call(const c10::OperatorHandle& op, std::vector<c10::IValue> arguments) {
  op.callBoxed(&arguments);
  return arguments.at(0).toTensor();
}

using NoScalars = c10::List<std::optional<at::Scalar>>;

// The name of an activation and its variant, as oneDNN's operators call them.
std::pair<std::string, std::string> post_op(const std::string& activation) {
  if (activation == "gelu") return {"gelu", "none"};
  if (activation == "gelu_tanh") return {"gelu", "tanh"};
  return {activation, ""};
}

// The number of rows that the order is chosen for, a batch's. Others read it as well, a little slower.
constexpr int64_t kRows = 2048;

class Bfloat16Linear : public PackedLinear {
 public:
  Bfloat16Linear(at::Tensor weight, at::Tensor bias, c10::OperatorHandle linear)
      : weight_(std::move(weight)), bias_(std::move(bias)), linear_(linear) {}

  at::Tensor operator()(const at::Tensor& x, const std::string& activation) const override {
    auto [name, variant] = post_op(activation);
    return call(linear_, {x, weight_, bias_, name, NoScalars(), variant});
  }

 private:
  at::Tensor weight_, bias_;
  c10::OperatorHandle linear_;
};

class Int8Linear : public PackedLinear {
 public:
  Int8Linear(at::Tensor weight, at::Tensor scales, at::Tensor bias, c10::OperatorHandle linear)
      : weight_(std::move(weight)),
        scales_(std::move(scales)),
        offsets_(at::zeros(scales_.sizes(), at::kLong)),
        bias_(std::move(bias)),
        linear_(linear) {}

  at::Tensor operator()(const at::Tensor& x, const std::string& activation) const override {
    auto [name, variant] = post_op(activation);
    Quantized q = quantize(x);
    return call(linear_, {q.values, q.scale, q.offset, weight_, scales_, offsets_, bias_, 1.0, int64_t{0},
                          x.scalar_type(), name, NoScalars(), variant});
  }

 private:
  at::Tensor weight_, scales_, offsets_, bias_;
  c10::OperatorHandle linear_;
};

}  // namespace

std::unique_ptr<PackedLinear> pack_bfloat16(const at::Tensor& weight, const at::Tensor& bias) {
#if defined(__x86_64__)
  auto reorder = find_operator("mkldnn::_reorder_linear_weight", 2);
  auto linear = find_operator("mkldnn::_linear_pointwise", 6);
  if (reorder && linear)
    return std::make_unique<Bfloat16Linear>(call(*reorder, {weight, kRows}), bias, *linear);
#endif
  return nullptr;
}

std::unique_ptr<PackedLinear> pack_int8(const at::Tensor& weight, const at::Tensor& bias) {
  auto prepack = find_prepack(), linear = find_quantized();
  if (!has_int8() || !prepack || !linear)
    throw Error("UNSUPPORTED", "this CPU and LibTorch have no int8 products");
  auto [values, scales] = quantize_rows(weight.to(at::kFloat));
  at::Tensor packed = call(*prepack, {values, std::vector<int64_t>{kRows, weight.size(1)}});
  return std::make_unique<Int8Linear>(packed, scales, bias.to(at::kFloat), *linear);
}

bool has_int8() {
#if defined(__x86_64__)
  // Without VNNI's wider sums the products saturate.
  return __builtin_cpu_supports("avx512vnni") && find_prepack() && find_quantized();
#else
  return false;
#endif
}

}  // namespace arxiv
