// What sits on an encoder while it is pre-trained: BERT's masked-word head (Devlin et al., 2019) and, beside
// it, a classifier of whole texts and a projection of them into the space of another encoder's.
#pragma once

#include <vector>

#include "encoder.h"

namespace arxiv {

class PretrainingHead {
 public:
  PretrainingHead(const PretrainingShape& shape, const EncoderShape& encoder, Parameters& parameters);

  // hidden: tokens × hidden size; rows: int64, those of masked tokens. Returns logits, rows × vocabulary, in
  // the precision of hidden. The decoder is the matrix of word embeddings.
  at::Tensor words(const at::Tensor& hidden, const at::Tensor& rows) const;

  // Of the means of sequences' hidden states, in the precision of hidden. Float32: logits of each one's
  // class, and what is to point where the teacher's mean does.
  at::Tensor classes(const at::Tensor& means) const;
  at::Tensor projected(const at::Tensor& means) const;

 private:
  std::string activation_;
  const Parameter* embeddings_;
  Linear transform_, classifier_, projection_;
  LayerNorm norm_;
  Parameter* bias_;
};

}  // namespace arxiv
