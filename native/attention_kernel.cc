#include "attention_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

// clang 16 recurses without end over this file.
#if defined(__x86_64__) && defined(__GNUC__) && (!defined(__clang__) || __clang_major__ >= 19)
#include <immintrin.h>
#define ARXIV_AVX512_BF16
#endif

namespace arxiv {

#ifdef ARXIV_AVX512_BF16

bool has_attention_kernel() {
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}

namespace {

// The processor multiplies pairs: a word is two neighbours along the axis that a product sums over. A matrix
// is kept as words along its rows (what is multiplied from the left or, transposed, from the right) or down
// its columns. Rows are worked on by fours, columns by sixteens; what is beyond the matrix is 0.
constexpr int64_t kRows = 4, kColumns = 16;

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// Only functions of this file's own namespace below: what others share would be compiled for these processors
// alone.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
#endif

struct Matrix {
  const uint16_t* first;
  int64_t rows, columns, stride;  // elements from a row to the next
  const uint16_t* row(int64_t i) const { return first + i * stride; }
};

// Words along the rows: padded rows × columns / 2.
void by_row(const Matrix& m, uint32_t* out) {
  int64_t words = m.columns / 2, padded = round_up(m.rows, kRows);
  for (int64_t i = 0; i < m.rows; i++) std::memcpy(out + i * words, m.row(i), words * 4);
  std::fill(out + m.rows * words, out + padded * words, 0u);
}

// The same words, transposed: columns / 2 × padded rows. A line of 16 at a time: what is written then lies
// together.
void by_row_transposed(const Matrix& m, uint32_t* out) {
  int64_t words = m.columns / 2, padded = round_up(m.rows, kColumns);
  for (int64_t i = 0; i < m.rows; i += kColumns) {
    int64_t present = std::min(kColumns, m.rows - i);
    for (int64_t k = 0; k < words; k++) {
      uint32_t* line = out + k * padded + i;
      for (int64_t r = 0; r < present; r++) std::memcpy(line + r, m.row(i + r) + 2 * k, 4);
      std::fill(line + present, line + kColumns, 0u);
    }
  }
}

// Words down the columns: padded rows / 2 × columns.
void by_column(const Matrix& m, int64_t padded, uint32_t* out) {
  for (int64_t i = 0; i < padded; i += 2, out += m.columns) {
    if (i + 1 < m.rows) {
      const uint16_t *a = m.row(i), *b = m.row(i + 1);
      for (int64_t c = 0; c < m.columns; c++) out[c] = a[c] | static_cast<uint32_t>(b[c]) << 16;
    } else if (i < m.rows) {
      for (int64_t c = 0; c < m.columns; c++) out[c] = m.row(i)[c];
    } else {
      std::fill(out, out + m.columns, 0u);
    }
  }
}

// Where the words of a left factor lie: from a row to the next, and along the sum.
struct Words {
  const uint32_t* first;
  int64_t row, step;
};

template <int kBlocks>
inline __attribute__((always_inline)) void multiply_blocks(const Words& a, const uint32_t* b, int64_t b_step,
                                                           int64_t steps, float* out, int64_t out_row) {
  __m512 sums[kRows][kBlocks];
  for (auto& row : sums) {
    for (auto& sum : row) sum = _mm512_setzero_ps();
  }
  for (int64_t k = 0; k < steps; k++) {
    __m512bh right[kBlocks];
    for (int n = 0; n < kBlocks; n++) right[n] = (__m512bh)_mm512_loadu_si512(b + k * b_step + n * kColumns);
    for (int r = 0; r < kRows; r++) {
      auto left = (__m512bh)_mm512_set1_epi32(static_cast<int>(a.first[r * a.row + k * a.step]));
      for (int n = 0; n < kBlocks; n++) sums[r][n] = _mm512_dpbf16_ps(sums[r][n], left, right[n]);
    }
  }
  for (int r = 0; r < kRows; r++) {
    for (int n = 0; n < kBlocks; n++) _mm512_storeu_ps(out + r * out_row + n * kColumns, sums[r][n]);
  }
}

// Four rows of a product: 4 × columns.
void multiply(const Words& a, const uint32_t* b, int64_t steps, int64_t columns, float* out) {
  int64_t n = 0;
  for (; n + 4 * kColumns <= columns; n += 4 * kColumns)
    multiply_blocks<4>(a, b + n, columns, steps, out + n, columns);
  switch ((columns - n) / kColumns) {
    case 3:
      return multiply_blocks<3>(a, b + n, columns, steps, out + n, columns);
    case 2:
      return multiply_blocks<2>(a, b + n, columns, steps, out + n, columns);
    case 1:
      return multiply_blocks<1>(a, b + n, columns, steps, out + n, columns);
  }
}

// exp by its Taylor series on [-ln 2 / 2, ln 2 / 2]: within a few roundings of float32.
inline __m512 exponential(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-87.0f), x);  // in this order a NaN stays
  __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6f), r);
  __m512 sum = _mm512_set1_ps(1.0f / 720);
  for (float coefficient : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
    sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(coefficient));
  return _mm512_scalef_ps(sum, n);
}

