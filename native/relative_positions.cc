#include "relative_positions.h"

#include <cmath>

namespace arxiv {
namespace {

constexpr double kMaxDistance = 128;

}  // namespace

at::Tensor relative_position_buckets(int64_t length, int64_t buckets) {
  at::Tensor positions = at::arange(length, at::kLong);
  at::Tensor behind = positions.unsqueeze(1) - positions.unsqueeze(0), distance = behind.abs();
  int64_t half = buckets / 2, exact = half / 2;
  // In float32 and in this order, as the models were trained: some distances lie on the very edge of a
  // bucket.
  at::Tensor range =
      at::log(distance.to(at::kFloat) / exact) / std::log(kMaxDistance / exact) * (half - exact);
  at::Tensor far = (range.clamp_min(0).to(at::kLong) + exact).clamp_max(half - 1);
  return at::where(distance < exact, distance, far) + (behind < 0).to(at::kLong) * half;
}

at::Tensor relative_position_bias(const at::Tensor& table, int64_t length) {
  at::Tensor buckets = relative_position_buckets(length, table.size(0)).to(table.device());
  return at::embedding(table, buckets).permute({2, 0, 1}).unsqueeze(0).contiguous();
}

}  // namespace arxiv
