// One head's attention on plain memory, bfloat16 as uint16_t.
#pragma once

#include <cstdint>
#include <vector>

#include "vectorize.h"

namespace arxiv {

constexpr int64_t kWidestHead = 128;

struct AttentionHead {
  int64_t length, width;  // rows (tokens), columns
  int64_t row, part;  // elements from a row to the next; from a query to its key, and from there to its value
  const uint16_t* qkv;   // the head's first query
  float scale;           // of the scores
  DropoutStream stream;  // of the attention's weights; element i · length + j is weight j of row i
  bool drops;
};

// What a head's computation needs beside its results: kept from one to the next, so that nothing is allocated
// anew.
struct AttentionScratch {
  std::vector<uint32_t> words;
  std::vector<float> floats;
};

bool has_attention_kernel();

// out: the head's first result, rows `part` apart. logsumexp: of each row's scores.
void attention_forward(const AttentionHead& head, uint16_t* out, float* logsumexp, AttentionScratch& scratch);

// out and logsumexp as forward gave them; given: the gradient of out. gradient: laid out as qkv.
void attention_backward(const AttentionHead& head, const uint16_t* out, const uint16_t* given,
                        const float* logsumexp, uint16_t* gradient, AttentionScratch& scratch);

}  // namespace arxiv
