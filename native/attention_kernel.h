// One head's attention on plain memory, bfloat16 as uint16_t.
#pragma once

#include <cstdint>
#include <vector>

#include "vectorize.h"

namespace arxiv {

constexpr int64_t kWidestHead = 128;

struct AttentionHead {
  int64_t queries, keys, width;  // rows (tokens) of the queries; of the keys and of the values; columns
  int64_t query_row, key_row, out_row;  // elements from a row to the next; of the values as of the keys
  const uint16_t *query, *key, *value;
  float scale;           // of the scores
  DropoutStream stream;  // of the attention's weights; element i · keys + j is weight j of row i
  bool drops;
};

// Laid out as the head that they belong to.
struct AttentionGradients {
  uint16_t *query, *key, *value;
};

// What a head's computation needs beside its results: kept from one to the next, so that nothing is allocated
// anew.
struct AttentionScratch {
  std::vector<uint32_t> words;
  std::vector<float> floats;
};

bool has_attention_kernel();

// logsumexp: of each row's scores.
void attention_forward(const AttentionHead& head, uint16_t* out, float* logsumexp, AttentionScratch& scratch);

// out and logsumexp as forward gave them; given: the gradient of out.
void attention_backward(const AttentionHead& head, const uint16_t* out, const uint16_t* given,
                        const float* logsumexp, const AttentionGradients& gradients,
                        AttentionScratch& scratch);

}  // namespace arxiv
