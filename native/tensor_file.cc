#include "tensor_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <sstream>

#include "error.h"

namespace arxiv {
namespace {

// A file descriptor that closes itself.
class File {
 public:
  File(const std::string& path, int flags)
      : path_(path), descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0) fail("opening");
  }
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void read(char* to, int64_t bytes, int64_t offset, const std::string& name) {
    while (bytes > 0) {
      ssize_t n = ::pread(descriptor_, to, static_cast<size_t>(bytes), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("reading");
      if (n == 0) throw bad_model(path_ + ": truncated in " + name);
      to += n, bytes -= n, offset += n;
    }
  }

  void write(const char* from, int64_t bytes) {
    while (bytes > 0) {
      ssize_t n = ::write(descriptor_, from, static_cast<size_t>(bytes));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("writing");
      from += n, bytes -= n;
    }
  }

  void flush() {
    if (::fsync(descriptor_) != 0) fail("writing");
  }

 private:
  [[noreturn]] void fail(const std::string& doing) { throw Error("IO", doing + " " + path_, errno); }

  std::string path_;
  int descriptor_;
};

std::optional<at::ScalarType> scalar_type(const std::string& dtype) {
  if (dtype == "F64") return at::kDouble;
  if (dtype == "F32") return at::kFloat;
  if (dtype == "F16") return at::kHalf;
  if (dtype == "BF16") return at::kBFloat16;
  return std::nullopt;
}

at::ScalarType scalar_type(const TensorSource& source) {
  if (auto type = scalar_type(source.dtype)) return *type;
  throw bad_model(source.file + ": " + source.name + " has type " + source.dtype +
                  "; F64, F32, F16 or BF16 expected");
}

std::string quote(const std::string& text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      out += escaped;
    } else {
      out += static_cast<char>(c);
    }
  }
  return out + "\"";
}

std::string header(const std::vector<std::pair<std::string, at::Tensor>>& tensors, const std::string& dtype,
                   int64_t element, const Metadata& metadata) {
  std::ostringstream json;
  json << "{\"__metadata__\":{\"format\":\"pt\"";
  for (const auto& [key, value] : metadata) json << "," << quote(key) << ":" << quote(value);
  json << "}";
  int64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    json << "," << quote(name) << ":{\"dtype\":\"" << dtype << "\",\"shape\":[";
    for (int64_t d = 0; d < tensor.dim(); d++) json << (d ? "," : "") << tensor.size(d);
    json << "],\"data_offsets\":[" << offset << "," << offset + element * tensor.numel() << "]}";
    offset += element * tensor.numel();
  }
  json << "}";
  std::string text = json.str();
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

void read_tensor(const TensorSource& source, at::Tensor& target) {
  if (target.sizes() != at::IntArrayRef(source.shape)) {
    std::ostringstream message;
    message << source.file << ": " << source.name << " has shape " << at::IntArrayRef(source.shape) << "; "
            << target.sizes() << " expected";
    throw bad_model(message.str());
  }
  at::TensorOptions options = at::TensorOptions().dtype(scalar_type(source));
  bool strided = !source.strides.empty();
  if (strided && source.strides.size() != source.shape.size()) {
    throw bad_model(source.file + ": the strides of " + source.name + " do not fit its shape");
  }
  int64_t elements = 1;
  for (size_t d = 0; d < source.shape.size(); d++) {
    if (strided && source.strides[d] < 0)
      throw bad_model(source.file + ": " + source.name + " has a negative stride");
    elements = strided ? elements + (source.shape[d] - 1) * source.strides[d] : elements * source.shape[d];
  }
  at::Tensor raw = at::empty({elements}, options);
  File file(source.file, O_RDONLY);
  file.read(static_cast<char*>(raw.mutable_data_ptr()), elements * raw.element_size(), source.offset,
            source.name);
  target.copy_(strided ? raw.as_strided(source.shape, source.strides) : raw.view(source.shape));
}

void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::string& dtype, const Metadata& metadata) {
  auto type = scalar_type(dtype);
  if (!type) throw Error("BAD_OPTION", "dtype: one of F32, F16, BF16 expected");
  auto element = static_cast<int64_t>(c10::elementSize(*type));
  File file(path, O_WRONLY | O_CREAT | O_TRUNC);
  std::string text = header(tensors, dtype, element, metadata);
  uint64_t length = text.size();
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file.write(text.data(), static_cast<int64_t>(text.size()));
  for (const auto& [name, tensor] : tensors) {
    at::Tensor data = tensor.to(at::kCPU, *type).contiguous();
    file.write(static_cast<const char*>(data.const_data_ptr()), data.numel() * element);
  }
  file.flush();
}

}  // namespace arxiv
