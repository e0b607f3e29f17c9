// The engine thread: the one thread of the process on which LibTorch works.
//
// LibTorch keeps grad mode, OpenMP teams and more per thread, so every job of every Node environment runs
// here, in the order of submission.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace arxiv {

// Asks whether the running job should be abandoned. Called between layers.
class Cancellation {
 public:
  // `flag`, of the job's caller, may be null; `closing` is the environment's. The engine's own end counts as
  // well.
  Cancellation(const uint8_t* flag, const std::atomic<bool>* closing) : flag_(flag), closing_(closing) {}
  bool requested() const;
  void check() const;

 private:
  const uint8_t* flag_;
  const std::atomic<bool>* closing_;
};

class Engine {
 public:
  // Never destroyed: the thread may outlive main(), and statics of LibTorch with it.
  static Engine& instance();

  // `owner` groups the jobs of one Node environment. Returns false after shutdown.
  bool submit(const void* owner, std::function<void()> job);

  // Forgets the owner's queued jobs and waits until none of them runs.
  void drop(const void* owner);

  // After the running job, which calls this, another thread goes on in place of this one.
  void renew_thread();

  // Forgets all jobs, cancels the running one and joins the thread.
  void shutdown();

  const std::atomic<bool>& closing() const { return closing_; }

 private:
  void run();
  bool hand_over();

  struct Job {
    const void* owner;
    std::function<void()> work;
  };

  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<Job> queue_;
  const void* running_ = nullptr;
  std::atomic<bool> closing_{false};
  std::thread thread_, former_;
  bool renew_ = false;
};

}  // namespace arxiv
