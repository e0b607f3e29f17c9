// Dropout with counter-based random numbers: element i of call n of step s is kept or dropped by a hash of
// (seed, s, n, i). Nothing is stored for the backward pass, the result does not depend on the number of
// threads, and a run resumes from the step's number alone.
#pragma once

#include <ATen/ATen.h>

#include "engine.h"

namespace arxiv {

// What one forward pass needs beside its inputs.
struct Pass {
  bool training = false;
  uint64_t key = 0;  // of this pass: seed, step and micro-batch, mixed
  uint64_t calls = 0;
  const Cancellation* cancellation = nullptr;

  void check() const {
    if (cancellation) cancellation->check();
  }
};

uint64_t mix(uint64_t a, uint64_t b);

// x with each element zeroed with probability p and the others scaled by 1 / (1 - p), plus `residual` if
// defined.
at::Tensor dropout(const at::Tensor& x, double p, Pass& pass, const at::Tensor& residual = {});

}  // namespace arxiv
