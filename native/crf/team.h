// The threads of one operator call. Threads are made for the call and joined at its end: nothing outlives it, and they inherit
// the caller's floating-point mode (denormals), which keeps results equal for any number of threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "buffer.h"

namespace csrm {

class Team {
 public:
  /// At most `threads` threads, the caller among them; fewer if the system refuses to make more.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return int(workers_.size()) + 1; }

  /// Calls body on ranges of at least `grain` that cover [0, n). Rethrows the first exception of any thread.
  void run(int64_t n, int64_t grain, const LoopBody& body);

 private:
  void serve();
  void take_chunks();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_, finished_;
  std::atomic<uint64_t> generation_{0};  // of loops
  std::atomic<bool> stop_{false};
  std::atomic<int> helping_{0};  // workers in the loop
  bool open_ = false;            // whether workers may still join it

  const LoopBody* body_ = nullptr;
  int64_t size_ = 0, chunk_ = 1;
  std::atomic<int64_t> next_{0};
  std::exception_ptr error_;
};

}  // namespace csrm
