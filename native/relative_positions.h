// The bias of relative positions (Raffel et al., 2020), as MPNet has it: one table for all layers.
#pragma once

#include <ATen/ATen.h>

namespace arxiv {

// int64, length × length on the CPU: the table's row for query i and key j. Half of the rows are for keys
// before the query; in each half, half are for one distance each, the others for ranges that widen up to a
// distance of 128.
at::Tensor relative_position_buckets(int64_t length, int64_t buckets);

// table: buckets × heads. Returns 1 × heads × length × length, to be added to the scores of attention.
at::Tensor relative_position_bias(const at::Tensor& table, int64_t length);

}  // namespace arxiv