inline __mmask16 within(int64_t j, int64_t length) {
  return static_cast<__mmask16>(length - j >= kColumns ? 0xffff
                                                       : (1 << std::max<int64_t>(length - j, 0)) - 1);
}

inline __m512i times(__m512i x, uint32_t y) {
  return _mm512_mullo_epi32(x, _mm512_set1_epi32(static_cast<int>(y)));
}

template <int kBits>
inline __m512i fold(__m512i x) {
  return _mm512_xor_si512(x, _mm512_srli_epi32(x, kBits));
}

// What 16 weights of a row are multiplied by: the stream's scale, or 0. The hash is vectorize.h's.
inline __m512 kept(const AttentionHead& head, int64_t row, int64_t j) {
  const DropoutStream& s = head.stream;
  __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __m512i i = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(row * head.keys + j)), lanes);
  __m512i h = _mm512_add_epi32(times(i, 0x9e3779b1u), _mm512_set1_epi32(static_cast<int>(s.key0)));
  h = times(fold<16>(h), 0x85ebca6bu);
  h = _mm512_xor_si512(h, _mm512_set1_epi32(static_cast<int>(s.key1)));
  h = fold<16>(times(fold<13>(h), 0xc2b2ae35u));
  __mmask16 mask = _mm512_cmpge_epu32_mask(h, _mm512_set1_epi32(static_cast<int>(s.threshold)));
  return _mm512_maskz_mov_ps(mask, _mm512_set1_ps(s.scale));
}

inline void store_rounded(uint16_t* out, __m512 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), (__m256i)_mm512_cvtneps_pbh(x));
}

