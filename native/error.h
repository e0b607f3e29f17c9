// Failures that carry the code src/errors.ts knows them by.
#pragma once

#include <stdexcept>
#include <string>

namespace arxiv {

class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

inline Error bad_model(const std::string& message) { return Error("BAD_MODEL", message); }
inline Error bad_input(const std::string& message) { return Error("BAD_INPUT", message); }
inline Error cancelled() { return Error("CANCELLED", "cancelled"); }

}  // namespace arxiv
