#include "quantize.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "error.h"
#include "vectorize.h"

namespace arxiv {
namespace {

constexpr int64_t kGrain = 1 << 15;

struct Range {
  float low = 0, high = 0;
  int strange = 0;  // whether something is not a number
};

template <typename T>
inline __attribute__((always_inline)) Range range(const T* x, int64_t begin, int64_t end) {
  float low = 0, high = 0;
  int strange = 0;
  // Without this the compiler keeps the order of comparisons, one at a time.
#pragma omp simd reduction(min : low) reduction(max : high) reduction(| : strange)
  for (int64_t i = begin; i < end; i++) {
    float v = load(x[i]);
    low = v < low ? v : low;
    high = v > high ? v : high;
    strange |= v != v;
  }
  return {low, high, strange};
}

template <typename T>
inline __attribute__((always_inline)) void round_to(const T* x, uint8_t* out, int64_t begin, int64_t end,
                                                    float inverse, float offset) {
  for (int64_t i = begin; i < end; i++) {
    // Half is added and the rest cut off: the sum is not negative.
    float v = load(x[i]) * inverse + offset + 0.5f;
    v = v > 0.0f ? v : 0.0f;
    v = v < 255.0f ? v : 255.0f;
    out[i] = static_cast<uint8_t>(static_cast<int32_t>(v));
  }
}

VECTORIZED Range range_float(const float* x, int64_t begin, int64_t end) { return range(x, begin, end); }

VECTORIZED Range range_bfloat16(const uint16_t* x, int64_t begin, int64_t end) {
  return range(x, begin, end);
}

VECTORIZED void round_float(const float* x, uint8_t* out, int64_t begin, int64_t end, float inverse,
                            float offset) {
  round_to(x, out, begin, end, inverse, offset);
}

VECTORIZED void round_bfloat16(const uint16_t* x, uint8_t* out, int64_t begin, int64_t end, float inverse,
                               float offset) {
  round_to(x, out, begin, end, inverse, offset);
}

}  // namespace

Quantized quantize(const at::Tensor& input) {
  at::Tensor x = input.contiguous();
  bool wide = x.scalar_type() == at::kFloat;
  const void* from = x.const_data_ptr();
  Range whole;
  std::mutex mutex;
  at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
    Range part = wide ? range_float(static_cast<const float*>(from), begin, end)
                      : range_bfloat16(static_cast<const uint16_t*>(from), begin, end);
    std::lock_guard<std::mutex> lock(mutex);
    whole.low = std::min(whole.low, part.low), whole.high = std::max(whole.high, part.high);
    whole.strange |= part.strange;
  });
  float width = whole.high - whole.low;
  if (whole.strange || !std::isfinite(width)) throw Error("NON_FINITE", "the activations are not finite");
  float scale = std::max(width / 255, 1e-30f);
  float offset = std::nearbyint(-whole.low / scale);
  at::Tensor values = at::empty(x.sizes(), x.options().dtype(at::kByte));
  auto* to = values.mutable_data_ptr<uint8_t>();
  at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
    if (wide) {
      round_float(static_cast<const float*>(from), to, begin, end, 1 / scale, offset);
    } else {
      round_bfloat16(static_cast<const uint16_t*>(from), to, begin, end, 1 / scale, offset);
    }
  });
  return {values, scale, static_cast<int64_t>(offset)};
}

std::pair<at::Tensor, at::Tensor> quantize_rows(const at::Tensor& x) {
  at::Tensor scales = (std::get<0>(x.abs().max(1)) / 127).clamp_min(1e-12);
  return {(x / scales.unsqueeze(1)).round().to(at::kChar), scales};
}

}  // namespace arxiv
