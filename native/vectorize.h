// Loops of our own over plain memory.
#pragma once

#include <cstdint>
#include <cstring>

// One function body, compiled for each width of vector registers and chosen when the library loads.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VECTORIZED
#endif

namespace arxiv {

// bfloat16 is the upper half of a float; it is rounded to nearest, ties to even.
inline float widen(uint16_t x) {
  uint32_t bits = static_cast<uint32_t>(x) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

inline float load(float x) { return x; }
inline float load(uint16_t x) { return widen(x); }

inline uint16_t narrow(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 64u : rounded >> 16);
}

// Dropout draws no numbers: element i of a stream is kept if its hash is at least the threshold.
struct DropoutStream {
  uint32_t key0, key1, threshold;
  float scale;  // of what is kept
};

inline DropoutStream dropout_stream(double p, uint64_t key) {
  return {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32),
          static_cast<uint32_t>(p * 4294967296.0), static_cast<float>(1.0 / (1.0 - p))};
}

// A 32-bit finaliser in the manner of MurmurHash3, keyed at both ends.
inline uint32_t hash(uint32_t i, uint32_t key0, uint32_t key1) {
  uint32_t h = i * 0x9e3779b1u + key0;
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h ^= key1;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}

}  // namespace arxiv