inline __m512 load_wide(const uint16_t* from) {
  __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

// Four rows of float32 into rows [first, first + 4) of a result that has `rows`.
void store_rows(const float* from, int64_t columns, int64_t first, int64_t rows, uint16_t* out,
                int64_t stride) {
  for (int64_t r = 0; r < kRows && first + r < rows; r++) {
    for (int64_t c = 0; c < columns; c += kColumns)
      store_rounded(out + (first + r) * stride + c, _mm512_loadu_ps(from + r * columns + c));
  }
}

// Turns a row of scores, in place, and from there into weights, dropout included; returns the logarithm of
// the sum of their exponentials.
float softmax(const AttentionHead& head, float* scores, int64_t row, int64_t columns, uint16_t* weights) {
  __m512 largest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  for (int64_t j = 0; j < columns; j += kColumns)
    largest = _mm512_mask_max_ps(largest, within(j, head.keys), _mm512_loadu_ps(scores + j), largest);
  float top = _mm512_reduce_max_ps(largest) * head.scale;
  __m512 scale = _mm512_set1_ps(head.scale), shift = _mm512_set1_ps(-top), total = _mm512_setzero_ps();
  for (int64_t j = 0; j < columns; j += kColumns) {
    __m512 x = exponential(_mm512_fmadd_ps(_mm512_loadu_ps(scores + j), scale, shift));
    x = _mm512_maskz_mov_ps(within(j, head.keys), x);
    total = _mm512_add_ps(total, x);
    _mm512_storeu_ps(scores + j, x);
  }
  float sum = _mm512_reduce_add_ps(total);
  __m512 inverse = _mm512_set1_ps(1 / sum);
  for (int64_t j = 0; j < columns; j += kColumns) {
    __m512 x = _mm512_mul_ps(_mm512_loadu_ps(scores + j), inverse);
    if (head.drops) x = _mm512_mul_ps(x, kept(head, row, j));
    store_rounded(weights + j, x);
  }
  return top + std::log(sum);
}

// A row's weights once more, dropout included, and the gradients of its scores.
// weighted_mean: the sum of the row's weights times their gradients.
void softmax_backward(const AttentionHead& head, const float* scores, const float* of_weights,
                      float logsumexp, float weighted_mean, int64_t row, int64_t columns, uint16_t* weights,
                      uint16_t* of_scores) {
  __m512 scale = _mm512_set1_ps(head.scale), shift = _mm512_set1_ps(-logsumexp);
  __m512 mean = _mm512_set1_ps(weighted_mean);
  for (int64_t j = 0; j < columns; j += kColumns) {
    __m512 w = exponential(_mm512_fmadd_ps(_mm512_loadu_ps(scores + j), scale, shift));
    w = _mm512_maskz_mov_ps(within(j, head.keys), w);
    __m512 g = _mm512_loadu_ps(of_weights + j), dropped = w;
    if (head.drops) {
      __m512 factor = kept(head, row, j);
      g = _mm512_mul_ps(g, factor), dropped = _mm512_mul_ps(w, factor);
    }
    store_rounded(weights + j, dropped);
    store_rounded(of_scores + j, _mm512_mul_ps(_mm512_mul_ps(w, scale), _mm512_sub_ps(g, mean)));
  }
}

float dot(const uint16_t* a, const uint16_t* b, int64_t count) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t c = 0; c < count; c += kColumns)
    sum = _mm512_fmadd_ps(load_wide(a + c), load_wide(b + c), sum);
  return _mm512_reduce_add_ps(sum);
}

}  // namespace

void attention_forward(const AttentionHead& head, uint16_t* out, float* logsumexp,
                       AttentionScratch& scratch) {
  int64_t width = head.width, words = width / 2;
  int64_t rows = round_up(head.queries, kRows), columns = round_up(head.keys, kColumns);
  scratch.words.resize(rows * words + columns * words + columns / 2 * width + kRows * columns / 2);
  scratch.floats.resize(kRows * std::max(columns, width));
  uint32_t* queries = scratch.words.data();
  uint32_t* keys = queries + rows * words;
  uint32_t* values = keys + columns * words;
  uint32_t* weights = values + columns / 2 * width;
  float* sums = scratch.floats.data();
  by_row({head.query, head.queries, width, head.query_row}, queries);
  by_row_transposed({head.key, head.keys, width, head.key_row}, keys);
  by_column({head.value, head.keys, width, head.key_row}, columns, values);
  for (int64_t i = 0; i < head.queries; i += kRows) {
    multiply({queries + i * words, words, 1}, keys, words, columns, sums);
    for (int64_t r = 0; r < kRows; r++) {
      auto* row = reinterpret_cast<uint16_t*>(weights) + r * columns;
      float logarithm = softmax(head, sums + r * columns, i + r, columns, row);
      if (i + r < head.queries) logsumexp[i + r] = logarithm;
    }
    multiply({weights, columns / 2, 1}, values, columns / 2, width, sums);
    store_rows(sums, width, i, head.queries, out, head.out_row);
  }
}

