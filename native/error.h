// Failures that carry the code src/errors.ts knows them by.
#pragma once

#include <stdexcept>
#include <string>

namespace arxiv {

class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message, int system_error = 0)
      : std::runtime_error(message), code_(std::move(code)), system_error_(system_error) {}
  const std::string& code() const { return code_; }
  // errno of a failed system call, 0 for other failures.
  int system_error() const { return system_error_; }

 private:
  std::string code_;
  int system_error_;
};

inline Error bad_model(const std::string& message) { return Error("BAD_MODEL", message); }
inline Error bad_input(const std::string& message) { return Error("BAD_INPUT", message); }
inline Error cancelled() { return Error("CANCELLED", "cancelled"); }

}  // namespace arxiv
