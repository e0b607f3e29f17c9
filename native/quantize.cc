#include "quantize.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "vectorize.h"

namespace arxiv {
namespace {

constexpr int64_t kGrain = 1 << 15;

inline float load(float x) { return x; }
inline float load(uint16_t x) { return widen(x); }

template <typename T>
inline __attribute__((always_inline)) void stretch(const T* x, int64_t begin, int64_t end, float& low,
                                                   float& high) {
  float l = low, h = high;
  for (int64_t i = begin; i < end; i++) {
    float v = load(x[i]);
    l = v < l ? v : l;
    h = v > h ? v : h;
  }
  low = l, high = h;
}

template <typename T>
inline __attribute__((always_inline)) void round_to(const T* x, uint8_t* out, int64_t begin, int64_t end,
                                                    float inverse, float offset) {
  for (int64_t i = begin; i < end; i++) {
    // Half is added and the rest cut off: the sum is not negative.
    float v = load(x[i]) * inverse + offset + 0.5f;
    v = v < 0.0f ? 0.0f : v;
    v = v > 255.0f ? 255.0f : v;
    out[i] = static_cast<uint8_t>(static_cast<int32_t>(v));
  }
}

VECTORIZED void stretch_float(const float* x, int64_t begin, int64_t end, float& low, float& high) {
  stretch(x, begin, end, low, high);
}

VECTORIZED void stretch_bfloat16(const uint16_t* x, int64_t begin, int64_t end, float& low, float& high) {
  stretch(x, begin, end, low, high);
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
  float low = 0, high = 0;
  std::mutex mutex;
  at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
    float l = 0, h = 0;
    if (wide) {
      stretch_float(static_cast<const float*>(from), begin, end, l, h);
    } else {
      stretch_bfloat16(static_cast<const uint16_t*>(from), begin, end, l, h);
    }
    std::lock_guard<std::mutex> lock(mutex);
    low = std::min(low, l), high = std::max(high, h);
  });
  float scale = high > low ? (high - low) / 255 : 1;
  float offset = std::nearbyint(-low / scale);
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
