// Tensors in files: byte ranges in, safetensors out.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

#include "config.h"

namespace arxiv {

// Copies the source into `target`, converting to its type. Throws BAD_MODEL when the shapes differ or the
// file is too short, IO when it cannot be read.
void read_tensor(const TensorSource& source, at::Tensor& target);

// Writes tensors in `dtype` (F32, F16 or BF16) as one safetensors file and flushes it to the disk. Throws IO;
// a part may then have been written.
void write_safetensors(const std::string& file,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::string& dtype, const Metadata& metadata);

}  // namespace arxiv
