#include <c10/util/Exception.h>
#if __has_include(<oneapi/dnnl/dnnl.hpp>)
#include <oneapi/dnnl/dnnl.hpp>
#define WITH_ONEDNN
#endif

#include "addon.h"
#include "devices.h"

namespace arxiv {

Napi::Error make_error(Napi::Env env, const std::string& code, const std::string& message, int system_error) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", code);
  if (system_error != 0) error.Set("errno", Napi::Number::New(env, system_error));
  return error;
}

Environment::Environment(Napi::Env env) : env_(env) {
  notify_ = Napi::ThreadSafeFunction::New(
      env,
      Napi::Function::New(env, [](const Napi::CallbackInfo& info) { Environment::of(info.Env()).settle(); }),
      "arxiv-native", 0, 1);
  notify_.Unref(env);
  // Registered after the thread-safe function's own hook, so it runs before that one closes it.
  env.AddCleanupHook([](Environment* self) { self->close(); }, this);
}

Napi::Promise Environment::queue(std::function<void(const Cancellation&)> work,
                                 std::function<Napi::Value(Napi::Env)> convert, Napi::Value cancel) {
  auto deferred = Napi::Promise::Deferred::New(env_);
  Napi::Reference<Napi::Uint8Array> reference;
  const uint8_t* flag = nullptr;
  if (!cancel.IsUndefined()) {
    if (!cancel.IsTypedArray() || cancel.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array ||
        cancel.As<Napi::TypedArray>().ElementLength() < 1) {
      throw Napi::TypeError::New(env_, "cancel: a Uint8Array of one element expected");
    }
    auto array = cancel.As<Napi::Uint8Array>();
    flag = array.Data();
    reference = Napi::Reference<Napi::Uint8Array>::New(array, 1);
  }
  uint64_t id = next_++;
  auto mailbox = mailbox_;
  auto notify = notify_;
  auto job = [=, work = std::move(work)] {
    std::optional<Failure> failure = attempt(work, Cancellation(flag, &mailbox->closing));
    if (failure && failure->code == "OUT_OF_MEMORY") {
      // What is tried next may need it elsewhere: oneDNN maps the code that it compiles. Where that failed
      // once, it fails for good on the same thread, for its assembler keeps the error.
      return_free_memory();
      Engine::instance().renew_thread();
    }
    std::lock_guard<std::mutex> lock(mailbox->mutex);
    if (mailbox->closing || Engine::instance().closing()) return;
    mailbox->done.emplace_back(id, std::move(failure));
    notify.NonBlockingCall();
  };
  if (!Engine::instance().submit(this, std::move(job))) {
    deferred.Reject(make_error(env_, "CANCELLED", "the engine has shut down").Value());
    return deferred.Promise();
  }
  if (pending_.empty()) notify_.Ref(env_);
  pending_.emplace(id, Pending{deferred, std::move(reference), std::move(convert)});
  return deferred.Promise();
}

std::optional<Environment::Failure> Environment::attempt(const std::function<void(const Cancellation&)>& work,
                                                         const Cancellation& cancellation) {
  try {
    cancellation.check();
    work(cancellation);
    return std::nullopt;
  } catch (const Error& error) {
    return Failure{error.code(), error.what(), error.system_error()};
  } catch (const std::bad_alloc&) {
    return Failure{"OUT_OF_MEMORY", "out of memory"};
  } catch (const c10::OutOfMemoryError& error) {
    return Failure{"OUT_OF_MEMORY", error.what_without_backtrace()};
  } catch (const c10::Error& error) {
    std::string message = error.what_without_backtrace();
    // The CPU allocator's failure is an ordinary c10::Error.
    bool memory = message.find("can't allocate memory") != std::string::npos ||
                  message.find("out of memory") != std::string::npos;
    return Failure{memory ? "OUT_OF_MEMORY" : "ENGINE", message};
#ifdef WITH_ONEDNN
  } catch (const dnnl::error& error) {
    return Failure{error.status == dnnl_out_of_memory ? "OUT_OF_MEMORY" : "ENGINE", error.what()};
#endif
  } catch (const std::exception& error) {
    return Failure{"ENGINE", error.what()};
  } catch (...) {
    return Failure{"ENGINE", "unknown exception"};  // Objective-C's, from MPS
  }
}

void Environment::settle() {
  Napi::HandleScope scope(env_);
  decltype(mailbox_->done) done;
  {
    std::lock_guard<std::mutex> lock(mailbox_->mutex);
    done.swap(mailbox_->done);
  }
  for (auto& [id, failure] : done) {
    auto found = pending_.find(id);
    if (found == pending_.end()) continue;
    Pending pending = std::move(found->second);
    pending_.erase(found);
    if (failure) {
      pending.deferred.Reject(
          make_error(env_, failure->code, failure->message, failure->system_error).Value());
      continue;
    }
    try {
      pending.deferred.Resolve(pending.convert(env_));
    } catch (const Napi::Error& error) {
      pending.deferred.Reject(error.Value());
    }
  }
  if (pending_.empty()) notify_.Unref(env_);
}

void Environment::reject_all() {
  decltype(pending_) pending;
  pending.swap(pending_);
  for (auto& [id, waiting] : pending) {
    waiting.deferred.Reject(make_error(env_, "CANCELLED", "the engine has shut down").Value());
  }
  notify_.Unref(env_);
}

// The environment ends: a worker is terminated, or the process exits. Nobody waits for its promises any more.
void Environment::close() {
  {
    std::lock_guard<std::mutex> lock(mailbox_->mutex);
    mailbox_->closing = true;
  }
  Engine::instance().drop(this);
  pending_.clear();
}

}  // namespace arxiv
