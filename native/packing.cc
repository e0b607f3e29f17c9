#include "packing.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>

#include "error.h"

namespace arxiv {
namespace {

// Sequences share a rectangle when their lengths round up to the same multiple of this.
constexpr int64_t kBucket = 32;

at::Tensor to_device(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct PlaceRows : torch::autograd::Function<PlaceRows> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& to,
                            int64_t rows) {
    context->save_for_backward({to});
    return at::zeros({rows, x.size(1)}, x.options()).index_copy_(0, to, x);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    at::Tensor to = context->get_saved_variables()[0];
    return {gradients[0].index_select(0, to), Variable(), Variable()};
  }
};

struct TakeRows : torch::autograd::Function<TakeRows> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& from) {
    context->save_for_backward({from});
    context->saved_data["rows"] = x.size(0);
    return x.index_select(0, from);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    at::Tensor from = context->get_saved_variables()[0];
    at::Tensor x =
        at::zeros({context->saved_data["rows"].toInt(), gradients[0].size(1)}, gradients[0].options());
    return {x.index_copy_(0, from, gradients[0]), Variable()};
  }
};

void validate(const PackedBatch& batch, int64_t first, int64_t count, const EncoderShape& encoder) {
  const auto& offsets = batch.offsets;
  for (int64_t s = first; s < first + count; s++) {
    int64_t begin = offsets[s], end = offsets[s + 1];
    if (begin < 0 || end <= begin || end > static_cast<int64_t>(batch.ids.size())) {
      throw bad_input("sequence " + std::to_string(s) +
                      " is empty or its offsets lie outside the token buffer");
    }
    if (end - begin > encoder.max_positions - encoder.position_offset) {
      throw bad_input("sequence " + std::to_string(s) + " has " + std::to_string(end - begin) +
                      " tokens; the encoder has positions for " +
                      std::to_string(encoder.max_positions - encoder.position_offset));
    }
    for (int64_t i = begin; i < end; i++) {
      if (batch.ids[i] < 0 || batch.ids[i] >= encoder.vocab_size) {
        throw bad_input("token id " + std::to_string(batch.ids[i]) +
                        " is outside the encoder's vocabulary of " + std::to_string(encoder.vocab_size));
      }
    }
  }
}

Group make_group(const std::vector<int64_t>& lengths, at::Device device) {
  Group group;
  group.sequences = static_cast<int64_t>(lengths.size());
  group.length = lengths.front();
  group.tokens = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  if (group.tokens == group.sequences * group.length) return group;
  std::vector<int64_t> rows;
  at::Tensor keys = at::zeros({group.sequences, 1, 1, group.length}, at::kBool);
  for (int64_t s = 0; s < group.sequences; s++) {
    for (int64_t i = 0; i < lengths[s]; i++) rows.push_back(s * group.length + i);
    keys[s].narrow(-1, 0, lengths[s]).fill_(true);
  }
  group.rows = to_device(rows, device);
  group.keys = keys.to(device);
  return group;
}

}  // namespace

Pack pack(const PackedBatch& batch, int64_t first, int64_t count, const EncoderShape& encoder,
          at::Device device) {
  validate(batch, first, count, encoder);
  auto length = [&](int64_t s) {
    return static_cast<int64_t>(batch.offsets[first + s + 1]) - batch.offsets[first + s];
  };
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return length(a) > length(b); });

  Pack pack;
  pack.starts.resize(count);
  pack.lengths.resize(count);
  std::vector<int64_t> ids, positions, members;
  for (size_t k = 0; k < order.size(); k++) {
    int64_t s = order[k], n = length(s);
    pack.starts[s] = static_cast<int64_t>(ids.size());
    pack.lengths[s] = n;
    const int32_t* tokens = batch.ids.data() + batch.offsets[first + s];
    ids.insert(ids.end(), tokens, tokens + n);
    int64_t position = encoder.position_offset;
    for (int64_t i = 0; i < n; i++) {
      // Where positions start after the padding token's, one that a text names itself takes that and is not
      // counted.
      bool padding = encoder.position_offset > 0 && tokens[i] == encoder.pad_token_id;
      positions.push_back(padding ? encoder.position_offset - 1 : position++);
    }
    members.push_back(n);
    bool last = k + 1 == order.size();
    if (last || (length(order[k + 1]) + kBucket - 1) / kBucket != (n + kBucket - 1) / kBucket) {
      pack.groups.push_back(make_group(members, device));
      members.clear();
    }
  }
  pack.ids = to_device(ids, device);
  pack.positions = to_device(positions, device);
  return pack;
}

Side side(const Pack& pack, int64_t first, int64_t stride) {
  Side side{0, 0, {}, {}, {}, {}};
  for (int64_t s = first; s < pack.sequences(); s += stride, side.sequences++) {
    side.length = std::max(side.length, pack.lengths[s]);
  }
  std::vector<int64_t> tokens, rows;
  at::Tensor keys = at::zeros({side.sequences, side.length}, at::kBool);
  for (int64_t n = 0; n < side.sequences; n++) {
    int64_t s = first + n * stride;
    side.ragged.starts.push_back(static_cast<int64_t>(tokens.size()));
    side.ragged.lengths.push_back(pack.lengths[s]);
    for (int64_t i = 0; i < pack.lengths[s]; i++) {
      tokens.push_back(pack.starts[s] + i);
      rows.push_back(n * side.length + i);
    }
    keys[n].narrow(0, 0, pack.lengths[s]).fill_(true);
  }
  at::Device device = pack.ids.device();
  side.tokens = to_device(tokens, device);
  side.rows = to_device(rows, device);
  side.keys = keys.to(device);
  return side;
}

at::Tensor place_rows(const at::Tensor& x, const at::Tensor& to, int64_t rows) {
  return PlaceRows::apply(x, to, rows);
}

at::Tensor take_rows(const at::Tensor& x, const at::Tensor& from) { return TakeRows::apply(x, from); }

at::Tensor means(const at::Tensor& x, const Pack& pack) {
  int64_t sequences = pack.sequences(), tokens = x.size(0);
  // The sums as one product: slices would each leave a gradient as large as x.
  at::Tensor members = at::zeros({sequences, tokens});
  for (int64_t s = 0; s < sequences; s++) members[s].narrow(0, pack.starts[s], pack.lengths[s]).fill_(1);
  at::Tensor sums = at::matmul(members.to(x.options()), x).to(at::kFloat);
  return sums / at::tensor(pack.lengths, sums.options()).unsqueeze(1);
}

}  // namespace arxiv
