#include "engine.h"

#include <algorithm>
#include <iterator>

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

void Engine::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return closing_ || !queue_.empty(); });
    if (closing_) return;
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
