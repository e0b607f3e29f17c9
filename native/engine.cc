#include "engine.h"

#include <algorithm>
#include <iterator>
#include <new>
#include <system_error>

#include "error.h"

namespace arxiv {

bool Cancellation::requested() const {
  return (flag_ && __atomic_load_n(flag_, __ATOMIC_RELAXED)) || *closing_ || Engine::instance().closing();
}

void Cancellation::check() const {
  if (requested()) throw cancelled();
}

Engine& Engine::instance() {
  static Engine* engine = new Engine();
  return *engine;
}

bool Engine::submit(const void* owner, std::function<void()> job) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closing_) return false;
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  queue_.push_back({owner, std::move(job)});
  wake_.notify_one();
  return true;
}

void Engine::drop(const void* owner) {
  std::deque<Job> dropped;
  std::unique_lock<std::mutex> lock(mutex_);
  auto mine =
      std::stable_partition(queue_.begin(), queue_.end(), [&](const Job& job) { return job.owner != owner; });
  std::move(mine, queue_.end(), std::back_inserter(dropped));
  queue_.erase(mine, queue_.end());
  idle_.wait(lock, [&] { return running_ != owner; });
}

void Engine::renew_thread() {
  std::lock_guard<std::mutex> lock(mutex_);
  renew_ = true;
}

void Engine::shutdown() {
  std::deque<Job> dropped;
  std::thread thread;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    dropped.swap(queue_);
    thread.swap(thread_);
    wake_.notify_one();
  }
  if (thread.joinable()) thread.join();
}

// Called with the lock, on which the next thread waits. Without memory for it, this one stays.
bool Engine::hand_over() {
  try {
    std::thread next([this] { run(); });
    former_ = std::move(thread_);
    thread_ = std::move(next);
    renew_ = false;
    return true;
  } catch (const std::system_error&) {
    return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void Engine::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  // Its OpenMP team gives its memory back as it ends.
  if (former_.joinable()) {
    std::thread former = std::move(former_);
    lock.unlock();
    former.join();
    lock.lock();
  }
  while (true) {
    wake_.wait(lock, [&] { return closing_ || !queue_.empty(); });
    if (closing_) return;
    // As late as can be: there may be memory for it by now.
    if (renew_ && hand_over()) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    running_ = job.owner;
    lock.unlock();
    job.work();
    job.work = nullptr;  // what the job holds is freed here, outside the lock
    lock.lock();
    running_ = nullptr;
    idle_.notify_all();
  }
}

}  // namespace arxiv