void attention_backward(const AttentionHead& head, const uint16_t* out, const uint16_t* given,
                        const float* logsumexp, const AttentionGradients& gradients,
                        AttentionScratch& scratch) {
  int64_t width = head.width, words = width / 2;
  int64_t rows = round_up(head.queries, kRows), columns = round_up(head.keys, kColumns);
  Matrix query{head.query, head.queries, width, head.query_row},
      key{head.key, head.keys, width, head.key_row}, value{head.value, head.keys, width, head.key_row},
      wanted{given, head.queries, width, head.out_row};

  scratch.words.resize(2 * rows * words + 2 * columns * words + columns / 2 * width + 2 * (rows / 2 * width) +
                       2 * (kRows * columns / 2) + 2 * (rows / 2 * columns));
  scratch.floats.resize(2 * kRows * std::max(columns, width));
  uint32_t* next = scratch.words.data();
  auto take = [&](int64_t count) {
    uint32_t* taken = next;
    next += count;
    return taken;
  };
  uint32_t *queries = take(rows * words), *wanteds = take(rows * words);
  uint32_t *keys = take(columns * words), *values = take(columns * words);
  uint32_t* keys_down = take(columns / 2 * width);
  uint32_t *queries_down = take(rows / 2 * width), *wanteds_down = take(rows / 2 * width);
  auto* weights = reinterpret_cast<uint16_t*>(take(kRows * columns / 2));
  uint32_t* of_scores_by_row = take(kRows * columns / 2);
  auto* of_scores = reinterpret_cast<uint16_t*>(of_scores_by_row);
  uint32_t *weights_down = take(rows / 2 * columns), *of_scores_down = take(rows / 2 * columns);
  float *scores = scratch.floats.data(), *of_weights = scores + kRows * std::max(columns, width);

  by_row(query, queries), by_row(wanted, wanteds);
  by_row_transposed(key, keys), by_row_transposed(value, values);
  by_column(key, columns, keys_down);
  by_column(query, rows, queries_down), by_column(wanted, rows, wanteds_down);

  for (int64_t i = 0; i < head.queries; i += kRows) {
    multiply({queries + i * words, words, 1}, keys, words, columns, scores);
    multiply({wanteds + i * words, words, 1}, values, words, columns, of_weights);
    int64_t present = std::min(kRows, head.queries - i);
    for (int64_t r = 0; r < present; r++) {
      int64_t at = r * columns;
      float mean = dot(out + (i + r) * head.out_row, wanted.row(i + r), width);
      softmax_backward(head, scores + at, of_weights + at, logsumexp[i + r], mean, i + r, columns,
                       weights + at, of_scores + at);
    }
    multiply({of_scores_by_row, columns / 2, 1}, keys_down, columns / 2, width, scores);
    store_rows(scores, width, i, head.queries, gradients.query, head.query_row);
    by_column({weights, present, columns, columns}, kRows, weights_down + i / 2 * columns);
    by_column({of_scores, present, columns, columns}, kRows, of_scores_down + i / 2 * columns);
  }
  for (int64_t j = 0; j < head.keys; j += kRows) {
    multiply({of_scores_down + j, 1, columns}, queries_down, rows / 2, width, scores);
    store_rows(scores, width, j, head.keys, gradients.key, head.key_row);
    multiply({weights_down + j, 1, columns}, wanteds_down, rows / 2, width, scores);
    store_rows(scores, width, j, head.keys, gradients.value, head.key_row);
  }
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#else

bool has_attention_kernel() { return false; }
void attention_forward(const AttentionHead&, uint16_t*, float*, AttentionScratch&) {}
void attention_backward(const AttentionHead&, const uint16_t*, const uint16_t*, const float*,
                        const AttentionGradients&, AttentionScratch&) {}

#endif

}  // namespace arxiv
