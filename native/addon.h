// What each environment (main thread, worker) keeps, and how its jobs reach the engine thread and come back.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine.h"
#include "error.h"

namespace arxiv {

// One environment's promises that wait for the engine.
class Environment {
 public:
  explicit Environment(Napi::Env env);
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  // Queues `work` for the engine thread; its result, through `convert`, settles the promise on this thread.
  // `cancel`, a Uint8Array or undefined, is watched while the job waits and runs.
  template <typename T>
  Napi::Promise submit(std::function<T(const Cancellation&)> work,
                       std::function<Napi::Value(Napi::Env, T&)> convert, Napi::Value cancel) {
    auto outcome = std::make_shared<Outcome<T>>();
    return queue(
        [work = std::move(work), outcome](const Cancellation& c) { outcome->value.emplace(work(c)); },
        [convert = std::move(convert), outcome](Napi::Env env) { return convert(env, *outcome->value); },
        cancel);
  }

  // Rejects what is pending; for the end of the engine.
  void reject_all();

  Napi::FunctionReference model_constructor;

 private:
  template <typename T>
  struct Outcome {
    std::optional<T> value;
  };
  struct Failure {
    std::string code, message;
    int system_error = 0;
  };
  struct Pending {
    Napi::Promise::Deferred deferred;
    Napi::Reference<Napi::Uint8Array> cancel;  // keeps the flag's memory alive
    std::function<Napi::Value(Napi::Env)> convert;
  };
  // Shared with jobs under way, so that a late one finds the door closed instead of freed memory.
  struct Mailbox {
    std::mutex mutex;
    std::vector<std::pair<uint64_t, std::optional<Failure>>> done;
    std::atomic<bool> closing{false};
  };

  Napi::Promise queue(std::function<void(const Cancellation&)> work,
                      std::function<Napi::Value(Napi::Env)> convert, Napi::Value cancel);
  void settle();
  void close();
  static std::optional<Failure> attempt(const std::function<void(const Cancellation&)>& work,
                                        const Cancellation& c);

  Napi::Env env_;
  Napi::ThreadSafeFunction notify_;
  std::unordered_map<uint64_t, Pending> pending_;
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  uint64_t next_ = 0;
};

// A JavaScript Error with `code` and, after a failed system call, `errno`.
Napi::Error make_error(Napi::Env env, const std::string& code, const std::string& message,
                       int system_error = 0);

}  // namespace arxiv
