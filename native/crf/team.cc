#include "team.h"

#include <algorithm>
#include <system_error>

namespace csrm {

namespace {

/// Loops follow each other within microseconds, which is less than it takes to sleep and wake up. Some 100 µs: longer than a chunk.
constexpr int kSpins = 5000;

template <class Ready>
bool spin(const Ready& ready) {
  for (int i = 0; i < kSpins; i++) {
    if (ready()) return true;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  return false;
}

}  // namespace

Team::Team(int threads) {
  try {
    for (int i = 1; i < threads; i++) workers_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {
    // No more threads to be had; those that started suffice.
  }
}

Team::~Team() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void Team::run(int64_t n, int64_t grain, const LoopBody& body) {
  if (n <= 0) return;
  if (workers_.empty() || n <= grain) return body(0, n);
  body_ = &body;
  size_ = n;
  // Many chunks a thread even out what a chunk costs and what else runs on the machine. Who is done waits for no longer than one of
  // them, and so does not fall asleep before the next loop: 134 loops an image, of which each would wait for somebody to wake up.
  chunk_ = std::max(grain, n / (int64_t(size()) * 32));
  next_ = 0;
  error_ = nullptr;
  helping_ = 0;
  generation_++;
  // Whoever falls asleep says so before the last look at the generation, so one of the two is seen.
  if (asleep_ > 0) {
    { std::lock_guard<std::mutex> lock(mutex_); }
    wake_.notify_all();
  }
  take_chunks();
  // A worker that has not even woken up by now, on a busy machine, is not waited for.
  helping_ |= kClosed;
  const auto alone = [this] { return helping_ == kClosed; };
  if (!spin(alone)) {
    std::unique_lock<std::mutex> lock(mutex_);
    waiting_ = true;
    finished_.wait(lock, alone);
    waiting_ = false;
  }
  if (error_) std::rethrow_exception(error_);
}

/// False where the loop is over.
bool Team::join() {
  int now = helping_;
  while (!(now & kClosed))
    if (helping_.compare_exchange_weak(now, now + 1)) return true;
  return false;
}

void Team::serve() {
  uint64_t seen = 0;
  const auto called = [&] { return stop_ || generation_ != seen; };
  while (true) {
    if (!spin(called)) {
      std::unique_lock<std::mutex> lock(mutex_);
      asleep_++;
      wake_.wait(lock, called);
      asleep_--;
    }
    if (stop_) return;
    seen = generation_;
    if (!join()) continue;
    take_chunks();
    helping_--;
    if (waiting_) {
      { std::lock_guard<std::mutex> lock(mutex_); }
      finished_.notify_one();
    }
  }
}

void Team::take_chunks() {
  try {
    for (int64_t begin; (begin = next_.fetch_add(chunk_)) < size_;) (*body_)(begin, std::min(size_, begin + chunk_));
  } catch (...) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!error_) error_ = std::current_exception();
    next_ = size_;
  }
}

}  // namespace csrm
